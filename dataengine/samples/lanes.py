"""Runs a model over consecutive batches, a few at once where it is on an accelerator, with results in the order of the batches.

On an accelerator one thread waits for a batch's results while another copies and launches the next, so that the device has work
whenever there is some. On a CPU they would only compete: there is one lane, and no thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from dataengine.timings import computing

T = TypeVar("T")
R = TypeVar("R")


class Lanes:
    """``count`` batches at once, whoever asks for them; close it."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = ThreadPoolExecutor(count, "model") if count > 1 else None

    def over(self, work: Callable[[T], R], batches: Iterable[T]) -> Generator[R, None, None]:
        """``work`` of each batch, in order; with several lanes, batches are taken ahead of what is used."""

        def timed(batch: T) -> R:
            with computing():
                return work(batch)

        if self._pool is None:
            yield from map(timed, batches)
            return
        pending: deque[Future[R]] = deque()
        try:
            for batch in batches:
                pending.append(self._pool.submit(timed, batch))
                if len(pending) > self._count:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
            wait(pending)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
