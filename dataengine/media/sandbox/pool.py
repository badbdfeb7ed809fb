"""Process pool for untrusted decoding: hangs, crashes and excessive memory are confined to child processes.

A child serves many items; it takes 0.2 s to start and is replaced when it times out or dies. The item it worked on fails (after
a second attempt if it crashed), the items queued behind it are retried. A few items wait in each child's pipe, so that no child
is idle between two items.
"""

from __future__ import annotations

import math
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from dataengine.errors import RunError
from dataengine.media.limits import Limits
from dataengine.media.sandbox.answers import Answer, InvalidAnswerError
from dataengine.media.sandbox.confinement import paths
from dataengine.media.sandbox.process import Child, Job
from dataengine.media.sandbox.shared import SLOT_BYTES, SLOTS
from dataengine.media.sandbox.wire import Broken, Failed, Hello, Ok, Ready, pack

__all__ = ["Failed", "Ok", "Sandbox"]

_QUEUE = SLOTS
"""Items queued at a child, including the one in progress."""
_WINDOW = 2
"""Items in flight or finished out of order, as a multiple of what the children hold."""
_WAITING_BYTES = 64 << 20
"""Bytes of packed items that may be queued beyond one item a child."""
_ANSWER_BYTES = 256 << 20
"""Bytes of an answer beyond twice those that an input may have."""
_START_SECONDS = 120.0
_DEATHS = 2
"""Children that an item must kill to count as crashed: one may have died of another cause (the kernel's OOM killer, an operator),
which must not decide what is in a release."""


