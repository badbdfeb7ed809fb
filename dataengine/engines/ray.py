"""The record engine on Ray: a pool of actors that make a part at a time; bytes never pass through the driver.

The driver sends a part's description and gets back what was published. A part is committed by the actor itself (its
marker, written last), so killing the driver loses only the parts in flight. A lost actor is replaced and its part
tried again, three times at most. On a local Ray small actors go from stage to stage: starting one takes longer than
most stages of a small run. A worker with a GPU has two parts at once, so that the device has work while one of them ends; its
decode processes are declared as CPUs.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from resource import RUSAGE_SELF, getrusage
from typing import Any, ClassVar

from dataengine.engines.ray_gang import Gang, cause_of
from dataengine.engines.ray_growth import grown, patience
from dataengine.engines.ray_services import RayService, check_room, left
from dataengine.engines.versions import pack, unpack
from dataengine.errors import PartitionError, RunError
from dataengine.media.sandbox.malloc import keep_freed_memory
from dataengine.models.serving.service import RunningService, Service
from dataengine.stage import Feed, Feeding, Group, Job, Part, Resources, Worker
from dataengine.storage.store import Store
from dataengine.storage.workspace import Output, commit_part
from dataengine.timings import Meter, Work

_log = logging.getLogger(__name__)

_TRIES = 3
_LOCAL_ONLY = {"RAY_AUTH_MODE": "token", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Who can reach Ray's ports runs code as its user. So a token is asked for, and the ports are those of the loopback interface:
they are where Ray has no clusters, and the second variable, which Ray reads when it is imported, says that it has none here."""
_TICK = 2.0
_CLOSE_SECONDS = 10.0
_LANES = 2
"""Batches that a worker gives to a GPU at once: one is computed, one is copied and launched."""
_IDLE_SHARE = 8
"""One part in so many of the machine's memory is what idle actors may hold between stages."""


class _Actor:
    """Runs inside an actor process: sets its worker up on first use and commits what it makes. Its methods may be called in
    several threads."""

    def __init__(self) -> None:
        self.worker: Any = None
        keep_freed_memory()
        self.setting_up = threading.Lock()
        self.meter = Meter()

    def make(self, job: Job, packed: bytes, group: Group | None = None) -> tuple[Output, Work]:
        """Make a part by the stage's worker, ``packed`` with its store: alone, or as one of ``group``, whose first commits it."""
        with self.setting_up:
            if self.worker is None:
                worker, self.store = unpack(packed)
                worker.setup()
                self.worker = worker
            worker, store = self.worker, self.store
        if group is not None:
            worker.join(group)
        first = group is None or group.rank == 0
        if job.in_place and first:
            store.delete([job.marker])
        with self.meter.part():
            output: Output = worker.process(job.part)
            if first:
                commit_part(store, job.marker, job.part.key, output)
            return output, self.meter.take()

    def close(self) -> float:
        """Close the worker; the bytes that this process holds at most, infinite where it must not serve another stage: torch
        keeps what one stage has set (threads, precision, memory of a GPU) for the next."""
        if self.worker is not None:
            self.worker.close()
            self.worker = None
        return math.inf if "torch" in sys.modules else getrusage(RUSAGE_SELF).ru_maxrss * 1024.0


