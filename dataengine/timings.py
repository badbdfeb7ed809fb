"""Time spent on each stage of a recipe: seconds, parts and runs, kept beside the commits and never in them.

Two equal runs give equal commits, manifests and cards, but no two runs take equally long. So time is a log of its own,
``costs/RECIPE/STAGE.json``, that nothing is computed from. Processes that make a stage between them write one each,
``costs/RECIPE/STAGE/3-of-8.json``, since none could add to another's without losing some. It adds up over runs, failed ones too;
the time of a killed process is lost. Bytes are the same in equal runs and are part of the manifest (``release/stage.py``).
"""

from __future__ import annotations

import json
import resource
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace

from dataengine.config.share import WHOLE, Share
from dataengine.errors import DataEngineError
from dataengine.media.sandbox import usage
from dataengine.storage.store import Store
from dataengine.storage.workspace import canonical_json


@dataclass(frozen=True)
class Work:
    """What making parts took: CPU seconds of the workers and of their decode children, and files that these decoded; wall
    ``seconds`` of workers that had a part, those in which a model was computing (``model``), and of those in which a batch was
    asked for the samples that lay ready (``ready``, summed over ``asked`` batches). ``failures``: inputs and samples that failed,
    by class."""

    cpu: float = 0.0
    decode_cpu: float = 0.0
    decoded: int = 0
    seconds: float = 0.0
    model: float = 0.0
    ready: int = 0
    asked: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Work) -> Work:
        return _combined(self, other, 1)

    def __sub__(self, other: Work) -> Work:
        return _combined(self, other, -1)


def _combined(a: Work, b: Work, sign: int) -> Work:
    names = [f.name for f in fields(Work) if f.name != "failures"]
    sums = {name: getattr(a, name) + sign * getattr(b, name) for name in names}
    failures = {name: a.failures.get(name, 0) + sign * b.failures.get(name, 0) for name in {*a.failures, *b.failures}}
    return Work(**sums, failures={name: n for name, n in sorted(failures.items()) if n})


class _Counters:
    """What this process has done so far, beside its CPU seconds."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.model = 0.0
        self.ready = self.asked = 0
        self.failures: Counter[str] = Counter()


_counters = _Counters()


@contextmanager
def computing() -> Iterator[None]:
    """Counts the time inside the block as a model's."""
    start = time.monotonic()
    try:
        yield
    finally:
        with _counters.lock:
            _counters.model += time.monotonic() - start


def failed(failure: str) -> None:
    """Counts an input or sample that failed, by its class."""
    with _counters.lock:
        _counters.failures[failure] += 1


def ready(samples: int) -> None:
    """Counts a batch that was asked for, and the decoded samples that lay ready then."""
    with _counters.lock:
        _counters.ready += samples
        _counters.asked += 1


class Meter:
    """Measures this process's work in pieces that add up, also where several threads ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before = _work_so_far()
        self._parts = 0
        self._since = time.monotonic()

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part is made inside the block: its time is the worker's, once for all parts that are made at the same time."""
        with self._lock:
            if not self._parts:
                self._since = time.monotonic()
            self._parts += 1
        try:
            yield
        finally:
            with self._lock:
                self._parts -= 1

    def take(self) -> Work:
        """The work since the last call, or since the beginning."""
        with self._lock:
            before, self._before = self._before, _work_so_far()
            seconds = 0.0
            if self._parts:
                now = time.monotonic()
                seconds, self._since = now - self._since, now
            done = self._before - before
            return replace(done, cpu=max(done.cpu, 0), decode_cpu=max(done.decode_cpu, 0), seconds=seconds)


def _work_so_far() -> Work:
    own = resource.getrusage(resource.RUSAGE_SELF)
    files, seconds = usage.total()
    with _counters.lock:
        return Work(
            cpu=own.ru_utime + own.ru_stime,
            decode_cpu=seconds,
            decoded=files,
            model=_counters.model,
            ready=_counters.ready,
            asked=_counters.asked,
            failures=dict(_counters.failures),
        )


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
    ended: int = 0
    """When the latest run ended, Unix time."""

    def add(self, work: Work) -> None:
        self.cpu += work.cpu
        self.decode_cpu += work.decode_cpu
        self.decoded += work.decoded

    def __add__(self, other: Cost) -> Cost:
        """Both together, of one stage."""
        sums = {name: round(getattr(self, name) + getattr(other, name), 3) for name in _SUMMED}
        latest = max(other, self, key=lambda cost: cost.ended)
        return Cost(self.stage, last=latest.last, ended=latest.ended, **sums)


_SUMMED = ("seconds", "parts", "runs", "cpu", "decode_cpu", "decoded")


@contextmanager
def spent(store: Store, recipe: str, stage: str, share: Share = WHOLE) -> Iterator[Cost]:
    """Measures the time inside the block, and the parts that the block adds to the Cost it is given; ``share``: of the stage's
    parts, of this process. If the block raises, an error in writing the log does not hide that."""
    key = f"costs/{recipe}/{stage}.json" if share.whole else f"costs/{recipe}/{stage}/{share.number}-of-{share.of}.json"
    now, start = Cost(stage), time.monotonic()
    try:
        yield now
    except BaseException:
        with suppress(DataEngineError):
            _add(store, key, now, time.monotonic() - start)
        raise
    _add(store, key, now, time.monotonic() - start)


def costs(store: Store, recipe: str) -> dict[str, Cost]:
    """Costs by stage, of all shares together."""
    total: dict[str, Cost] = {}
    for entry in store.list(f"costs/{recipe}"):
        cost = _read(store, entry.key)
        if cost is not None:
            total[cost.stage] = total[cost.stage] + cost if cost.stage in total else cost
    return total


def _add(store: Store, key: str, now: Cost, seconds: float) -> None:
    before = _read(store, key) or Cost(now.stage)
    seconds = round(seconds, 3)
    now = replace(now, runs=1, seconds=seconds, last=seconds, ended=max(int(time.time()), before.ended))
    store.put(key, canonical_json(asdict(before + now)))


def _read(store: Store, key: str) -> Cost | None:
    """None where there is no log or it cannot be read: it starts again from zero."""
    try:
        return Cost(**json.loads(store.get(key)))
    except (FileNotFoundError, ValueError, TypeError):
        return None