class Sandbox:
    """Pool of ``workers`` child processes that call ``function(context, item)``.

    ``function`` is ``"package.module:name"``, importable with the parent's ``sys.path``. ``preload``: modules to import before
    the memory limit is set, as they reserve gigabytes of address space (torch, ONNX Runtime); ``threaded``: those of them that
    start threads when they are imported. ``gpu``: the function may use one. ``answer``: type of the results, which alone is
    accepted: plain data, arrays, dataclasses, msgspec's structs, pydantic's models; without a type, tuples become lists.
    ``slot_bytes``: bytes of arrays that an answer may leave in shared memory; 0: all go through the pipe.
    ``missing``: measures of confinement that are not in force, known from the first result on. Use it as a context manager; it
    serves one ``map`` at a time."""

    def __init__(
        self,
        function: str,
        context: Any,
        *,
        workers: int,
        limits: Limits,
        answer: Any = Any,
        preload: tuple[str, ...] = (),
        threaded: tuple[str, ...] = (),
        gpu: bool = False,
        slot_bytes: int = SLOT_BYTES,
    ) -> None:
        size = min(limits.memory, _ANSWER_BYTES + 2 * limits.bytes)
        self._hello = Hello(function, context, limits.memory, size, paths(gpu=gpu), preload, threaded)
        self.missing: dict[str, str] = {}
        self._answer = answer
        self._slot_bytes = slot_bytes
        self._workers = workers
        self._limits = limits
        self._children: list[Child] = []
        self._retry: deque[Job] = deque()
        self._lock = threading.Lock()
        self._closed = False
        self._mapping = False

    def __enter__(self) -> Self:
        self._start_children()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
        self._kill_if(lambda child: True)

    def map(self, items: Iterable[Any]) -> Generator[Ok | Failed, None, None]:
        """Outcomes in the order of ``items``, which are read slightly ahead.

        An item's ``Failed`` has the class and message of the InputError that the function raised, or ``corrupt`` (any
        other exception), ``timeout``, ``out_of_memory``, ``crashed`` or ``invalid_answer``. Raises RunError if the function
        cannot be imported, and whatever other DataEngineError it raises.
        """
        if self._mapping:
            raise RuntimeError("a sandbox serves one map at a time")
        self._mapping = True
        source = iter(items)
        window: deque[Job] = deque()
        more = True
        try:
            self._kill_if(lambda child: not child.alive)
            while more or window:
                self._start_children()
                more = self._fill(source, window)
                if window:
                    self._exchange(wait=window[0].outcome is None)
                while window and (outcome := window[0].outcome):
                    window.popleft()
                    yield outcome
        finally:
            self._mapping = False
            self._retry.clear()
            self._kill_if(lambda child: bool(child.jobs))

    def _start_children(self) -> None:
        """Start missing children, without waiting for them."""
        with self._lock:
            if self._closed:
                raise RuntimeError("the sandbox is closed")
            while len(self._children) < self._workers:
                self._children.append(Child(self._hello, self._answer, self._slot_bytes))

    def _kill_if(self, unwanted: Callable[[Child], bool]) -> None:
        with self._lock:
            for child in [c for c in self._children if unwanted(c)]:
                child.kill()
                self._children.remove(child)

    def _fill(self, source: Iterator[Any], window: deque[Job]) -> bool:
        """Queue items while there is room; returns whether ``source`` may have more."""
        waiting = sum(len(job.payload) for job in window)
        while True:
            child = min(self._children, key=lambda c: len(c.jobs))
            if len(child.jobs) >= _QUEUE:
                return True
            if self._retry:
                child.give(self._retry.popleft())
                continue
            crowded = len(window) >= _QUEUE * _WINDOW * self._workers
            if crowded or (child.jobs and waiting >= _WAITING_BYTES):
                return True
            for item in source:
                job = Job(pack(item))
                waiting += len(job.payload)
                window.append(job)
                child.give(job)
                break
            else:
                return False

    def _exchange(self, *, wait: bool) -> None:
        """Wait for I/O or a deadline, send and receive without blocking, then time out children that are late."""
        poll = select.poll()
        for child in self._children:
            poll.register(child.answers, select.POLLIN)
            if child.wants_write:
                poll.register(child.requests, select.POLLOUT)
        left = min(self._deadline(c) - c.seconds for c in self._children) if wait else 0.0
        begin = time.monotonic()
        events = dict(poll.poll(max(0.0, left) * 1000 + 1 if wait else 0))
        waited = time.monotonic() - begin
        for child in list(self._children):
            child.awaited(waited)
            if child.requests in events:
                child.write()
            if child.answers in events:
                self._receive(child)
            elif child.seconds > self._deadline(child):
                self._discard(child, "timeout", f"decoding took longer than {self._limits.seconds:g} s")

    def _deadline(self, child: Child) -> float:
        """Seconds that the child may take for its current work."""
        if not child.ready:
            return _START_SECONDS
        return self._limits.seconds if child.jobs else math.inf

    def _receive(self, child: Child) -> None:
        try:
            for answer in child.read():
                self._accept(child, answer)
        except InvalidAnswerError as error:
            self._discard(child, "invalid_answer", f"the decoder was stopped: it sent {error}")
            return
        if child.ended:
            self._discard(child, "crashed", f"the decoder died on this file {_DEATHS} times ({{ending}})")

    def _accept(self, child: Child, answer: Answer) -> None:
        if isinstance(answer, Broken):
            raise answer.error
        if isinstance(answer, Ready) and not child.ready:
            self._check(answer.missing)
            child.started()
        elif child.ready and child.jobs and not isinstance(answer, Ready):
            child.answered(self._with_limits(answer))
        else:
            raise InvalidAnswerError("an answer without an item")

    def _check(self, missing: dict[str, str]) -> None:
        """Raises RunError where a measure is not in force that must be."""
        self.missing = missing
        if missing and self._limits.isolated:
            reasons = "; ".join(f"{name} ({why})" for name, why in missing.items())
            raise RunError(
                f"limits.isolation is required, and not in force here: {reasons}; see `dataengine doctor`, or set it to available"
            )

    def _discard(self, child: Child, failure: str, message: str) -> None:
        """Kill a child; fail the item it worked on and queue the others for retry."""
        with self._lock:
            if child not in self._children:
                raise RuntimeError("the sandbox was closed while it worked")
            ending = child.kill()
            self._children.remove(child)
        if not child.ready:
            raise RunError(f"a decode process did not start: {ending} after {child.seconds:.0f} s")
        if child.jobs:
            job = child.jobs[0]
            job.deaths += failure == "crashed"
            if failure != "crashed" or job.deaths >= _DEATHS:
                child.answered(Failed(failure, message.replace("{ending}", ending)))
            self._retry.extend(child.jobs)

    def _with_limits(self, outcome: Ok | Failed) -> Ok | Failed:
        if isinstance(outcome, Failed) and outcome.failure == "out_of_memory":
            return Failed(outcome.failure, f"decoding needs more than {self._limits.memory >> 20:,} MiB of memory")
        return outcome
