"""Run as a program: keeps a frame on a Spark of its own, kills the executors that hold it, and asks for the frame again."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pyarrow as pa

from dataengine.engines.spark import SparkEngine
from dataengine.engines.spark_plans import by_arrow

_QUERY = "SELECT n, CAST(count(*) AS BIGINT) AS rows FROM t GROUP BY n"


def executors() -> list[int]:
    """Processes of Spark executors below this one."""
    parents: dict[int, int] = {}
    backends = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if b"CoarseGrainedExecutorBackend" in (folder / "cmdline").read_bytes():
                backends.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return [pid for pid in backends if _below(pid, os.getpid(), parents)]


def _below(pid: int, root: int, parents: dict[int, int]) -> bool:
    while pid > 1 and pid != root:
        pid = parents.get(pid, 0)
    return pid == root


def main() -> None:
    table = pa.table({"n": [i % 7 for i in range(1000)]})
    with SparkEngine("local-cluster[1,1,1024]") as engine:
        counted = engine.sql(_QUERY, {"t": engine.frame(table)})
        ways = {"internals": engine.kept(counted), "public means": by_arrow(counted).persist()}
        for kept in ways.values():
            kept.count()
        before = engine.collect(counted.sort("n"))
        killed = executors()
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        after = {name: engine.collect(kept.sort("n")).to_pylist() for name, kept in ways.items()}
    print(json.dumps({"killed": len(killed), "before": before.to_pylist(), **after}))


if __name__ == "__main__":
    main()
