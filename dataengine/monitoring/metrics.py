"""A run's figures for Prometheus: answered over HTTP while it lives, written to a file, or pushed.

Counters begin at zero with each process, as Prometheus expects. Names and labels: docs/monitoring.md.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from dataengine.models.serving.usage import Usage, recorded
from dataengine.progress import PartReport, RunReport, Silent, StageReport, exit_code
from dataengine.storage.engine_version import engine_version
from dataengine.timings import Work

if TYPE_CHECKING:
    from dataengine.storage.store import Store

Family = CounterMetricFamily | GaugeMetricFamily
_PREFIX = "dataengine"
#: Seconds between two looks at what model servers were asked, while parts are made.
_USAGE_SECONDS = 30.0
_STATES = ("running", "finished", "failed")
#: Fields of Work as counters of seconds and numbers.
_WORK = {
    "worker_seconds": ("seconds", "Wall seconds of workers with a part in hand."),
    "cpu_seconds": ("cpu", "CPU seconds of workers, without decoding."),
    "decode_cpu_seconds": ("decode_cpu", "CPU seconds of decode processes."),
    "decoded_files": ("decoded", "Files that decode processes have answered for."),
    "model_seconds": ("model", "Wall seconds in which a worker's model was computing a batch."),
    "ready_samples": ("ready", "Decoded samples that lay ready when a batch was asked for, summed over batches."),
    "batches": ("asked", "Batches that were asked for."),
}


@dataclass
class _Stage:
    parts: int = 0
    finished: int = 0
    made: int = 0
    bytes: int = 0
    seconds: float = 0.0
    since: float | None = None
    items: Counter[str] = field(default_factory=Counter)
    outcomes: dict[str, int] = field(default_factory=dict)
    work: Work = field(default_factory=Work)

    def wall(self) -> float:
        return self.seconds + (time.monotonic() - self.since if self.since is not None else 0.0)


class RunMetrics(Silent):
    """A Reporter that counts, and a collector of ``registry``. ``store``: of the workspace, for what the model ``servers`` were
    asked."""

    def __init__(self, store: Store, recipe: str, servers: Sequence[str] = ()) -> None:
        self.recipe = recipe
        self.registry = CollectorRegistry()
        self._store = store
        self._lock = threading.Lock()
        self._run = ""
        self._state, self._exit_code = "", 0
        self._since = self._until = 0.0
        self._stages: dict[str, _Stage] = {}
        self._before: dict[str, Usage] = {}
        self._usage = {name: Usage() for name in servers}
        self._asked = 0.0
        self.registry.register(self)

    def begin(self, run: RunReport) -> None:
        before = recorded(self._store, self.recipe)
        with self._lock:
            self._usage = {**self._usage, **before}  # from zero on: what goes up later is seen to go up
            self._run, self._state, self._since, self._before = run.run, "running", time.time(), before

    def start(self, stage: str, parts: int, pending: int) -> None:
        with self._lock:
            one = self._stages.setdefault(stage, _Stage())
            one.parts, one.finished, one.since = parts, parts - pending, time.monotonic()

    def advance(self, part: PartReport) -> None:
        if time.monotonic() - self._asked >= _USAGE_SECONDS:
            self._read_usage()
        with self._lock:
            one = self._stages[part.stage]
            one.finished += 1
            one.made += 1
            one.bytes += part.bytes
            one.items.update(part.counts)
            one.work += part.work

    def end(self, report: StageReport) -> None:
        if report.state == "done":
            self._read_usage()
        with self._lock:
            one = self._stages.setdefault(report.name, _Stage())
            one.seconds, one.since = one.wall(), None
            one.parts = one.finished = report.parts
            one.outcomes = dict(report.counts)
            if (
                report.state == "done" and not one.made and report.record is not None
            ):  # a table stage, which has no parts
                one.made = report.made
                one.items.update(report.counts)
                one.bytes += sum(f.bytes for out in report.record.parts.values() for f in out.files.values())

    def finish(self, error: BaseException | None) -> None:
        with self._lock:
            self._state = "failed" if error else "finished"
            self._exit_code = exit_code(error)
            self._until = time.time()
            for one in self._stages.values():
                one.seconds, one.since = one.wall(), None

    def _read_usage(self) -> None:
        """What clients of model servers have written, which they do when they are closed."""
        usage = recorded(self._store, self.recipe)
        with self._lock:
            self._usage, self._asked = {**self._usage, **usage}, time.monotonic()

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is told; called whenever it asks."""
        with self._lock:
            families = [*self._of_run(), *self._of_stages(), *self._of_servers()] if self._run else []
        yield from families

    def _of_run(self) -> Iterator[Metric]:
        info = _gauge("run_info", "The run, and the version of the engine.", "recipe", "run", "version")
        info.add_metric([self.recipe, self._run, engine_version()["dataengine"]], 1)
        state = _gauge("run_state", "1 for the state that the run is in.", "recipe", "state")
        for name in _STATES:
            state.add_metric([self.recipe, name], float(name == self._state))
        begun = _gauge("run_start_timestamp_seconds", "When the run began.", "recipe")
        begun.add_metric([self.recipe], self._since)
        yield from (info, state, begun)
        if self._until:
            ended = _gauge("run_end_timestamp_seconds", "When the run ended.", "recipe")
            ended.add_metric([self.recipe], self._until)
            code = _gauge(
                "run_exit_code", "What the run ended with: 0 success, others as docs/monitoring.md says.", "recipe"
            )
            code.add_metric([self.recipe], self._exit_code)
            yield from (ended, code)

    def _of_stages(self) -> Iterator[Metric]:
        yield self._each(_gauge("stage_active", "1 while the stage is made.", *_STAGE), lambda s: s.since is not None)
        yield self._each(_gauge("stage_parts", "Parts of the stage.", *_STAGE), lambda s: s.parts)
        queue = _gauge("stage_queue_parts", "Parts that are not made yet, those in hand included.", *_STAGE)
        yield self._each(queue, lambda s: s.parts - s.finished)
        yield self._each(_counter("stage_parts_made", "Parts made by this run.", *_STAGE), lambda s: s.made)
        yield self._each(_counter("stage_seconds", "Wall seconds spent on the stage.", *_STAGE), _Stage.wall)
        yield self._each(
            _counter("stage_written_bytes", "Bytes of files of the parts made.", *_STAGE), lambda s: s.bytes
        )
        for name, (attribute, help_) in _WORK.items():
            yield self._each(_counter(f"stage_{name}", help_, *_STAGE), attrgetter(f"work.{attribute}"))
        items = _counter(
            "stage_items", "What the parts made have counted: inputs, samples, failed and so on.", *_STAGE, "item"
        )
        failures = _counter("stage_failures", "Inputs and samples that failed in the parts made.", *_STAGE, "class")
        outcomes = _gauge(
            "stage_outcomes", "Counts of the committed result: kept, duplicate, filtered, failed …", *_STAGE, "outcome"
        )
        for stage, one in self._stages.items():
            counted: list[tuple[Family, Mapping[str, int]]] = [
                (items, one.items),
                (failures, one.work.failures),
                (outcomes, one.outcomes),
            ]
            for family, values in counted:
                for name, n in values.items():
                    family.add_metric([self.recipe, stage, name], n)
        yield from (items, failures, outcomes)

    def _each(self, family: Family, value: Callable[[_Stage], float]) -> Metric:
        for stage, one in self._stages.items():
            family.add_metric([self.recipe, stage], float(value(one)))
        return family

    def _of_servers(self) -> Iterator[Metric]:
        requests = _counter("model_server_requests", "Requests, by what answered them.", *_SERVER, "answered_by")
        tokens = _counter("model_server_tokens", "Tokens of prompts and completions.", *_SERVER, "kind")
        failures = _counter("model_server_failures", "Requests that failed.", *_SERVER, "class")
        for name, total in self._usage.items():
            before = self._before.get(name, Usage())
            for by, n in (("server", total.requests - before.requests), ("cache", total.cached - before.cached)):
                requests.add_metric([self.recipe, name, by], n)
            for kind, n in (
                ("prompt", total.tokens_in - before.tokens_in),
                ("completion", total.tokens_out - before.tokens_out),
            ):
                tokens.add_metric([self.recipe, name, kind], n)
            for failure, n in total.failures.items():
                failures.add_metric([self.recipe, name, failure], n - before.failures[failure])
        yield from (requests, tokens, failures)


_STAGE, _SERVER = ("recipe", "stage"), ("recipe", "server")


def _gauge(name: str, help_: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", help_, labels=labels)


def _counter(name: str, help_: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"{_PREFIX}_{name}", help_, labels=labels)
