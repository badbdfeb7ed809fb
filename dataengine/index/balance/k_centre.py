"""Greedy k-centre (Gonzalez 1985): each centre is the vector farthest from those before, so that the largest distance to a centre
is at most twice the smallest possible."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.index.vectors import unit

#: Rows of a matrix product: always so many, the last block filled up.
_ROWS = 1024
DECIMALS = 4


def k_centre(vectors: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Rows of at most ``count`` centres of ``(n, d)`` vectors in the order of their choice, the first row first; fewer where
    all others are equal to one."""
    vectors = unit(vectors)
    chosen = [0] if len(vectors) else []
    apart = np.full(len(vectors), np.inf, np.float32)
    while chosen:
        apart = np.minimum(apart, 1 - vectors @ vectors[chosen[-1]])
        farthest = int(np.argmax(apart))
        if len(chosen) == count or apart[farthest] <= 1e-6:
            break
        chosen.append(farthest)
    return np.array(chosen, np.int64)


def distances(vectors: NDArray[Any], centres: NDArray[np.float32]) -> NDArray[np.float64]:
    """1 - cosine of each of ``(n, d)`` vectors with the nearest centre, rounded."""
    out = np.empty(len(vectors))
    transposed = np.ascontiguousarray(unit(centres).T)
    for start in range(0, len(vectors), _ROWS):
        some = unit(vectors[start : start + _ROWS])
        block = np.zeros((_ROWS, vectors.shape[1]), np.float32)
        block[: len(some)] = some
        out[start : start + len(some)] = 1 - (block @ transposed)[: len(some)].max(axis=1)
    return np.asarray(np.round(np.maximum(out, 0), DECIMALS), np.float64)
