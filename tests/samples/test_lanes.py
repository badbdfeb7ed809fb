"""Batches in several lanes: order, how many at once, errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from dataengine.samples.lanes import Lanes


@pytest.fixture(params=[1, 2, 3])
def lanes(request: pytest.FixtureRequest) -> Iterator[Lanes]:
    made = Lanes(request.param)
    yield made
    made.close()


def test_results_in_order_whichever_ends_first(lanes: Lanes) -> None:
    def work(n: int) -> int:
        time.sleep(0.02 if n % 2 else 0.0)
        return n * n

    assert list(lanes.over(work, range(9))) == [n * n for n in range(9)]
    assert list(lanes.over(work, [])) == []


def test_as_many_at_once_as_there_are_lanes() -> None:
    together = threading.Barrier(2, timeout=60)
    pair = Lanes(2)
    assert list(pair.over(lambda n: together.wait() * 0 + n, range(6))) == list(range(6))
    pair.close()


def test_an_error_is_raised_and_the_lanes_go_on(lanes: Lanes) -> None:
    def work(n: int) -> int:
        return 6 // (3 - n)

    results = lanes.over(work, range(9))
    assert [next(results) for _ in range(3)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(lanes.over(str, range(2))) == ["0", "1"]


def test_two_parts_share_the_lanes() -> None:
    pair, results = Lanes(2), dict[int, list[int]]()

    def part(start: int) -> None:
        results[start] = list(pair.over(lambda n: n, range(start, start + 50)))

    threads = [threading.Thread(target=part, args=(start,)) for start in (0, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == {start: list(range(start, start + 50)) for start in (0, 100)}
    pair.close()
