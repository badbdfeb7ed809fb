"""The record engine on Ray: a pool of actors that make a part at a time; bytes never pass through the driver.

The driver sends a part's description and gets back what was published. A part is committed by the actor itself (its
marker, written last), so killing the driver loses only the parts in flight. On a local Ray small actors go from stage to
stage: starting one takes longer than most stages of a small run. A worker with a GPU has two parts at once, so that the device
has work while one of them ends; its decode processes are declared as CPUs.
"""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from resource import RUSAGE_SELF, getrusage
from typing import Any, ClassVar

from dataengine.engines import ray_local
from dataengine.engines.ray_gang import Gang
from dataengine.engines.ray_growth import grown, patience
from dataengine.engines.ray_pool import Pool
from dataengine.engines.ray_services import RayService, check_room, left
from dataengine.engines.versions import pack, unpack
from dataengine.errors import RunError
from dataengine.media.sandbox.malloc import keep_freed_memory, return_freed_memory
from dataengine.models.serving.service import RunningService, Service
from dataengine.stage import Feed, Feeding, Group, Job, Part, Resources, Worker
from dataengine.storage.store import Store
from dataengine.storage.workspace import Output, commit_part
from dataengine.timings import Meter, Work

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
            return_freed_memory()
            return output, self.meter.take()

    def ready(self) -> None:
        """Answers once the process runs."""

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

    _local: ClassVar[ray_local.LocalRay | None] = None
    """What this process started, which a larger one may replace."""
    _spare: ClassVar[list[Any]] = []
    """Idle actors of an earlier stage, each of which occupies ``_spare_of``."""
    _spare_of: ClassVar[Resources] = Resources()
    _services: ClassVar[list[RayService]] = []
    """Those that run, beside the workers."""

    def __init__(self, address: str | None, workers: int | None) -> None:
        self.address, self.workers = address, workers

    def run(
        self, worker: Worker, store: Store, jobs: Sequence[Job], resources: Resources, tick: Callable[[], None]
    ) -> Generator[tuple[Part, Output, Work], None, None]:
        """Make all jobs; yields each as it is committed, in no fixed order, and calls ``tick`` every two seconds while it
        waits. Raises RunError."""
        ray = self._start()
        seconds = 0.0 if self._local else patience()
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
            pool = Pool(ray, resources, packed, _Actor, self._spare)
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
        return ray.cluster_resources().get("memory", 0) / _IDLE_SHARE if self._local else 0.0

    def _start(self) -> Any:
        address = self.address or os.environ.get("RAY_ADDRESS") or "local"
        ray = ray_local.imported(address)
        resources: Callable[[], dict[str, float]] = ray.cluster_resources
        cpus = max(self.workers or 1, os.cpu_count() or 1)
        if self._local is not None and ray.is_initialized() and resources().get("CPU", 0) < cpus:
            self._local.stop()
        if not ray.is_initialized():
            self._spare.clear()
            RayEngine._local = None
            if address == "local":
                RayEngine._local = ray_local.LocalRay(ray, cpus)
            else:
                ray_local.join(ray, address)
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
