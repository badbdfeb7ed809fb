"""An event loop in a thread of its own: synchronous code hands it work and takes results while the requests go on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

K = TypeVar("K")
T = TypeVar("T")


class LoopThread:
    """Started at once; ``close`` cancels what still runs in it."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.SelectorEventLoop()  # the same in a worker of Ray, whose policy is uvloop
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``, once it is there."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def close(self) -> None:
        self.run(_cancel_others())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


class Jobs(Generic[K, T]):
    """Coroutines that run in the loop of ``thread``, each under a key; their results in the order in which they are there."""

    def __init__(self, thread: LoopThread) -> None:
        self._loop = thread.loop
        self._done: SimpleQueue[tuple[K, asyncio.Task[T]]] = SimpleQueue()
        self._tasks: set[asyncio.Task[T]] = set()

    def start(self, key: K, job: Callable[[], Awaitable[T]]) -> None:
        self._loop.call_soon_threadsafe(self._start, key, job)

    def next(self) -> tuple[K, T]:
        """Waits for the next result. Raises what its coroutine raised."""
        key, task = self._done.get()
        return key, task.result()

    def cancel(self) -> None:
        """End those that still run."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cancel)

    def _start(self, key: K, job: Callable[[], Awaitable[T]]) -> None:
        task: asyncio.Task[T] = asyncio.ensure_future(job(), loop=self._loop)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._end(key, done))

    def _end(self, key: K, task: asyncio.Task[T]) -> None:
        self._tasks.discard(task)
        self._done.put((key, task))

    def _cancel(self) -> None:
        for task in list(self._tasks):
            task.cancel()


async def _cancel_others() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
