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
_PLACES = (("left third", slice(0, 10)), ("right third", slice(20, 30)))
_THIRD, _HALF = 55.0, 75.0
"""Per cent of the change from one frame to the next that make a third, or a half, the part that changes most."""


def shuffles(count: int, shown: int, draw: Draw) -> list[list[int]]:
    """Every run of ``shown`` equally spaced places below ``count``, in drawn order, each shuffled."""
    reach = (count - 1) // (shown - 1)
    runs = [(first, step) for step in range(1, reach + 1) for first in range(count - step * (shown - 1))]
    return [draw.shuffled(range(first, first + step * shown, step)) for first, step in draw.shuffled(runs)]


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
    least, ratio, lead = (5.0, 1.6, 4.0) if strict else (3.0, 1.3, 2.0)
    for place, here in enumerate(order[:-2]):
        (near, next_), (far, _) = nearest(facts, here, order[place + 1 :])[:2]
        if next_ != order[place + 1] or near < least or far < max(ratio * near, near + lead):
            return False
    return between(facts, order[-2], order[-1]) >= least


def least_ratio(facts: Facts, order: Sequence[str]) -> float:
    """By how many times the next best frame of any step differs more than the best."""
    steps = [nearest(facts, here, order[place + 1 :])[:2] for place, here in enumerate(order[:-2])]
    return min(far / max(near, 0.1) for (near, _), (far, _) in steps)


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
