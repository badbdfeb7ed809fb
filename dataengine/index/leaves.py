"""Leaves: vectors move to the nearest centre; sums and distances. All in integers: the same in any order."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataengine.index.planes import Points, scaled

ROUNDS = 2
_ROWS = 8192
_PRODUCTS = 1 << 23
_MOST = 8192  # leaves of a branch: very small ones stay as halving has made them


def settled(points: Points, leaf: Any, count: int) -> tuple[Any, Any]:
    """``(leaf of each vector, (count, d) centres)``, after rounds in which every vector moves to the nearest centre. Halving cuts
    through clusters; this puts most of what it has cut together again, and leaves are no longer of one size."""
    for _ in range(ROUNDS):
        leaf = nearest(points, leaf, directions(sums_of(points, leaf, count)))
    centres = directions(sums_of(points, leaf, count))
    return nearest(points, leaf, centres), centres


def nearest(points: Points, leaves: Any, centres: Any) -> Any:
    """The leaf of the nearest centre, the first of equals; a vector moves only to one that is nearer than that of its own."""
    if len(centres) > _MOST:
        return leaves
    floats, empty = centres.astype(np.float32).T, ~centres.any(axis=1)
    out, step = np.array(leaves), max(1, _PRODUCTS // len(centres))
    for start in range(0, len(points), step):
        some = slice(start, start + step)
        products = points.vectors[some].astype(np.float32) @ floats
        products[:, empty] = -np.inf
        best = products.argmax(axis=1)
        rows = np.arange(len(best))
        moves = products[rows, best] > products[rows, out[some]]
        out[some][moves] = best[moves]
    return out


def directions(sums: Any) -> Any:
    """``(leaves, d)`` integers as long as vectors are: directions of the sums; zero where a leaf has none."""
    return np.stack([scaled(row) for row in sums])


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
