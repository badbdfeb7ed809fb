"""Orders frames greedily by similarity: from the first frame on, always to the most similar one that is left; and says where in
the picture each step changes most."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np

from dataengine.cot.core.measure import thumbnail
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import LETTERS, Facts
from dataengine.media.image.pixels import Pixels

_GRID = (30, 18)
_STRICT, _LENIENT = (5.0, 1.6, 4.0), (3.0, 1.3, 2.0)
"""Least difference of a step; by how many times, and by how much, the next best frame has to differ more."""
_NODES, _REACH = 2000, 10
"""Frames that are tried after one first frame, and how far ahead."""
_PLACES = (("left third", slice(0, 10)), ("right third", slice(20, 30)))
_THIRD, _HALF = 50.0, 70.0
"""Per cent of the change from one frame to the next that make a third, or a half, the part that changes most."""


def shuffles(frames: Pixels, shown: int, draw: Draw) -> list[list[int]]:
    """Places of ``shown`` of the frames ``(F, H, W, 3)`` whose order likeness shows, at most one such choice for each first one,
    each shuffled."""
    small = np.stack([thumbnail(frame, *_GRID) for frame in frames])
    apart = [np.abs(small - one).mean(axis=(1, 2, 3)).tolist() for one in small]
    chosen = (_extended([first], shown, apart, draw, [_NODES]) for first in draw.shuffled(range(len(frames))))
    shuffled = [draw.shuffled(places) for places in chosen if places]
    return [places for places in shuffled if places != sorted(places)]


def _extended(
    places: list[int], shown: int, apart: Sequence[Sequence[float]], draw: Draw, budget: list[int]
) -> list[int] | None:
    """A beginning with later frames added, each farther from all before it than these are from their next ones; ``budget``: how
    many may still be tried."""
    if len(places) == shown:
        return places
    for place in draw.shuffled(range(places[-1] + 1, min(places[-1] + _REACH, len(apart) - 1) + 1)):
        budget[0] -= 1
        farther = all(_clearer(apart[a][place], apart[a][b], *_STRICT[1:]) for a, b in pairwise(places))
        if farther and apart[places[-1]][place] >= _STRICT[0] and budget[0] > 0:
            whole = _extended([*places, place], shown, apart, draw, budget)
            if whole:
                return whole
    return None


def differences(frames: Sequence[Pixels]) -> Facts:
    """Mean absolute differences of ``(H, W, 3)`` frames at low resolution, 0 to 255, by pairs of letters: ``"A-B"``."""
    small = [thumbnail(frame, *_GRID) for frame in frames]
    pairs = combinations(range(len(small)), 2)
    return {f"{LETTERS[a]}-{LETTERS[b]}": round(float(np.abs(small[a] - small[b]).mean()), 1) for a, b in pairs}


def between(facts: Facts, a: str, b: str) -> float:
    """Difference between two frames."""
    return facts["-".join(sorted((a, b)))]


def nearest(facts: Facts, here: str, others: Sequence[str]) -> list[tuple[float, str]]:
    """Differences from one frame to ``others``, ascending."""
    return sorted((between(facts, here, other), other) for other in others)


def follows(facts: Facts, order: Sequence[str], strict: bool) -> bool:
    """Whether likeness leads from the first of ``order`` to the last, each step large enough to be seen and, until one
    frame is left, clearly smaller than the next best; ``strict`` asks for wide margins."""
    least, ratio, lead = _STRICT if strict else _LENIENT
    for place, here in enumerate(order[:-2]):
        (near, next_), (far, _) = nearest(facts, here, order[place + 1 :])[:2]
        if next_ != order[place + 1] or near < least or not _clearer(far, near, ratio, lead):
            return False
    return between(facts, order[-2], order[-1]) >= least


def _clearer(far: float, near: float, ratio: float, lead: float) -> bool:
    return far >= max(ratio * near, near + lead)


def mean_ratio(facts: Facts, order: Sequence[str]) -> float:
    """By how many times the next best frame differs more than the best, on average over the steps."""
    steps = [nearest(facts, here, order[place + 1 :])[:2] for place, here in enumerate(order[:-2])]
    return sum(far / max(near, 0.1) for (near, _), (far, _) in steps) / len(steps)


def changes(frames: Sequence[Pixels], order: Sequence[int]) -> Facts:
    """Of each step in ``order`` the per cent of its change that lie in the left and the right third and in the upper half:
    ``"A-B left third"``."""
    small = [thumbnail(frame, *_GRID) for frame in frames]
    facts: Facts = {}
    for a, b in pairwise(order):
        change = np.abs(small[a] - small[b]).sum(axis=2)
        parts = [(name, change[:, columns]) for name, columns in _PLACES] + [("upper half", change[: _GRID[1] // 2])]
        facts |= {
            f"{LETTERS[a]}-{LETTERS[b]} {name}": round(100 * float(part.sum()) / max(float(change.sum()), 1.0), 1)
            for name, part in parts
        }
    return facts


def where(facts: Facts, a: str, b: str) -> str:
    """Where the picture changes most from one frame to the next, "" where that is not clear."""
    left, right, upper = (facts[f"{a}-{b} {name}"] for name in ("left third", "right third", "upper half"))
    thirds = {"left third": left, "middle third": 100 - left - right, "right third": right}
    halves = {"upper half": upper, "lower half": 100 - upper}
    across = [name for name, share in thirds.items() if share >= _THIRD]
    down = [name for name, share in halves.items() if share >= _HALF]
    return f"the {across[0]}" if across else f"the {down[0]}" if down else ""
