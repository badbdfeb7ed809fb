"""How good codes are: usage and perplexity of each level, share of samples whose codes others have too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Level:
    """``used``: share of the codes that some sample has; ``perplexity``: exp of the entropy of the codes, at most ``size``."""

    size: int
    used: float
    perplexity: float


def level(counts: Mapping[int, int], size: int) -> Level:
    """Of the number of samples by code."""
    numbers = np.array(sorted(n for n in counts.values() if n > 0), np.float64)
    if not len(numbers):
        return Level(size, 0.0, 0.0)
    share = numbers / numbers.sum()
    entropy = float(-(share * np.log(share)).sum())
    return Level(size, round(len(numbers) / size, 4), round(float(np.exp(entropy)), 2))


def collision_rate(sharing: Mapping[int, int]) -> float:
    """Share of samples that have their codes not for themselves; ``sharing``: number of distinct codes by how many samples have
    each."""
    samples = sum(n * codes for n, codes in sharing.items())
    return round(1 - sharing.get(1, 0) / samples, 4) if samples else 0.0
