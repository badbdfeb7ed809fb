"""A pool of actors on Ray that make parts: lost ones are replaced, and their parts tried again, three times at most.

An actor gets its first part when its process runs, not when it is asked for: on a cluster that lost a node, or is full of other
jobs, a new actor waits for a free place, and a part that waited with it would hold up the stage while others are idle.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from dataengine.engines.ray_gang import cause_of
from dataengine.errors import PartitionError, RunError
from dataengine.stage import Job, Part, Resources
from dataengine.storage.workspace import Output
from dataengine.timings import Work

_TRIES = 3
_TICK = 2.0
_CLOSE_SECONDS = 10.0
_log = logging.getLogger(__name__)


class Pool:
    """A fixed number of actors of the class ``kind`` with one job each, or several where they overlap; idle ones of an earlier
    stage (``spare``) are reused first."""

    def __init__(self, ray: Any, resources: Resources, packed: bytes, kind: type, spare: list[Any]) -> None:
        self.ray, self.packed, self.spare, self.parts = ray, ray.put(packed), spare, resources.parts
        how = {"num_cpus": resources.cpus, "num_gpus": resources.gpus, "max_concurrency": resources.parts}
        self.actor = ray.remote(max_restarts=0, **how)(kind)
        self.actors: list[Any] = []
        self.starting: dict[Any, Any] = {}
        """Actors by what they answer once they run."""
        self.failed_starts = 0
        self.busy: dict[Any, tuple[Any, Job]] = {}
        self.idle: deque[Any] = deque()
        """Actors, each as often as it can take a part."""

    def work(self, jobs: Sequence[Job], size: int, tick: Callable[[], None]) -> Iterator[tuple[Part, Output, Work]]:
        """Make all jobs by ``size`` actors. Raises RunError."""
        waiting, tries = deque(jobs), dict.fromkeys((j.part.name for j in jobs), 0)
        for _ in range(size):
            self.hire()
        while waiting or self.busy:
            while waiting and self.idle:
                actor, job = self.idle.popleft(), waiting.popleft()
                self.busy[actor.make.remote(job, self.packed)] = (actor, job)
            while not (done := self.ray.wait([*self.busy, *self.starting], num_returns=1, timeout=_TICK)[0]):
                tick()
            [ref] = done
            if ref in self.starting:
                self._begin(ref)
                continue
            actor, job = self.busy.pop(ref)
            try:
                output, work = self.ray.get(ref)
            except self.ray.exceptions.RayTaskError as error:
                if not isinstance(error.cause, PartitionError):
                    raise cause_of(error, job) from None
                self._retry(waiting, tries, job, str(error.cause))
                self._free(actor)
            except self.ray.exceptions.RayError as error:  # the process, its node, or what it answered is lost
                self._retry(waiting, tries, job, f"its worker process died: {error}")
                self.spare.clear()  # they may have died as well, and a part is tried three times only
                self._replace(actor)
            else:
                self._free(actor)
                yield job.part, output, work

    def hire(self) -> None:
        actor = self.spare.pop() if self.spare else self.actor.remote()
        self.actors.append(actor)
        self.starting[actor.ready.remote()] = actor

    def _begin(self, ref: Any) -> None:
        """An actor runs from now on, or is lost before it did."""
        actor = self.starting.pop(ref)
        try:
            self.ray.get(ref)
        except self.ray.exceptions.RayError as error:
            self.failed_starts += 1
            if self.failed_starts > _TRIES * len(self.actors):
                raise RunError(f"no worker process starts: {error}") from None
            self._replace(actor)
        else:
            self.failed_starts = 0
            self.idle.extend([actor] * self.parts)

    def _free(self, actor: Any) -> None:
        """The actor can take another part, unless it has died meanwhile with the other one that it had."""
        if actor in self.actors:
            self.idle.append(actor)

    def _replace(self, dead: Any) -> None:
        """Hire another actor for one that died, once, however many parts it had."""
        if dead in self.actors:
            self.actors.remove(dead)
            self.idle = deque(actor for actor in self.idle if actor != dead)
            self.ray.kill(dead)  # it may only have been out of reach
            self.hire()

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
