"""Bottom-k sampling of samples and patches to fit a tokenizer on, by keyed hashes: in bounded memory, and independent of the
order of arrival and the number of workers."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): a bijection of 64-bit words."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def chosen(ids: Iterable[str], *, seed: int, count: int, use: str = "fit") -> list[str]:
    """A random sample of at most ``count`` ids, sorted. An id's key depends on no other id; each ``use`` has keys of its own."""
    return sorted(heapq.nsmallest(count, ids, key=lambda id_: (draw(seed, id_, use), id_)))


class PatchSample:
    """A uniform sample of at most ``limit`` rows of all features added; a set, whatever the order of ``add``. ``share``: of rows
    that are kept at all, where many parts give more than the limit together."""

    def __init__(self, limit: int, seed: int, share: float = 1.0) -> None:
        self._limit = limit
        self._bound = np.uint64(min(int(share * 2**64), 2**64 - 1))
        self._seed = seed
        self._waiting = 0
        self._keys: list[NDArray[np.uint64]] = []
        self._rows: list[NDArray[Any]] = []

    def add(self, sample: str, features: NDArray[Any]) -> None:
        """Offer the ``(T, D)`` features of one sample, once; holds at most twice the limit and the rows given."""
        steps = np.arange(1, len(features) + 1, dtype=np.uint64) * _GAMMA
        keys = mix(steps + np.uint64(draw(self._seed, sample)))
        kept = keys <= self._bound
        self._keys.append(keys[kept])
        self._rows.append(features[kept])
        self._waiting += int(kept.sum())
        if self._waiting > 2 * self._limit:
            self._shrink()

    def rows(self) -> NDArray[Any]:
        """``(n, D)`` features, n at most the limit, ordered by key. Raises ValueError where nothing was added."""
        self._shrink()
        return self._rows[0][np.argsort(self._keys[0], kind="stable")]

    def keys(self) -> NDArray[np.uint64]:
        """``(n,)`` keys of ``rows``, ascending: samples of parts are joined by the smallest of them."""
        self._shrink()
        return np.sort(self._keys[0])

    def _shrink(self) -> None:
        keys, rows = np.concatenate(self._keys), np.concatenate(self._rows)
        if len(keys) > self._limit:
            kept = np.argpartition(keys, self._limit)[: self._limit]
            keys, rows = keys[kept], rows[kept]
        self._keys, self._rows, self._waiting = [keys], [rows], len(keys)


def draw(seed: int, sample: str, use: str = "fit") -> int:
    """64-bit key of a sample for a seed and use."""
    return int(draws(seed, [sample], use)[0])


def draws(seed: int, samples: Iterable[str], use: str = "fit") -> NDArray[np.uint64]:
    """``draw`` of each of many samples."""
    start = f"{use}\0{seed}\0".encode()
    words = b"".join([hashlib.sha256(start + sample.encode()).digest()[:8] for sample in samples])
    return np.frombuffer(words, ">u8").astype(np.uint64)
