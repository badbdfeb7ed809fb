"""Inverted-file (k-means) cells of unit vectors: the home of each, and the cells that it must also be compared in.

Centroids are those of spherical k-means. A vector lives in the cell of the centroid it has the largest product with, and
visits every cell c whose border with its own, h, is near: ``(x·h - x·c) / |h - c| <= reach``. That quotient is the
distance to the plane between the two cells, so with ``reach`` the largest distance of a near pair, one of two near vectors
always visits the other's cell (triangle inequality): recall is exact. A smaller reach is cheaper and misses some.

Vectors are scaled to a length just under 2**12 and rounded to integers. Every partial sum of a product of two is then an
integer below 2**24 (Cauchy and Schwarz), which float32 holds exactly: a matrix product has the same value in any order of
summation. So cells, and with them the pairs found, do not depend on threads, BLAS or processor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Int16 = NDArray[np.int16]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
T = TypeVar("T")

_ROWS = 1024
_SAMPLE_A_CELL = 16
_ROUNDS = 3


def scale(dim: int) -> float:
    """Length that vectors are scaled to before rounding: with the rounding, less than 2**12."""
    return float(4095 - np.sqrt(dim) / 2)


def slack(dim: int) -> float:
    """How far the distance of two vectors, in units of ``scale``, can be moved by rounding both."""
    return float(np.sqrt(dim))


def quantise(vectors: NDArray[Any], rows: Int64, lengths: NDArray[np.float64]) -> Int16:
    """``(len(rows), d) int16``: ``rows`` of float vectors, which have these ``lengths`` (finite, above 0)."""
    out = np.empty((len(rows), vectors.shape[1]), np.int16)
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        exact = vectors[some].astype(np.float64) * (scale(vectors.shape[1]) / lengths[some, None])
        out[start : start + _ROWS] = np.rint(exact)
    return out


def in_order(pool: Executor, work: Callable[[int], T], count: int, ahead: int = 64) -> Iterator[T]:
    """``work(0), work(1), …`` computed side by side, a bounded number ahead."""
    waiting: list[Future[T]] = []
    for n in range(count):
        waiting.append(pool.submit(work, n))
        if len(waiting) >= ahead:
            yield waiting.pop(0).result()
    for future in waiting:
        yield future.result()


class Cells(NamedTuple):
    """``(K, d)`` centroids (integers) and ``(K, K)`` distances between them."""

    centroids: Float32
    apart: Float32

    def products(self, some: Int16) -> Float32:
        """``(rows, K)``, exact."""
        products: Float32 = some.astype(np.float32) @ self.centroids.T
        return products

    def homes(self, some: Int16) -> Int64:
        homes: Int64 = np.argmax(self.products(some), axis=1)
        return homes

    def distances(self, some: Int16) -> Float32:
        """``(rows, K)``: to the border between home and each cell; 0 at home."""
        return self._distances(some)[1]

    def _distances(self, some: Int16) -> tuple[Int64, Float32]:
        products = self.products(some)
        home = np.argmax(products, axis=1)
        apart = np.maximum(self.apart[home], np.float32(1))
        distances: Float32 = (products[np.arange(len(some)), home][:, None] - products) / apart
        return home, distances

    def visits(self, some: Int16, reach: float) -> tuple[Int64, Int64, Int64]:
        """``(home of each row, row of each visit, cell of each visit)``."""
        home, distances = self._distances(some)
        near = distances <= np.float32(reach)
        near[np.arange(len(some)), home] = False
        row, cell = np.nonzero(near)
        return home, row, cell

    def borders(self, x: Int16, y: Int16) -> NDArray[np.float64]:
        """For pairs of rows: the reach at which one visits the other's cell; 0 in one cell."""
        to_x, to_y = self.products(x), self.products(y)
        a, b, every = np.argmax(to_x, axis=1), np.argmax(to_y, axis=1), np.arange(len(x))
        margin = np.minimum(to_x[every, a] - to_x[every, b], to_y[every, b] - to_y[every, a])
        apart = np.maximum(self.apart[a, b], np.float32(1))
        reach: NDArray[np.float64] = (margin / apart).astype(np.float64)
        return reach


def train(vectors: Int16, count: int, rng: np.random.Generator, pool: Executor) -> tuple[Cells, int]:
    """Cells by ``count`` centroids, and how many comparisons that took."""
    sample = vectors[np.sort(rng.permutation(len(vectors))[: _SAMPLE_A_CELL * count])]
    centroids = sample[np.sort(rng.permutation(len(sample))[:count])].astype(np.float32)
    parts = -(-len(sample) // _ROWS)
    for _ in range(_ROUNDS):
        cells = Cells(centroids, np.zeros((0, 0), np.float32))
        homes = in_order(pool, lambda n, c=cells: c.homes(sample[n * _ROWS : (n + 1) * _ROWS]), parts)  # type: ignore[misc]
        centroids = _means(sample, np.concatenate(list(homes)), centroids)
    return Cells(centroids, apart(centroids)), _ROUNDS * len(sample) * count


def _means(sample: Int16, home: Int64, before: Float32) -> Float32:
    """Directions of the sums of each cell, as long as vectors are; an empty cell keeps its centroid."""
    centroids = before.copy()
    order = np.argsort(home, kind="stable")
    bounds = np.searchsorted(home[order], np.arange(len(before) + 1))
    for cell in np.flatnonzero(np.diff(bounds)):
        total = sample[order[bounds[cell] : bounds[cell + 1]]].sum(0, dtype=np.int64).astype(np.float64)
        length = np.sqrt((total * total).sum())
        if length > 0:
            centroids[cell] = np.rint(total * (scale(sample.shape[1]) / length))
    return centroids


def apart(centroids: Float32) -> Float32:
    exact = np.empty((len(centroids),) * 2, np.float32)
    length = (centroids.astype(np.float64) ** 2).sum(1)
    for start in range(0, len(centroids), _ROWS):
        products = (centroids[start : start + _ROWS] @ centroids.T).astype(np.float64)
        exact[start : start + _ROWS] = np.sqrt(length[start : start + _ROWS, None] + length - 2 * products)
    return exact
