"""Nodes of an autoscaler are asked for before a stage and given back after it."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from dataengine.engines import ray_growth
from dataengine.engines.ray_growth import GROW, grown, patience
from dataengine.errors import UsageError

WORKER = {"CPU": 2.0, "GPU": 0.0}


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many workers an autoscaler was asked for, at each call."""
    calls: list[int] = []
    sdk = SimpleNamespace(request_resources=lambda bundles: calls.append(len(bundles)))
    monkeypatch.setitem(sys.modules, "ray.autoscaler.sdk", sdk)  # type: ignore[arg-type]
    monkeypatch.setattr(ray_growth, "_POLL_SECONDS", 0.001)
    return calls


#: Wanted, the room at each look, seconds of patience, and: whether asked, and how often looked before the work begins.
CASES = [
    (3, [1.0, 1.0, 2.0, 2.0, 3.0], 60.0, [3, 0], 5),
    (3, [3.0], 60.0, [], 1),
    (3, [1.0], 0.0, [], 0),
]


@pytest.mark.parametrize(("wanted", "rooms", "seconds", "calls", "looks"), CASES)
def test_a_stage_waits_for_the_nodes_it_asked_for(
    requests: list[int], wanted: int, rooms: list[float], seconds: float, calls: list[int], looks: int
) -> None:
    left = list(rooms)
    ticks: list[int] = []
    with grown(WORKER, wanted, lambda: left.pop(0), lambda: ticks.append(1), seconds):
        assert requests == calls[:1] and len(rooms) - len(left) == looks
    assert requests == calls
    assert len(ticks) == max(0, looks - 2)


def test_a_stage_begins_with_what_came_where_no_more_comes(requests: list[int]) -> None:
    looks: list[int] = []

    def room() -> float:
        looks.append(1)
        return 1.0

    with grown(WORKER, 10**6, room, lambda: None, 1.0):
        assert requests == [4096]
    assert requests == [4096, 0] and len(looks) > 2


def test_nodes_are_given_back_after_a_failure(requests: list[int]) -> None:
    rooms = [1.0, 1.0, 2.0]
    with pytest.raises(RuntimeError), grown(WORKER, 2, lambda: rooms.pop(0), lambda: None, 60.0):
        raise RuntimeError
    assert requests == [2, 0]


@pytest.mark.parametrize(("text", "seconds"), [("", 0.0), (" 300 ", 300.0), ("0", 0.0), ("1.5", 1.5)])
def test_patience(monkeypatch: pytest.MonkeyPatch, text: str, seconds: float) -> None:
    monkeypatch.setenv(GROW, text)
    assert patience() == seconds


@pytest.mark.parametrize("text", ["five", "-1", "nan", "inf", "1e9"])
def test_patience_that_is_no_number_of_seconds(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(GROW, text)
    with pytest.raises(UsageError, match="write seconds"):
        patience()
