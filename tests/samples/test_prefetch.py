"""Reading ahead in a thread: order, bounds, ends and errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from dataengine.samples.prefetch import Prefetch


class Source:
    """Counts what was taken of it, and says when it was closed."""

    def __init__(self, count: int) -> None:
        self.taken, self.closed, self._count = 0, threading.Event(), count

    def __iter__(self) -> Iterator[int]:
        try:
            for n in range(self._count):
                self.taken += 1
                yield n
        finally:
            self.closed.set()


def settled(source: Source, least: int = 0) -> int:
    """What was taken once no more is; ``least`` is waited for, however slow the reader."""
    last, end = -1, time.monotonic() + 60
    while source.taken < least and time.monotonic() < end:
        time.sleep(0.01)
    while last != source.taken:
        last = source.taken
        time.sleep(0.05)
    return last


def prefetch(source: Source, size: int, ahead: int = 100, bytes_: int = 1 << 30, weight: int = 1) -> Prefetch[int]:
    return Prefetch(iter(source), size, ahead, bytes_, lambda _: weight)


@pytest.mark.parametrize("count", [0, 1, 3, 7, 9])
def test_lists_of_one_size_in_order(count: int) -> None:
    lists = list(prefetch(Source(count), 3))
    assert [n for some in lists for n in some] == list(range(count))
    assert [len(some) for some in lists] == [3] * (count // 3) + [count % 3] * (count % 3 > 0)


@pytest.mark.parametrize(("ahead", "bytes_", "most"), [(5, 1 << 30, 5), (100, 40, 4), (100, 1, 1)])
def test_what_waits_is_bounded_by_number_and_bytes(ahead: int, bytes_: int, most: int) -> None:
    source = Source(50)
    reader = prefetch(source, 2, ahead, bytes_, weight=10)
    assert settled(source, most) == most
    assert next(reader) == [0, 1]
    assert settled(source) <= most + 2
    reader.close()


def test_a_list_larger_than_the_bounds_is_read_for_one_who_waits() -> None:
    source = Source(20)
    assert [len(some) for some in prefetch(source, 8, ahead=1, bytes_=1)] == [8, 8, 4]


def test_closing_early_closes_the_source() -> None:
    source = Source(1000)
    reader = prefetch(source, 2, ahead=4)
    assert next(reader) == [0, 1]
    reader.close()
    assert source.closed.wait(60) and source.taken < 20


def test_an_error_comes_after_the_lists_before_it() -> None:
    def source() -> Iterator[int]:
        yield from range(5)
        raise KeyError("source")

    reader = Prefetch(source(), 2, 100, 1 << 30, lambda _: 1)
    assert [next(reader), next(reader)] == [[0, 1], [2, 3]]
    for _ in range(2):
        with pytest.raises(KeyError, match="source"):
            next(reader)
