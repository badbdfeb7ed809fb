"""Kills runs, and takes disk, clock and network from them, at random points of all stages: ``make faults``.

    python benchmarks/faults.py [--rounds 50] [--seed N] [--only kills|faults] [--s3-share 0.3]

After each fault the run is started again, as a user would, until it is done; its release must have the hashes of an undisturbed
one. A table has one line a fault; exit code 1 if any hash differs, a run hangs, or a finished part was made again.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from faults_bench import BUCKET, KEY, SECRET, Bench, Outcome, digests, s3_server

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.faulty_proxy import BROKEN, Fault, FaultyProxy, faulty

#: Whom SIGKILL is sent to; the group is all processes of a run.
VICTIMS = ("driver", "group", "worker", "decode child")


def kills(bench: Bench, rounds: int, s3_share: float) -> Iterator[Outcome]:
    """Kill one process of a run a round, or all; go on in the same workspace until the release is there, then in a new one."""
    number, workspace = 0, ""
    for n in range(rounds):
        if not workspace:
            number += 1
            remote = bench.random.random() < s3_share
            workspace = f"s3://{BUCKET}/kills-{number}" if remote else bench.local(f"kills-{number}")
        victim = VICTIMS[n % len(VICTIMS)]
        before, start, text = bench.marked(workspace), time.monotonic(), ""
        where, done, code = bench.kill_at(workspace, victim)
        last = n == rounds - 1 or bench.random.random() < 0.4 or code == 0
        if last and code != 0:
            code, text = bench.run(workspace)
        after = bench.marked(workspace)
        again = sum(after.get(path) != when for path, when in before.items())
        good, note = (
            code in (0, -signal.SIGKILL, 137, 1) and code != -1000,
            "killed," if done else "the run was faster,",
        )
        if last:
            good = code == 0 and digests(workspace) == bench.baseline
            note = f"{note} same hashes" if good else f"{note} exit code {code}, or other hashes: {text[-600:]}"
        place = "s3" if workspace.startswith("s3://") else "folder"
        yield Outcome(f"kill {victim}", where, place, time.monotonic() - start, again, bench.parts, good, note.strip())
        if last:
            if place == "folder":
                shutil.rmtree(workspace, ignore_errors=True)
            workspace = ""


def faults(bench: Bench) -> Iterator[Outcome]:
    """Disk full, workspace read-only, clock moved, S3 behind a faulty network."""
    yield from disk(bench)
    for days in (-3, 500):
        workspace = bench.local(f"clock{days}")
        start = time.monotonic()
        where, _, _ = bench.kill_at(workspace, "group")
        code, text = bench.run(workspace, PYTHONPATH=moved(bench.folder, days))
        yield outcome(bench, f"clock moved by {days} days after a kill", where, workspace, start, code, text)
    with faulty(bench.endpoint) as proxy:
        workspace, start, over = f"s3://{BUCKET}/network", time.monotonic(), threading.Event()
        thread = threading.Thread(target=trouble, args=(bench.random, proxy, over))
        thread.start()
        code, text = bench.run(workspace, AWS_ENDPOINT_URL=proxy.url)
        over.set()
        thread.join()
        hit = sum(bool(fault) for _, _, fault in proxy.seen)
        yield outcome(bench, f"S3: {hit} faults in {len(proxy.seen)} requests", "all", workspace, start, code, text)


def trouble(rng: random.Random, proxy: FaultyProxy, over: threading.Event) -> None:
    """Until it is over, let one to three requests fail and the next five pass, so that none fails more often than tried."""
    kinds = [500, 503, *(kind for kind in BROKEN if not kind.startswith("corrupted"))]
    while not over.wait(0.05):
        if not any(fault for _, _, fault in proxy.seen[-5:]):
            count = rng.randint(1, 3)
            proxy.faults[:] = [Fault(rng.choice(kinds), rng.choice(("GET", "PUT")), times=count, seconds=0.5)]


def disk(bench: Bench) -> Iterator[Outcome]:
    """On a small file system of its own, which only root may mount."""
    place = bench.folder / "small"
    place.mkdir()
    size = sum(f.stat().st_size for f in Path(bench.local("undisturbed")).rglob("*") if f.is_file())
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size // 3}", "tmpfs", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        print("disk full, workspace read-only: skipped, no right to mount a file system", flush=True)
        return
    try:
        workspace, start = str(place / "ws"), time.monotonic()
        code, text = bench.run(workspace)
        explained = code == 1 and "Traceback" not in text and "No space left" in text
        _remount(place, f"size={size * 4}")
        code, text = bench.run(workspace)
        yield outcome(bench, "disk full", "ingest", workspace, start, code, text, explained)
        start = time.monotonic()
        shutil.rmtree(Path(workspace, "stages", "release"))
        _remount(place, "ro")
        code, text = bench.run(workspace)
        explained = code == 1 and "Traceback" not in text and "Read-only" in text
        _remount(place, "rw")
        code, text = bench.run(workspace)
        yield outcome(bench, "workspace read-only", "release", workspace, start, code, text, explained)
    finally:
        subprocess.run(["umount", str(place)], check=False)


def _remount(place: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(place)], check=True)


def outcome(
    bench: Bench, fault: str, where: str, workspace: str, start: float, code: int, text: str, explained: bool = True
) -> Outcome:
    good = explained and code == 0 and digests(workspace) == bench.baseline
    wrong = f"exit code {code}, or other hashes: {text[-600:]}" if explained else "its message is not right"
    note = "same hashes" if good else wrong
    place = "s3" if workspace.startswith("s3://") else "folder"
    return Outcome(fault, where, place, time.monotonic() - start, None, bench.parts, good, note)


def moved(folder: Path, days: int) -> str:
    """A PYTHONPATH on which Python's clock is wrong."""
    place = folder / f"clock{days}-path"
    place.mkdir()
    (place / "sitecustomize.py").write_text(
        f"import time\n_now = time.time\ntime.time = lambda: _now() + {days * 86400}\n"
    )
    return os.pathsep.join([str(place), *filter(None, [os.environ.get("PYTHONPATH")])])


def show(line: Outcome) -> None:
    again = "" if line.again is None else f"{line.again} of {line.parts} parts again"
    print(
        f"{'ok ' if line.good else 'BAD'} {line.fault:42} {line.where:16} {line.place:6} {line.seconds:6.0f} s  "
        f"{again:22}{line.note.rstrip(',')}",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill runs and take disk, clock and network from them.")
    parser.add_argument("--rounds", type=int, default=50, help="kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("kills", "faults"))
    parser.add_argument("--s3-share", type=float, default=0.3, help="share of the workspaces that are on S3")
    options = parser.parse_args()
    results = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        endpoint, data = stack.enter_context(s3_server(folder))
        os.environ.update(environment(endpoint))
        bench = Bench(folder, random.Random(options.seed), data, endpoint)
        bench.setup()
        for name, lines in (("kills", kills(bench, options.rounds, options.s3_share)), ("faults", faults(bench))):
            if options.only in (None, name):
                for line in lines:
                    show(line)
                    results.append(line)
    counted = [(r.again, r.parts) for r in results if r.again is not None]
    again, parts = sum(n for n, _ in counted), sum(n for _, n in counted)
    bad = sum(not r.good for r in results)
    print(
        f"{len(results)} faults, {bad} bad; finished parts made again: {again} of {parts} ({again / max(1, parts):.1%})"
    )
    return 1 if bad or again else 0


def environment(endpoint: str) -> Mapping[str, str]:
    """Credentials for this process's own reading."""
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
    }


if __name__ == "__main__":
    sys.exit(main())
