"""Record stages on Ray: one actor a worker, one part at a time each; bytes never pass through the driver.

The driver sends a part's description and gets back what was published. A part is committed by the actor itself (its
marker, written last), so killing the driver loses only the parts in flight. A lost actor is replaced and its part
tried again, three times at most.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from dataengine.errors import DataEngineError, PartitionError, RunError
from dataengine.stage import Part, Resources, Worker
from dataengine.storage import Store
from dataengine.workspace import Output, commit_part

_TRIES = 3
_TICK = 2.0
_GOODBYE = 10.0


@dataclass(frozen=True)
class Job:
    """A part and the object that commits it."""

    part: Part
    marker: str
    in_place: bool


class _Servant:
    """Runs inside an actor: sets its worker up on first use and commits what it makes."""

    def __init__(self, worker: Worker, store: Store) -> None:
        self.worker, self.store, self.ready = worker, store, False

    def make(self, job: Job) -> Output:
        if not self.ready:
            self.worker.setup()
            self.ready = True
        if job.in_place:
            self.store.delete([job.marker])
        output = self.worker.process(job.part)
        commit_part(self.store, job.marker, job.part.key, output)
        return output

    def close(self) -> None:
        if self.ready:
            self.worker.close()


class RayEngine:
    """Starts or joins Ray on first use; it stays until the process ends. ``address`` None starts a local Ray, unless
    RAY_ADDRESS names a cluster."""

    _started: ClassVar[bool] = False
    """A local Ray of this process was started here and may be replaced by a larger one."""

    def __init__(self, address: str | None, workers: int | None) -> None:
        self.address, self.workers = address, workers

    def run(
        self, worker: Worker, store: Store, jobs: Sequence[Job], resources: Resources, tick: Callable[[], None]
    ) -> Iterator[tuple[Part, Output]]:
        """Make all jobs; yields each as it is committed, in no fixed order, and calls ``tick`` every two seconds while it
        waits. Raises RunError."""
        ray = self._start()
        if resources.gpus is None:
            resources = replace(resources, gpus=float(ray.cluster_resources().get("GPU", 0) >= 1))
        crew = _Crew(ray, lambda: _actor(ray, worker, store, resources))
        try:
            yield from crew.work(jobs, self._size(ray, resources, len(jobs)), tick)
        finally:
            crew.dismiss()

    def _start(self) -> Any:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        resources: Callable[[], dict[str, float]] = ray.cluster_resources
        address = self.address or os.environ.get("RAY_ADDRESS") or "local"
        cpus = max(self.workers or 1, os.cpu_count() or 1)
        if self._started and ray.is_initialized() and resources().get("CPU", 0) < cpus:
            ray.shutdown()
        if not ray.is_initialized():
            quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
            local: dict[str, Any] = {"include_dashboard": False, "object_store_memory": 256 << 20, "num_cpus": cpus}
            ray.init(address, **quiet, **(local if address == "local" else {}))
            RayEngine._started = address == "local"
        return ray

    def _size(self, ray: Any, resources: Resources, jobs: int) -> int:
        have = ray.cluster_resources()
        room = have.get("CPU", 0) / resources.cpus if resources.cpus else jobs
        if resources.gpus:
            room = min(room, have.get("GPU", 0) / resources.gpus)
        if room < 1:
            raise RunError(
                f"a worker needs {resources.cpus:g} CPU and {resources.gpus:g} GPU, the Ray cluster has "
                f"{have.get('CPU', 0):g} CPU and {have.get('GPU', 0):g} GPU: add nodes or change the recipe's device"
            )
        return max(1, min(self.workers or int(room), int(room), jobs))


def _actor(ray: Any, worker: Worker, store: Store, resources: Resources) -> Any:
    options = {"num_cpus": resources.cpus, "num_gpus": resources.gpus, "max_restarts": 0}
    return ray.remote(**options)(_Servant).remote(worker, store)


class _Crew:
    """A fixed number of actors, each with one job in hand."""

    def __init__(self, ray: Any, hire: Callable[[], Any]) -> None:
        self.ray, self._hire = ray, hire
        self.hired: list[Any] = []
        self.busy: dict[Any, tuple[Any, Job]] = {}
        self.idle: list[Any] = []

    def work(self, jobs: Sequence[Job], size: int, tick: Callable[[], None]) -> Iterator[tuple[Part, Output]]:
        waiting, tries = deque(jobs), dict.fromkeys((j.part.name for j in jobs), 0)
        self.idle = [self.hire() for _ in range(size)]
        while waiting or self.busy:
            while waiting and self.idle:
                actor, job = self.idle.pop(), waiting.popleft()
                self.busy[actor.make.remote(job)] = (actor, job)
            while not (done := self.ray.wait(list(self.busy), num_returns=1, timeout=_TICK)[0]):
                tick()
            [ref] = done
            actor, job = self.busy.pop(ref)
            try:
                output = self.ray.get(ref)
            except self.ray.exceptions.RayActorError as error:
                self._again(waiting, tries, job, f"its worker process died: {error}")
                self.idle.append(self.hire())
            except self.ray.exceptions.RayTaskError as error:
                if not isinstance(error.cause, PartitionError):
                    raise _plain(error, job) from None
                self._again(waiting, tries, job, str(error.cause))
                self.idle.append(actor)
            else:
                self.idle.append(actor)
                yield job.part, output

    def hire(self) -> Any:
        self.hired.append(self._hire())
        return self.hired[-1]

    def _again(self, waiting: deque[Job], tries: dict[str, int], job: Job, why: str) -> None:
        tries[job.part.name] += 1
        if tries[job.part.name] >= _TRIES:
            raise RunError(f"partition {job.part.name} failed {_TRIES} times, last because {why}")
        waiting.append(job)

    def dismiss(self) -> None:
        """All actors end, so that their CPUs are free for the next stage; idle ones give back first what they hold."""
        closing = [actor.close.remote() for actor in self.idle]
        if closing:
            self.ray.wait(closing, num_returns=len(closing), timeout=_GOODBYE)
        for actor in self.hired:
            self.ray.kill(actor)


def _plain(error: Any, job: Job) -> DataEngineError:
    cause = error.cause
    return cause if isinstance(cause, DataEngineError) else RunError(f"partition {job.part.name}: {error}")
