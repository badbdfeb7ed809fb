"""Groups of actors on Ray that make a part together, as data-parallel training does: all are placed at once, and all start anew
where one is lost; a part is tried three times at most, and goes on from what it saved. They find one another through an actor,
so that whoever joins has Ray's token: torch's own meeting places are ports that ask nobody anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dataengine.errors import DataEngineError, PartitionError, RunError
from dataengine.stage import Group, Job, Part, Resources
from dataengine.storage.disk import disk_error
from dataengine.storage.workspace import Output
from dataengine.timings import Work

_TRIES = 3
_TICK = 2.0
_PLACED_SECONDS = 600.0
_ENDING_SECONDS = 15.0
"""After one process of a group failed, how long the others have to say why they did."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""In Ray's tracebacks."""


Made = tuple[Output, Work]


class Gang:
    """``processes`` actors of the class ``actor`` on ``resources`` each."""

    def __init__(self, ray: Any, resources: Resources, packed: bytes, actor: type) -> None:
        self.ray, self.resources, self.packed = ray, resources, ray.put(packed)
        self.actor = type("GroupActor", (actor,), {"address": _address})

    def work(self, jobs: Sequence[Job], tick: Callable[[], None]) -> Iterator[tuple[Part, Output, Work]]:
        """Make all jobs, one after the other. Raises RunError."""
        self._check()
        for job in jobs:
            yield job.part, *self._made(job, tick)

    def _check(self) -> None:
        """Raises RunError where the cluster has too little for all at once."""
        each, has = self.resources, self.ray.cluster_resources()
        cpus, gpus = each.cpus * each.processes, (each.gpus or 0.0) * each.processes
        if cpus > has.get("CPU", 0) or gpus > has.get("GPU", 0):
            raise RunError(
                f"{each.processes} processes need {cpus:g} CPU and {gpus:g} GPU at once, the Ray cluster has "
                f"{has.get('CPU', 0):g} CPU and {has.get('GPU', 0):g} GPU: add nodes, or lower the recipe's number of processes"
            )

    def _made(self, job: Job, tick: Callable[[], None]) -> Made:
        why = ""
        for _ in range(_TRIES):
            try:
                return self._once(job, tick)
            except PartitionError as error:
                why = str(error)
        raise RunError(f"partition {job.part.name} failed {_TRIES} times; the last time {why}")

    def _once(self, job: Job, tick: Callable[[], None]) -> Made:
        placement = self._placed()
        size = self.resources.processes
        strategy = self.ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy(placement)
        kind = self.ray.remote(num_cpus=self.resources.cpus, num_gpus=self.resources.gpus or 0, max_restarts=0)(
            self.actor
        )
        actors = [kind.options(scheduling_strategy=strategy).remote() for _ in range(size)]
        board = self.ray.remote(num_cpus=0, max_restarts=0)(_Board).remote()
        try:
            addresses = self.ray.get([actor.address.remote() for actor in actors])
            groups = [Group(rank, size, address, _Client(board)) for rank, address in enumerate(addresses)]
            refs = [actor.make.remote(job, self.packed, group) for actor, group in zip(actors, groups, strict=True)]
            return self._result(refs, job, tick)
        except self.ray.exceptions.RayActorError as error:
            raise PartitionError(f"one of its {size} processes died: {error}") from None
        finally:
            for actor in [*actors, board]:
                self.ray.kill(actor)
            self.ray.util.remove_placement_group(placement)

    def _placed(self) -> Any:
        bundle = {"CPU": self.resources.cpus} | ({"GPU": self.resources.gpus} if self.resources.gpus else {})
        placement = self.ray.util.placement_group([bundle] * self.resources.processes, strategy="PACK")
        if not self.ray.wait([placement.ready()], timeout=_PLACED_SECONDS)[0]:
            self.ray.util.remove_placement_group(placement)
            raise RunError(
                f"{self.resources.processes} processes found no free place on the Ray cluster in {_PLACED_SECONDS:.0f} s: "
                "wait for other jobs, or lower the number of processes in the recipe"
            )
        return placement

    def _result(self, refs: Sequence[Any], job: Job, tick: Callable[[], None]) -> Made:
        """What the first process published, once all are done, and the work of all."""
        waiting = list(refs)
        while waiting:
            done, waiting = self.ray.wait(waiting, num_returns=1, timeout=_TICK)
            if not done:
                tick()
            for ref in done:
                try:
                    self.ray.get(ref)
                except self.ray.exceptions.RayError as error:
                    raise self._reason(error, waiting, job) from None
        made: list[Made] = self.ray.get(list(refs))
        return made[0][0], sum((work for _, work in made), Work())

    def _reason(self, first: Any, waiting: Sequence[Any], job: Job) -> Exception:
        """Why a group failed: a lost process (its neighbours fail, too, often before Ray knows) or the first error of ours."""
        errors = [first]
        for ref in (
            self.ray.wait(list(waiting), num_returns=len(waiting), timeout=_ENDING_SECONDS)[0] if waiting else []
        ):
            try:
                self.ray.get(ref)
            except self.ray.exceptions.RayError as error:
                errors.append(error)
        lost = [e for e in errors if isinstance(e, self.ray.exceptions.RayActorError)]
        ours = [e for e in errors if isinstance(getattr(e, "cause", None), DataEngineError)]
        if ours:
            return cause_of(max(ours, key=lambda e: len(str(e.cause))), job)
        if lost:
            return PartitionError(f"one of its {self.resources.processes} processes died: {lost[0]}")
        return cause_of(first, job)


class _Board:
    """An actor with what the processes of a group write for one another."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    def put(self, key: str, value: bytes) -> None:
        self.values[key] = value

    def get(self, key: str) -> bytes | None:
        return self.values.get(key)

    def add(self, key: str, amount: int) -> int:
        self.values[key] = str(total := int(self.values.get(key, b"0")) + amount).encode()
        return total

    def remove(self, key: str) -> bool:
        return self.values.pop(key, None) is not None


@dataclass(frozen=True)
class _Client:
    """The Board behind an actor."""

    actor: Any

    def put(self, key: str, value: bytes) -> None:
        self._call("put", key, value)

    def get(self, key: str) -> bytes | None:
        value: bytes | None = self._call("get", key)
        return value

    def add(self, key: str, amount: int) -> int:
        total: int = self._call("add", key, amount)
        return total

    def remove(self, key: str) -> bool:
        removed: bool = self._call("remove", key)
        return removed

    def _call(self, method: str, *values: Any) -> Any:
        import ray

        return ray.get(getattr(self.actor, method).remote(*values))


def _address(actor: Any) -> str:
    """Of this process's node, as the cluster knows it; on one machine that of the loopback interface."""
    import ray

    host: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    return host


def cause_of(error: Any, job: Job) -> DataEngineError:
    """The error of ours behind one of Ray's."""
    cause = error.cause
    if isinstance(cause, DataEngineError):
        return cause
    part = f"partition {job.part.name}"
    return disk_error(cause, part) or RunError(f"{part}: {_COLOUR.sub('', str(error))}")
