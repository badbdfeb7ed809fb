"""Bottom-k sampling of samples and patches to fit a tokenizer on, by keyed hashes: in bounded memory, and independent of the
order of arrival and the number of workers."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.samples.draws import SmallestKeys, draw, mix

_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def chosen(ids: Iterable[str], *, seed: int, count: int, use: str = "fit") -> list[str]:
    """A random sample of at most ``count`` ids, sorted. An id's key depends on no other id; each ``use`` has keys of its own."""
    return sorted(heapq.nsmallest(count, ids, key=lambda id_: (draw(seed, id_, use), id_)))


class PatchSample:
    """A uniform sample of at most ``limit`` rows of all features added; a set, whatever the order of ``add``. ``share``: of rows
    that are kept at all, where many parts give more than the limit together."""

    def __init__(self, limit: int, seed: int, share: float = 1.0) -> None:
        self._bound = np.uint64(min(int(share * 2**64), 2**64 - 1))
        self._seed = seed
        self._smallest = SmallestKeys(limit)

    def add(self, sample: str, features: NDArray[Any]) -> None:
        """Offer the ``(T, D)`` features of one sample, once; holds at most twice the limit and the rows given."""
        steps = np.arange(1, len(features) + 1, dtype=np.uint64) * _GAMMA
        keys = mix(steps + np.uint64(draw(self._seed, sample)))
        kept = keys <= self._bound
        self._smallest.add(keys[kept], features[kept])

    def rows(self) -> NDArray[Any]:
        """``(n, D)`` features, n at most the limit, ordered by key. Raises ValueError where nothing was added."""
        return self._smallest.rows()

    def keys(self) -> NDArray[np.uint64]:
        """``(n,)`` keys of ``rows``, ascending: samples of parts are joined by the smallest of them."""
        return self._smallest.keys()