class RayEngine:
    """The RecordEngine on Ray, which it starts or joins on first use and which stays until the process ends. ``address`` None
    starts a local Ray, unless RAY_ADDRESS names a cluster."""

    _started: ClassVar[bool] = False
    """True where this process started a local Ray, which a larger one may replace."""
    _spare: ClassVar[list[Any]] = []
    """Idle actors of an earlier stage, each of which occupies ``_spare_of``."""
    _spare_of: ClassVar[Resources] = Resources()
    _services: ClassVar[list[RayService]] = []
    """Those that run, beside the workers."""

    def __init__(self, address: str | None, workers: int | None) -> None:
        self.address, self.workers = address, workers

    def run(
        self, worker: Worker, store: Store, jobs: Sequence[Job], resources: Resources, tick: Callable[[], None]
    ) -> Iterator[tuple[Part, Output, Work]]:
        """Make all jobs; yields each as it is committed, in no fixed order, and calls ``tick`` every two seconds while it
        waits. Raises RunError."""
        ray = self._start()
        seconds = 0.0 if self._started else patience()
        if resources.gpus is None:
            resources = replace(resources, gpus=float(ray.cluster_resources().get("GPU", 0) >= 1))
        resources = _settled(resources, worker, [node["Resources"] for node in ray.nodes() if node["Alive"]])
        if isinstance(worker, Feeding):
            worker.feed = Feed(resources.decoders or 1, _LANES if resources.gpus else 1)
        if self._spare_of != resources or resources.processes > 1:
            self._retire(ray)
        packed = pack(ray.cloudpickle, (worker, store))
        each = {"CPU": resources.cpus, "GPU": float(resources.gpus or 0)}
        wanted = resources.processes if resources.processes > 1 else min(self.workers or len(jobs), len(jobs))
        with grown(each, wanted, lambda: self._room(ray, resources, wanted), tick, seconds):
            size = self._size(ray, resources, len(jobs))
            if resources.processes > 1:
                yield from Gang(ray, resources, packed, _Actor).work(jobs, tick)
                return
            pool = _Pool(ray, resources, packed, self._spare)
            try:
                yield from pool.work(jobs, size, tick)
            finally:
                RayEngine._spare, RayEngine._spare_of = pool.dismiss(self._idle_memory(ray)), resources

    def host(self, service: Service, resources: Resources) -> RunningService:
        """Run a service in an actor of its own. Raises RunError where the cluster has too little."""
        ray = self._start()
        self._retire(ray)
        RayEngine._services = [one for one in self._services if not one.stopped]
        check_room(ray.cluster_resources(), self._services, resources)
        running = RayService(ray, service, resources)
        self._services.append(running)
        return running

    def _retire(self, ray: Any) -> None:
        while self._spare:
            ray.kill(self._spare.pop())

    def _idle_memory(self, ray: Any) -> float:
        """Bytes that idle actors may hold between stages. On a cluster they would hold CPUs that others wait for."""
        return ray.cluster_resources().get("memory", 0) / _IDLE_SHARE if self._started else 0.0

    def _start(self) -> Any:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        address = self.address or os.environ.get("RAY_ADDRESS") or "local"
        if address == "local":
            for name, value in _LOCAL_ONLY.items():
                os.environ.setdefault(name, value)
        import ray

        resources: Callable[[], dict[str, float]] = ray.cluster_resources
        cpus = max(self.workers or 1, os.cpu_count() or 1)
        if self._started and ray.is_initialized() and resources().get("CPU", 0) < cpus:
            ray.shutdown()
        if not ray.is_initialized():
            self._spare.clear()
            quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
            local: dict[str, Any] = {"include_dashboard": False, "object_store_memory": 256 << 20, "num_cpus": cpus}
            ray.init(address, **quiet, **(local if address == "local" else {}))
            RayEngine._started = address == "local"
        return ray

    def _room(self, ray: Any, resources: Resources, jobs: int) -> float:
        """How many workers the cluster has room for, ``jobs`` where they need no CPU."""
        available = left(ray.cluster_resources(), self._services)
        room = available.get("CPU", 0) / resources.cpus if resources.cpus else jobs
        return min(room, available.get("GPU", 0) / resources.gpus) if resources.gpus else room

    def _size(self, ray: Any, resources: Resources, jobs: int) -> int:
        room = self._room(ray, resources, jobs)
        if room < 1:
            available = left(ray.cluster_resources(), self._services)
            raise RunError(
                f"a worker needs {resources.cpus:g} CPU and {resources.gpus:g} GPU, the Ray cluster has "
                f"{available.get('CPU', 0):g} CPU and {available.get('GPU', 0):g} GPU: add nodes or change the recipe's device"
            )
        return max(1, min(self.workers or int(room), int(room), jobs))


def _settled(resources: Resources, worker: Worker, nodes: Sequence[Mapping[str, float]]) -> Resources:
    """With the number of decode processes, and the CPUs and parts that a worker has for them; no more CPUs than the largest node
    of its kind has, or it would never start."""
    if not isinstance(worker, Feeding):
        return replace(resources, decoders=1)
    usable = [node for node in nodes if node.get("GPU", 0) >= (resources.gpus or 0) and node.get("CPU", 0)]
    decoders = resources.decoders
    if decoders is None:
        shares = [int(node["CPU"] / node["GPU"]) - 1 for node in usable if resources.gpus]
        decoders = max(1, min(shares, default=1))
    cpus = min(float(decoders), max((node["CPU"] for node in usable), default=1.0))
    parts = _LANES if resources.gpus and worker.overlaps else 1
    return replace(resources, cpus=max(resources.cpus, cpus), decoders=decoders, parts=parts)


