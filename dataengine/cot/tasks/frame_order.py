"""Orders frames greedily by similarity: from the first frame on, always to the most similar one that is left."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from dataengine.cot.core.measure import thumbnail
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import LETTERS, Facts
from dataengine.media.image.pixels import Pixels

_GRID = (32, 18)


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
    least, ratio, lead = (3.0, 1.2, 0.8) if strict else (2.0, 1.05, 0.2)
    for place, here in enumerate(order[:-2]):
        (near, next_), (far, _) = nearest(facts, here, order[place + 1 :])[:2]
        if next_ != order[place + 1] or near < least or far < max(ratio * near, near + lead):
            return False
    return between(facts, order[-2], order[-1]) >= least
