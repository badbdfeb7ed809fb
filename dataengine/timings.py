"""Time spent on each stage of a recipe: seconds, parts and runs, kept beside the commits and never in them.

Two equal runs give equal commits, manifests and cards, but no two runs take equally long. So time is a log of its own,
``costs/RECIPE/STAGE.json``, that nothing is computed from. It adds up over runs, failed ones too; the time of a killed
process is lost. Bytes are the same in equal runs and are part of the manifest (``release/stage.py``).
"""

from __future__ import annotations

import json
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, astuple, dataclass

from dataengine.errors import DataEngineError
from dataengine.media.sandbox import usage
from dataengine.storage.store import Store
from dataengine.storage.workspace import canonical_json


@dataclass(frozen=True)
class Work:
    """What making parts took: CPU seconds of the workers and of their decode children, and files that these decoded."""

    cpu: float = 0.0
    decode_cpu: float = 0.0
    decoded: int = 0


class Meter:
    """Measures this process's work in pieces that add up, also where several threads ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before = _work_so_far()

    def take(self) -> Work:
        """The work since the last call, or since the beginning."""
        with self._lock:
            before, self._before = self._before, _work_so_far()
            differences = [b - a for a, b in zip(astuple(before), astuple(self._before), strict=True)]
            return Work(*(max(d, 0) for d in differences))


def _work_so_far() -> Work:
    own = resource.getrusage(resource.RUSAGE_SELF)
    files, seconds = usage.total()
    return Work(own.ru_utime + own.ru_stime, seconds, files)


@dataclass
class Cost:
    """Cost of one stage: wall ``seconds`` of all runs, parts made, the number of runs that had work to do, and the ``Work``
    of making its parts."""

    stage: str
    seconds: float = 0.0
    parts: int = 0
    runs: int = 0
    last: float = 0.0
    """Seconds of the latest run."""
    cpu: float = 0.0
    decode_cpu: float = 0.0
    decoded: int = 0

    def add(self, work: Work) -> None:
        self.cpu += work.cpu
        self.decode_cpu += work.decode_cpu
        self.decoded += work.decoded


@contextmanager
def spent(store: Store, recipe: str, stage: str) -> Iterator[Cost]:
    """Measures the time inside the block, and the parts that the block adds to the Cost it is given. If the block raises, an
    error in writing the log does not hide that."""
    now, start = Cost(stage), time.monotonic()
    try:
        yield now
    except BaseException:
        with suppress(DataEngineError):
            _add(store, recipe, now, time.monotonic() - start)
        raise
    _add(store, recipe, now, time.monotonic() - start)


def costs(store: Store, recipe: str) -> dict[str, Cost]:
    """Costs by stage."""
    read = [_read(store, entry.key) for entry in store.list(f"costs/{recipe}")]
    return {cost.stage: cost for cost in read if cost is not None}


def _add(store: Store, recipe: str, now: Cost, seconds: float) -> None:
    key = f"costs/{recipe}/{now.stage}.json"
    before = _read(store, key) or Cost(now.stage)
    total = Cost(
        stage=now.stage,
        seconds=round(before.seconds + seconds, 3),
        parts=before.parts + now.parts,
        runs=before.runs + 1,
        last=round(seconds, 3),
        cpu=round(before.cpu + now.cpu, 3),
        decode_cpu=round(before.decode_cpu + now.decode_cpu, 3),
        decoded=before.decoded + now.decoded,
    )
    store.put(key, canonical_json(asdict(total)))


def _read(store: Store, key: str) -> Cost | None:
    """None where there is no log or it cannot be read: it starts again from zero."""
    try:
        return Cost(**json.loads(store.get(key)))
    except (FileNotFoundError, ValueError, TypeError):
        return None
