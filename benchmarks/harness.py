"""What benchmarks share: interleaved rounds and their medians, whole commands with CPU and memory, machine facts, tables.

    options = harness.parser(__doc__).parse_args()          # --rounds, --out
    report = harness.Report("align", options)
    timings = harness.rounds({"ours": ours, "theirs": theirs}, options.rounds)
    report.table("Pairs a second", ["way", "pairs/s"], [[name, n / t.cpu] for name, t in timings.items()])
    report.write()                                          # NAME.json and NAME.md in --out

A script may be run as ``python -m benchmarks NAME`` or as ``python benchmarks/NAME.py``.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processes import family

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-peers"
_PACKAGES = ("numpy", "numba", "pyarrow", "duckdb", "pillow", "simplejpeg", "torch", "ray", "pyspark")
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Timing:
    """Wall and CPU seconds (user and system, children that ended included) of each round of one way."""

    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)

    @property
    def wall(self) -> float:
        return statistics.median(self.walls)

    @property
    def cpu(self) -> float:
        return statistics.median(self.cpus)

    @property
    def spread(self) -> float:
        """(Slowest - fastest) / median, of wall time."""
        return (max(self.walls) - min(self.walls)) / self.wall if self.wall else 0.0


def cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def rounds(ways: Mapping[str, Callable[[], object]], count: int, warm: bool = True) -> dict[str, Timing]:
    """Each way once a round, the ways in turn, so that what else the machine does falls on all; every other round runs
    backwards. ``warm``: once before, not counted."""
    timings = {name: Timing() for name in ways}
    for k in range(-1 if warm else 0, count):
        for name, work in list(ways.items())[:: 1 if k % 2 == 0 else -1]:
            cpu, begun = cpu_seconds(), time.perf_counter()
            work()
            if k >= 0:
                timings[name].walls.append(time.perf_counter() - begun)
                timings[name].cpus.append(cpu_seconds() - cpu)
    return timings


@dataclass
class Command:
    """What a whole command took: seconds, CPU seconds of all its processes, their summed peak (proportional sizes, GB)."""

    seconds: float
    cpu: float
    peak: float
    code: int
    output: str


def command(arguments: Sequence[str], env: Mapping[str, str] | None = None, timeout: float = 1800) -> Command:
    """Run a command in a session of its own and watch its processes (Linux). One that outlasts ``timeout`` is killed."""
    begun = time.perf_counter()
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    process = subprocess.Popen(arguments, env={**os.environ, **(env or {})}, **piped)  # type: ignore[call-overload]
    cpus: dict[int, float] = {}
    peak, output, pause = 0.0, "", 0.25
    try:
        while process.returncode is None:
            with suppress(subprocess.TimeoutExpired):
                output = process.communicate(timeout=pause)[0]
            looked = time.perf_counter()
            seen = family(process.pid)
            cpus |= {pid: used for pid in seen if (used := cpu_of(pid)) > 0}
            peak = max(peak, sum(map(_proportional, seen)))
            pause = max(0.25, 20 * (time.perf_counter() - looked))  # looking walks page tables: a twentieth of the time
            if time.perf_counter() - begun > timeout:
                _kill(process.pid)
    finally:
        _kill(process.pid)  # also where this process is interrupted
    return Command(time.perf_counter() - begun, sum(cpus.values()), peak / 1e6, process.returncode, output)


def _kill(leader: int) -> None:
    for pid in family(leader):
        with suppress(ProcessLookupError):
            os.kill(pid, 9)


def cpu_of(pid: int) -> float:
    """CPU seconds of a process that runs."""
    with suppress(OSError, IndexError):
        values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(values[11]) + int(values[12])) / _TICK
    return 0.0


def _proportional(pid: int) -> int:
    """kB; memory that several processes share counts once."""
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return 0


def facts() -> dict[str, Any]:
    """The machine and the versions that a figure belongs to."""
    cpus = [line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = [int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": cpus[0] if cpus else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(memory[0] / 1e6, 1) if memory else None,
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "commit": _commit(),
        "versions": {name: version for name in _PACKAGES if (version := _version(name))},
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def _version(package: str) -> str:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return ""


def _commit() -> str:
    told = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return told.stdout.strip()


def keep_all(path: Path, width: int) -> None:
    """Write a filter policy that keeps every sample of at least ``width`` pixels."""
    rule = {"name": "side", "keep": f"width >= {width}", "on_missing": "drop", "reason": "tiny"}
    path.write_text(json.dumps({"name": "all", "version": "1", "description": "Keeps everything.", "rules": [rule]}))


def peer(name: str) -> Path | None:
    """The Python of a peer's own environment (``make bench-peers``), if it is there."""
    python = PEERS / name / "bin" / "python"
    return python if python.exists() else None


def parser(doc: str | None, rounds: int = 5) -> argparse.ArgumentParser:
    """With ``--rounds`` and ``--out``; a script adds its own."""
    made = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    made.add_argument("--rounds", type=int, default=rounds, help="the median of so many is shown")
    made.add_argument("--out", type=Path, metavar="DIR", help="write NAME.json and NAME.md here too")
    return made


class Report:
    """Tables, printed as they come, and written with the machine's facts as JSON and as Markdown for docs/."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self.name, self.out, self.facts = name, getattr(options, "out", None), facts()
        self.options = {k: v for k, v in vars(options).items() if k != "out"}
        self.tables: list[dict[str, Any]] = []
        print(self._machine(), flush=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], note: str = "") -> None:
        self.tables.append({"title": title, "columns": list(columns), "rows": [list(r) for r in rows], "note": note})
        print("\n" + markdown(self.tables[-1]), flush=True)

    def write(self) -> None:
        if self.out is None:
            return
        self.out.mkdir(parents=True, exist_ok=True)
        whole = {"name": self.name, "options": self.options, "facts": self.facts, "tables": self.tables}
        (self.out / f"{self.name}.json").write_text(json.dumps(whole, indent=1, default=str) + "\n")
        parts = [f"## {self.name}", self._machine(), *map(markdown, self.tables)]
        (self.out / f"{self.name}.md").write_text("\n\n".join(parts) + "\n")

    def _machine(self) -> str:
        f = self.facts
        options = "".join(_option(k, v) for k, v in self.options.items())
        return (
            f"`python -m benchmarks {self.name}{options}`, {f['date']}, {f['cpu']}, {f['cores']} cores, "
            f"{f['memory_gb']} GB, load before {f['load']}, Python {f['python']}, commit {f['commit']}."
        )


def _option(name: str, value: Any) -> str:
    if value is None or value is False or value == []:
        return ""
    shown = "" if value is True else " " + (" ".join(map(str, value)) if isinstance(value, list) else str(value))
    return f" --{name.replace('_', '-')}{shown}"


def markdown(table: Mapping[str, Any]) -> str:
    """A pipe table with its title above and its note below; columns of numbers are aligned right."""
    rows = [[cell(value) for value in row] for row in table["rows"]]
    numeric = [any(isinstance(row[k], int | float) for row in table["rows"]) for k in range(len(table["columns"]))]
    lines = [table["columns"], ["---:" if right else "---" for right in numeric], *rows]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join(part for part in (f"**{table['title']}**", text, table["note"]) if part)


def cell(value: Any) -> str:
    """Three digits that count, thousands with commas."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def ours() -> list[str]:
    """The ``dataengine`` command of this environment."""
    return [str(Path(sys.executable).with_name("dataengine"))]
