"""Other packages in environments of their own: installs them as pinned, and times the same plain job beside whole runs of ours.

``python -m benchmarks peers [--images N] [--rounds R] [--only NAME ...]``. ``benchmarks/peers/NAME.txt`` pins a peer; where there
is a ``peers/NAME_job.py``, it is run with a folder of JPEGs and an empty output. What does not install is named with the reason.
The jobs do less than a run of ours (no ledger, no shards, equal hashes only); our line is that of ``benchmarks/scaling.py``.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import harness
from scaling import pictures, run

FILES = harness.ROOT / "benchmarks" / "peers"
NAMES = sorted(path.stem for path in FILES.glob("*.txt"))


def main() -> None:
    parser = harness.parser(__doc__, rounds=3)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=[])
    parser.add_argument("--limit", type=int, default=1200, help="seconds for one installation")
    options = parser.parse_args()
    report = harness.Report("peers", options)
    names = options.only or NAMES
    faults = {name: fault for name in names if (fault := install(name, options.limit))}
    pins = [[name, pin(name), faults.get(name, "installed")] for name in names]
    report.table("Peers", ["name", "version", "state"], pins)
    jobs = [name for name in names if name not in faults and (FILES / f"{name}_job.py").exists()]
    report.table(
        f"{options.images:,} JPEGs, whole commands",
        ["what", "seconds", "images/s", "CPU s", "peak GB"],
        timed(jobs, options.images, options.rounds),
        "Ours also searches near-duplicates, writes shards, ledger and card.",
    )
    report.write()


def pin(name: str) -> str:
    """The first line of a peer's file: the package itself."""
    return (FILES / f"{name}.txt").read_text().splitlines()[0]


def install(name: str, limit: int, files: Path = FILES) -> str:
    """Why a peer could not be installed, or nothing. One that is there as pinned stays."""
    folder, pins = harness.PEERS / name, files / f"{name}.txt"
    stamp = folder / "installed.txt"
    if stamp.exists() and stamp.read_text() == pins.read_text():
        return ""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    done = harness.command([*pip, "-r", str(pins)], timeout=limit)
    if done.code == 0:
        stamp.write_text(pins.read_text())
        return ""
    errors = [line for line in done.output.splitlines() if line.startswith("ERROR")]
    return errors[0] if errors else f"not installed after {done.seconds:.0f} s (exit {done.code})"


def timed(jobs: list[str], count: int, rounds: int) -> list[list[object]]:
    """A row for us and each job: medians of rounds in which they take turns."""
    taken: dict[str, list[harness.Command]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, photos = Path(name), Path(name) / "photos"
        photos.mkdir()
        for n, data in enumerate(pictures(count)):
            (photos / f"{n:06d}.jpg").write_bytes(data)
        for _ in range(rounds):
            taken.setdefault("dataengine run", []).append(run(folder, photos, count, 2))
            for job in jobs:
                shutil.rmtree(folder / "out", ignore_errors=True)
                command = [str(harness.peer(job)), str(FILES / f"{job}_job.py"), str(photos), str(folder / "out")]
                done = harness.command(command)
                if done.code or not any((folder / "out").iterdir()):
                    raise SystemExit(f"{job}: exit {done.code}\n{done.output[-2000:]}")
                taken.setdefault(job, []).append(done)
    rows = []
    for what, times in taken.items():
        seconds, cpu, peak = (statistics.median(getattr(t, k) for t in times) for k in ("seconds", "cpu", "peak"))
        rows.append([what, seconds, count / seconds, cpu, peak])
    return rows


if __name__ == "__main__":
    main()
