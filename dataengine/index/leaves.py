"""Sums, means and distances of the vectors of leaves, in integers: the same in any order."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataengine.index.planes import Points

_ROWS = 8192


def centres_of(points: Points, leaves: Any, count: int) -> Any:
    """``(count, d)`` integers: the mean of each leaf's vectors, rounded; zero where it has none."""
    sums = sums_of(points, leaves, count)
    sizes = np.maximum(np.bincount(leaves, minlength=count), 1)
    return np.rint(sums / sizes[:, None]).astype(np.int16)


def sums_of(points: Points, leaves: Any, count: int) -> Any:
    """``(count, d)`` int64: the sum of each leaf's vectors."""
    sums = np.zeros((count, points.vectors.shape[1]), np.int64)
    order = np.argsort(leaves, kind="stable")
    bounds = np.searchsorted(leaves[order], np.arange(count + 1))
    for leaf in np.flatnonzero(np.diff(bounds)):
        sums[leaf] = points.vectors[order[bounds[leaf] : bounds[leaf + 1]]].sum(0, dtype=np.int64)
    return sums


def distances(points: Points, centres: Any, leaves: Any) -> Any:
    """``(n,)`` 1 - cosine of each vector and its leaf's centre, in millionths, integers."""
    exact = centres.astype(np.float64)
    length = np.sqrt((exact * exact).sum(1))
    out = np.empty(len(points), np.int64)
    for start in range(0, len(points), _ROWS):
        some = slice(start, start + _ROWS)
        vectors = points.vectors[some].astype(np.float64)
        of = leaves[some]
        products = np.einsum("ij,ij->i", vectors, exact[of])
        both = np.sqrt(np.einsum("ij,ij->i", vectors, vectors)) * length[of]
        out[some] = np.rint(1e6 * (1 - products / np.where(both > 0, both, 1)))
    return out