class _Pool:
    """A fixed number of actors with one job each, or several where they overlap; idle ones of an earlier stage (``spare``) are
    reused first."""

    def __init__(self, ray: Any, resources: Resources, packed: bytes, spare: list[Any]) -> None:
        self.ray, self.packed, self.spare, self.parts = ray, ray.put(packed), spare, resources.parts
        how = {"num_cpus": resources.cpus, "num_gpus": resources.gpus, "max_concurrency": resources.parts}
        self.actor = ray.remote(max_restarts=0, **how)(_Actor)
        self.actors: list[Any] = []
        self.busy: dict[Any, tuple[Any, Job]] = {}
        self.idle: deque[Any] = deque()
        """Actors, each as often as it can take a part."""

    def work(self, jobs: Sequence[Job], size: int, tick: Callable[[], None]) -> Iterator[tuple[Part, Output, Work]]:
        waiting, tries = deque(jobs), dict.fromkeys((j.part.name for j in jobs), 0)
        hired = [self.hire() for _ in range(size)]
        self.idle.extend(hired * self.parts)
        while waiting or self.busy:
            while waiting and self.idle:
                actor, job = self.idle.popleft(), waiting.popleft()
                self.busy[actor.make.remote(job, self.packed)] = (actor, job)
            while not (done := self.ray.wait(list(self.busy), num_returns=1, timeout=_TICK)[0]):
                tick()
            [ref] = done
            actor, job = self.busy.pop(ref)
            try:
                output, work = self.ray.get(ref)
            except self.ray.exceptions.RayActorError as error:
                self._retry(waiting, tries, job, f"its worker process died: {error}")
                self.spare.clear()  # they may have died as well, and a part is tried three times only
                self._replace(actor)
            except self.ray.exceptions.RayTaskError as error:
                if not isinstance(error.cause, PartitionError):
                    raise cause_of(error, job) from None
                self._retry(waiting, tries, job, str(error.cause))
                self._free(actor)
            else:
                self._free(actor)
                yield job.part, output, work

    def hire(self) -> Any:
        actor = self.spare.pop() if self.spare else self.actor.remote()
        self.actors.append(actor)
        return actor

    def _free(self, actor: Any) -> None:
        """The actor can take another part, unless it has died meanwhile with the other one that it had."""
        if actor in self.actors:
            self.idle.append(actor)

    def _replace(self, dead: Any) -> None:
        """Hire another actor for one that died, once, however many parts it had."""
        if dead in self.actors:
            self.actors.remove(dead)
            self.idle = deque(actor for actor in self.idle if actor != dead)
            self.idle.extend([self.hire()] * self.parts)

    def _retry(self, waiting: deque[Job], tries: dict[str, int], job: Job, why: str) -> None:
        tries[job.part.name] += 1
        if tries[job.part.name] >= _TRIES:
            raise RunError(f"partition {job.part.name} failed {_TRIES} times; the last time {why}")
        _log.info("tried again: %s", why, extra={"part": job.part.name, "attempt": tries[job.part.name] + 1})
        waiting.append(job)

    def dismiss(self, room: float) -> list[Any]:
        """Close idle actors and keep those that together hold at most ``room`` bytes for the next stage; end all others, so
        that their CPUs are free."""
        closing = {a.close.remote(): a for a in self.actors if self.idle.count(a) == self.parts}
        done = self.ray.wait(list(closing), num_returns=len(closing), timeout=_CLOSE_SECONDS)[0] if closing else []
        kept = list(self.spare)
        for ref in done:
            with suppress(self.ray.exceptions.RayError):
                held = self.ray.get(ref)
                if held <= room:
                    kept.append(closing[ref])
                    room -= held
        for actor in self.actors:
            if actor not in kept:
                self.ray.kill(actor)
        return kept
