"""K-means over integers: centres are rounded after every step, so all arithmetic is exact in float64.

Hence the same centres on any machine, BLAS and thread count, and for any order of the points. The price is a rounding
error of half a unit a coordinate and float64 where float32 would do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_ROWS = 1024  # a block of scores stays in the cache
_INIT_POINTS = 16  # an entry, for k-means++

_I16 = NDArray[np.int16]
_I64 = NDArray[np.int64]
_F64 = NDArray[np.float64]


def kmeans(points: _I16, entries: int, *, iterations: int, seed: int) -> _I16:
    """``(k, d)`` distinct centres of ``(n, d)`` points in lexicographic order; fewer than ``entries`` where there are
    fewer distinct points or centres meet. Seeded by k-means++ (Arthur and Vassilvitskii 2007), then Lloyd's steps."""
    distinct, counts = np.unique(points, axis=0, return_counts=True)
    if len(distinct) <= entries:
        return distinct
    centres = _plus_plus(distinct, counts, entries, seed)
    labels = np.full(len(distinct), -1)
    for _ in range(iterations):
        before, labels = labels, nearest(distinct, centres)
        if np.array_equal(before, labels):
            break
        centres = _means(distinct, counts, labels, centres)
    return np.unique(centres, axis=0)


def nearest(points: _I16, centres: _I16) -> _I64:
    """``(n,)`` index of the nearest centre, the first of equals. Exact while ``d * max(|x|)**2`` is below 2**51."""
    table = np.vstack([-2.0 * centres.T, (centres.astype(np.float64) ** 2).sum(1)])
    labels = np.empty(len(points), np.int64)
    homogeneous = np.ones((min(_ROWS, len(points)), points.shape[1] + 1))
    for start in range(0, len(points), _ROWS):
        block = points[start : start + _ROWS]
        homogeneous[: len(block), :-1] = block
        np.argmin(homogeneous[: len(block)] @ table, axis=1, out=labels[start : start + _ROWS])
    return labels


def _means(points: _I16, counts: _I64, labels: _I64, centres: _I16) -> _I16:
    """Rounded means of the labelled points; a centre without points moves to a point far from its own centre."""
    k = len(centres)
    weights = np.bincount(labels, counts, k)
    sums = np.stack([np.bincount(labels, counts * column, k) for column in points.T.astype(np.int64)], axis=1)
    moved = np.rint(sums / np.maximum(weights, 1)[:, None]).astype(np.int16)
    empty = np.flatnonzero(weights == 0)
    if len(empty):
        far = _distances(points, centres[labels])
        moved[empty] = points[np.lexsort((np.arange(len(far)), -far))[: len(empty)]]
    return moved


def _plus_plus(points: _I16, counts: _I64, entries: int, seed: int) -> _I16:
    """k-means++ initialisation: each centre is drawn with a probability proportional to its squared distance from the others."""
    draw = _random(seed)
    if len(points) > _INIT_POINTS * entries:
        sample = np.sort(np.argsort(draw(len(points)), kind="stable")[: _INIT_POINTS * entries])
        points, counts = points[sample], counts[sample]
    chance = counts
    apart = np.full(len(points), np.iinfo(np.int64).max)
    picked = []
    for number in draw(entries):
        totals = np.cumsum(chance)
        if totals[-1] == 0:
            break
        picked.append(int(np.searchsorted(totals, int(number) % int(totals[-1]), side="right")))
        apart = np.minimum(apart, _distances(points, points[picked[-1]]))
        chance = apart * counts
    return points[picked]


def _distances(a: _I16, b: _I16) -> _I64:
    difference = a.astype(np.int64) - b
    squares: _I64 = np.einsum("...d,...d->...", difference, difference)
    return squares


def _random(seed: int) -> Callable[[int], NDArray[np.uint64]]:
    """Raw 64-bit words of PCG64, whose stream NumPy does not change between versions."""
    generator = np.random.PCG64(seed)
    return lambda n: generator.random_raw(n)
