"""Keyed hashes of sample ids: draws that depend on id, seed and use alone, never on order of arrival or worker."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): a bijection of 64-bit words."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def draw(seed: int, sample: str, use: str = "fit") -> int:
    """64-bit key of a sample for a seed and use."""
    return int(draws(seed, [sample], use)[0])


def draws(seed: int, samples: Iterable[str], use: str = "fit") -> NDArray[np.uint64]:
    """``draw`` of each of many samples."""
    start = f"{use}\0{seed}\0".encode()
    words = b"".join([hashlib.sha256(start + sample.encode()).digest()[:8] for sample in samples])
    return np.frombuffer(words, ">u8").astype(np.uint64)


def shares(keys: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Keys as numbers in [0, 1), with the 53 bits that a float64 holds."""
    return np.asarray((keys >> np.uint64(11)).astype(np.float64) * 2.0**-53)


class SmallestKeys:
    """The rows with the ``limit`` smallest keys of all that are added: a uniform sample, whatever the order of ``add``. Holds at
    most twice the limit and the rows of one call."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting = 0
        self._keys: list[NDArray[np.uint64]] = []
        self._rows: list[NDArray[Any]] = []

    def add(self, keys: NDArray[np.uint64], rows: NDArray[Any]) -> None:
        """Offer ``(n, ...)`` rows with their keys, each once."""
        self._keys.append(keys)
        self._rows.append(rows)
        self._waiting += len(keys)
        if self._waiting > 2 * self._limit:
            self._shrink()

    def rows(self) -> NDArray[Any]:
        """At most ``limit`` rows, ordered by key. Raises ValueError where nothing was added."""
        self._shrink()
        return self._rows[0][np.argsort(self._keys[0], kind="stable")]

    def keys(self) -> NDArray[np.uint64]:
        """The keys of ``rows``, ascending: samples of parts are joined by the smallest of them."""
        self._shrink()
        return np.sort(self._keys[0])

    def _shrink(self) -> None:
        keys, rows = np.concatenate(self._keys), np.concatenate(self._rows)
        if len(keys) > self._limit:
            kept = np.argpartition(keys, self._limit)[: self._limit]
            keys, rows = keys[kept], rows[kept]
        self._keys, self._rows, self._waiting = [keys], [rows], len(keys)
