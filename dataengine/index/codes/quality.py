"""How good codes are: usage and perplexity of each level, share of samples whose codes others have too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MIXED = np.uint64(0x9E3779B97F4A7C15)


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


class Tally:
    """Quality of codes that come some rows at a time; of each row 8 bytes are held, to tell which have equal codes."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._counts: list[NDArray[np.int64]] = [np.zeros(size, np.int64) for size in sizes]
        self._keys = list[NDArray[np.uint64]]()
        self._error = 0.0

    def add(self, codes: NDArray[np.int32], errors: NDArray[np.float64]) -> None:
        """``(n, levels)`` codes and what they lose of each vector, ``(n,)``."""
        keys: Any = np.zeros(len(codes), np.uint64)
        for counts, column in zip(self._counts, codes.T, strict=True):
            counts += np.bincount(column, minlength=len(counts))
            keys = (keys + column.astype(np.uint64) + np.uint64(1)) * _MIXED
        self._keys.append(keys)
        self._error += float(errors.sum())

    def quality(self) -> dict[str, Any]:
        """``levels`` (as ``level``), mean ``error`` (None without rows) and ``collision_rate``."""
        keys = np.concatenate([np.zeros(0, np.uint64), *self._keys])
        _, shared = np.unique(keys, return_counts=True)
        sharing = dict(zip(*(values.tolist() for values in np.unique(shared, return_counts=True)), strict=True))
        levels = [asdict(level(dict(enumerate(counts.tolist())), len(counts))) for counts in self._counts]
        error = round(self._error / len(keys), 4) if len(keys) else None
        return {"levels": levels, "error": error, "collision_rate": collision_rate(sharing)}
