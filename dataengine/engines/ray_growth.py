"""Nodes that a Ray cluster's autoscaler brings for a stage.

A stage hires as many workers as the cluster has room for when it begins; so where an autoscaler could bring more, it must be
asked first, and waited for. ``DATAENGINE_GROW_SECONDS`` says how long to wait for the next node; without it a stage takes
the nodes that are there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from dataengine.errors import UsageError

#: Environment variable: seconds without a new node after which a stage begins with those there are.
GROW = "DATAENGINE_GROW_SECONDS"
#: Workers that are asked for at most; each is an entry of a list that the autoscaler packs into nodes.
_MOST = 4096
_POLL_SECONDS = 2.0


def patience() -> float:
    """Seconds that the environment grants. Raises UsageError."""
    text = os.environ.get(GROW, "").strip() or "0"
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 86400:
        raise UsageError(f"{GROW} is {text!r}: write seconds, such as 300, or 0 for the nodes that are there")
    return seconds


@contextmanager
def grown(
    worker: Mapping[str, float], wanted: int, room: Callable[[], float], tick: Callable[[], None], seconds: float
) -> Iterator[None]:
    """Ask for nodes that hold ``wanted`` workers of the resources ``worker``, and wait until there is room for all, or none
    came for ``seconds``. They are no longer asked for at the end, so that the autoscaler can take back those that are idle."""
    wanted = min(wanted, _MOST)
    if not seconds or room() >= wanted:
        yield
        return
    from ray.autoscaler.sdk import request_resources

    request_resources(bundles=[{name: amount for name, amount in worker.items() if amount}] * wanted)
    try:
        _wait(wanted, room, tick, seconds)
        yield
    finally:
        request_resources(bundles=[])


def _wait(wanted: int, room: Callable[[], float], tick: Callable[[], None], seconds: float) -> None:
    most, last = room(), time.monotonic()
    while most < wanted and time.monotonic() - last < seconds:
        tick()
        time.sleep(min(_POLL_SECONDS, seconds))
        if (now := room()) > most:
            most, last = now, time.monotonic()
