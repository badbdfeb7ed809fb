"""Decoding that can hang, crash or eat memory without harm: in child processes that serve many items each.

One child costs 0.2 s to start and is replaced when it misbehaves; the item it held fails (after a second try, where it
crashed), its neighbours are tried again.
A few items wait in each child's pipe, so that no child waits for its parent between two items.
"""

from __future__ import annotations

import math
import select
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from dataengine.errors import RunError
from dataengine.media.limits import Limits
from dataengine.media.sandbox.process import Child, Job
from dataengine.media.sandbox.wire import Broken, Failed, Hello, Ok, pack

__all__ = ["Failed", "Ok", "Sandbox"]

_QUEUE = 4
"""Items a child holds, the one in work included."""
_WINDOW = 2
"""Items from the oldest that is not yet handed out to the newest, for each item that the children can hold."""
_WAITING_BYTES = 64 << 20
"""Packed items that may wait beside those that keep a child busy."""
_START_SECONDS = 120.0
_DEATHS = 2
"""Children that an item must take down to be called crashed: one may have died of something else (a kernel short of
memory, an operator), and that must not decide what is in a release."""


class Sandbox:
    """``workers`` child processes that call ``function(context, item)``.

    ``function`` is ``"package.module:name"``, importable with the parent's ``sys.path``. ``preload`` are modules that
    reserve gigabytes of addresses as they are imported (torch, ONNX Runtime), before the memory is bounded. Use it as a
    context manager; it serves one ``map`` at a time.
    """

    def __init__(
        self, function: str, context: Any, *, workers: int, limits: Limits, preload: tuple[str, ...] = ()
    ) -> None:
        self._hello = Hello(function, context, limits.memory, preload)
        self._workers = workers
        self._limits = limits
        self._children: list[Child] = []
        self._retry: deque[Job] = deque()
        self._lock = threading.Lock()
        self._closed = False
        self._mapping = False

    def __enter__(self) -> Self:
        self._staff()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
        self._forget(lambda child: True)

    def map(self, items: Iterable[Any]) -> Iterator[Ok | Failed]:
        """Outcomes in the order of ``items``, which is read a little ahead.

        An item's ``Failed`` has the class and message of the InputError that the function raised, or ``corrupt`` (any
        other exception), ``timeout``, ``out_of_memory`` or ``crashed``. Raises RunError if the function cannot be
        imported, and whatever other DataEngineError it raises.
        """
        if self._mapping:
            raise RuntimeError("a sandbox serves one map at a time")
        self._mapping = True
        source = iter(items)
        window: deque[Job] = deque()
        more = True
        try:
            self._forget(lambda child: not child.alive)
            while more or window:
                self._staff()
                more = self._fill(source, window)
                if window:
                    self._exchange(wait=window[0].outcome is None)
                    if outcome := window[0].outcome:
                        window.popleft()
                        yield outcome
        finally:
            self._mapping = False
            self._retry.clear()
            self._forget(lambda child: bool(child.jobs))

    def _staff(self) -> None:
        """Start the children that are missing, without waiting for them."""
        with self._lock:
            if self._closed:
                raise RuntimeError("the sandbox is closed")
            while len(self._children) < self._workers:
                self._children.append(Child(self._hello))

    def _forget(self, unwanted: Callable[[Child], bool]) -> None:
        with self._lock:
            for child in [c for c in self._children if unwanted(c)]:
                child.kill()
                self._children.remove(child)

    def _fill(self, source: Iterator[Any], window: deque[Job]) -> bool:
        """Hand out items while there is room; whether ``source`` may have more."""
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
        """Send and receive what can be, after waiting for something to happen or a deadline; then judge the late."""
        poll = select.poll()
        for child in self._children:
            poll.register(child.answers, select.POLLIN)
            if child.wants_write:
                poll.register(child.requests, select.POLLOUT)
        left = min(self._allowed(c) - c.seconds for c in self._children) if wait else 0.0
        happened = dict(poll.poll(max(0.0, left) * 1000 + 1 if wait else 0))
        for child in list(self._children):
            if child.requests in happened:
                child.write()
            if child.answers in happened:
                self._receive(child)
            elif child.seconds > self._allowed(child) and not child.receiving:
                self._lose(child, "timeout", f"not done within {self._limits.seconds:g} s")

    def _allowed(self, child: Child) -> float:
        """Seconds that the child may take for what it does now."""
        if not child.ready:
            return _START_SECONDS
        return self._limits.seconds if child.jobs else math.inf

    def _receive(self, child: Child) -> None:
        messages, lives = child.read()
        for message in messages:
            if isinstance(message, Broken):
                raise message.error
            if child.ready:
                child.answered(self._worded(message))
            else:
                child.started()
        if not lives:
            self._lose(child, "crashed", f"the decoder died on this file {_DEATHS} times ({{ending}})")

    def _lose(self, child: Child, failure: str, message: str) -> None:
        """Account for the item that a bad child held, and have its neighbours tried again."""
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
                child.answered(Failed(failure, message.format(ending=ending)))
            self._retry.extend(child.jobs)

    def _worded(self, outcome: Ok | Failed) -> Ok | Failed:
        if isinstance(outcome, Failed) and outcome.failure == "out_of_memory":
            return Failed(outcome.failure, f"decoding needs more than {self._limits.memory >> 20:,} MiB of memory")
        return outcome
