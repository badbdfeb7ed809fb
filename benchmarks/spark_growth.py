"""What the table stages cost on Spark: the part that every run pays, and the part that grows with the rows; beside DuckDB.

    python -m benchmarks spark_growth --rows 1000000 3000000 10000000 --stages decisions statistics assignment ledger groups

CPU seconds of the driver, the JVM and its Python workers, from the first row read to the last file written
(``table_scale.py``); each size in a process of its own, engines in turn. A straight line through the sizes gives what is fixed
(the JVM compiling, plans, tasks) and what a million rows add.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import harness
import numpy as np
import psutil
import table_scale

STAGES = ("decisions", "statistics", "assignment", "ledger", "components", "groups")


def below() -> list[tuple[str, psutil.Process]]:
    """The processes that this one has started, and theirs, by kind."""
    processes = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            processes.append(("jvm" if process.name().startswith("java") else "workers", process))
    return processes


def cpu_by_kind() -> dict[str, float]:
    """CPU seconds so far of this process, of the JVM below it, and of Python workers; those of ended workers stay with who
    started them."""
    used = {"driver": harness.cpu_seconds(), "jvm": 0.0, "workers": 0.0}
    for kind, process in below():
        with suppress(psutil.Error):
            used[kind] += sum(process.cpu_times()[:4])  # user and system, its own and of children that have ended
    return used


def peaks() -> dict[str, float]:
    """GB: the most that the JVM, and the largest of its Python workers, have had."""
    most = {"jvm_gb": 0.0, "workers_gb": 0.0}
    for kind, process in below():
        with suppress(OSError):
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            peak = sum(int(line.split()[1]) / 1e6 for line in lines if line.startswith("VmHWM"))
            most[f"{kind}_gb"] = max(most[f"{kind}_gb"], peak)
    return most


def one(stage: str, rows: int, threads: int, engine: str) -> dict[str, Any]:
    """Wall seconds, and CPU seconds by kind of process, of one stage."""
    measured: dict[str, Any] = {}

    def timed(work: Callable[[], Any]) -> tuple[float, Any]:
        before, begun = cpu_by_kind(), time.perf_counter()
        made = work()
        measured["wall"] = time.perf_counter() - begun
        measured.update({kind: used - before[kind] for kind, used in cpu_by_kind().items()})
        measured.update(peaks())
        return measured["wall"], made

    table_scale.timed = timed
    _, outcome = getattr(table_scale, stage)(rows, threads, engine=engine)
    return {**measured, "outcome": outcome}


def fitted(rows: Sequence[int], seconds: Sequence[float]) -> tuple[float, float]:
    """Seconds that are fixed, and seconds that a million rows add."""
    if len(rows) < 2:
        return 0.0, seconds[0] / rows[0] * 1e6
    slope, fixed = np.polyfit(np.array(rows) / 1e6, seconds, 1)
    return float(fixed), float(slope)


def run(stage: str, rows: int, options: argparse.Namespace, engine: str) -> dict[str, Any]:
    what = json.dumps([stage, rows, options.threads, engine])
    work = [sys.executable, "-m", "benchmarks", "spark_growth", "--one", what]
    done = subprocess.run(work, cwd=harness.ROOT, capture_output=True, text=True, check=False, start_new_session=True)
    if done.returncode:
        raise SystemExit(f"{stage}, {rows:,} rows, {engine}: {done.stderr.strip()[-2000:]}")
    made: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return made


def main() -> None:
    parser = harness.parser(__doc__, rounds=1)
    parser.add_argument(
        "--stages", nargs="+", choices=STAGES, default=["decisions", "statistics", "assignment", "ledger"]
    )
    parser.add_argument("--rows", nargs="+", type=int, default=[1_000_000, 3_000_000])
    parser.add_argument("--engines", nargs="+", choices=("duckdb", "spark"), default=["duckdb", "spark"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(*json.loads(options.one))))
        return
    del options.one
    report = harness.Report("spark_growth", options)
    measured: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for _ in range(options.rounds):
        for stage in options.stages:
            for rows in options.rows:
                for engine in options.engines:
                    measured.setdefault((stage, engine, rows), []).append(run(stage, rows, options, engine))
    kinds = ("wall", "driver", "jvm", "workers")
    memory = ("jvm_gb", "workers_gb")
    lines: list[list[Any]] = []
    growth: list[list[Any]] = []
    for (stage, engine, rows), all_made in measured.items():
        medians = [float(np.median([made[kind] for made in all_made])) for kind in (*kinds, *memory)]
        lines.append([stage, engine, rows, *medians, sum(medians[1:4])])
    columns = ["stage", "engine", "rows", "wall", *(f"CPU {k}" for k in kinds[1:]), "JVM GB", "a worker GB", "CPU"]
    report.table("Seconds by size, most memory of a process", columns, lines)
    for stage in options.stages:
        for engine in options.engines:
            of_stage = [one_line for one_line in lines if one_line[:2] == [stage, engine]]
            growth.append([stage, engine, *fitted([x[2] for x in of_stage], [x[-1] for x in of_stage])])
    report.table("CPU seconds", ["stage", "engine", "fixed", "a million rows"], growth)
    report.write()


if __name__ == "__main__":
    main()
