"""Parts of a video that get captions of their own: windows of equal length, and events, which are shots joined to a least length.

Times are in seconds from the first frame. A span knows its frames only by its times, so a caption is asked for, and stored,
with the very span that its frames were taken from.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import msgspec

from dataengine.config.annotate_captions import SpansConfig

#: Kinds of spans, in the order of a sample's captions.
SPANS = WHOLE, WINDOW, EVENT = "whole", "window", "event"


class Span(msgspec.Struct, frozen=True):
    """``kind``: whole, window or event; ``start`` and ``end`` in seconds, to three places."""

    kind: str
    start: float
    end: float


def windows(duration: float, config: SpansConfig) -> list[Span]:
    """As many equal windows of at most ``seconds`` as cover the video, at most ``max_spans``."""
    count = min(config.max_spans, math.ceil(duration / config.seconds - 1e-9))
    return _between([n * duration / count for n in range(count)] + [duration], WINDOW)


def events(starts: Sequence[float], duration: float, config: SpansConfig) -> list[Span]:
    """Shots, by their ``starts``, joined to the one before while that is shorter than ``min_seconds``. With more than
    ``max_spans`` of them the least length is doubled until they are few enough."""
    shortest = config.min_seconds
    while len(bounds := list(_joined(starts, duration, shortest))) > config.max_spans:
        shortest *= 2
    return _between([*bounds, duration], EVENT)


def _joined(starts: Sequence[float], duration: float, shortest: float) -> Iterator[float]:
    begun = 0.0
    yield begun
    for start in starts[1:]:
        if start - begun >= shortest and duration - start >= shortest:
            begun = start
            yield begun


def _between(bounds: Sequence[float], kind: str) -> list[Span]:
    return [Span(kind, round(a, 3), round(b, 3)) for a, b in itertools.pairwise(bounds)]
