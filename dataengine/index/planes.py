"""Recursive balanced 2-means (MISS, arXiv 2508.14515): a complete binary tree of planes, each of which halves its vectors.

Of two centres, the assignment of least squared distances into halves is by the order along the line through them; so a round of
balanced 2-means is: project on that line, cut at the median, take the means of both halves. What is kept of a node is the
direction of its line and the cut. A vector is sent on by that alone, so one that comes later finds its leaf without its
neighbours.

Vectors are integers of a length just under 2**12 (``dedup/ivf_cells.py``): float32 holds every product of two, and the sum of up
to 4096 rows, exactly. So a tree does not depend on threads, BLAS or processor. Vectors with equal products are told apart by a
hash of their ids: even equal vectors are halved.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.dedup.ivf_cells import Int16, quantise, scale
from dataengine.dedup.vectors import lengths

Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Hashes = NDArray[np.uint32]

ROUNDS = 6
_FITTED_ON = 4096  # vectors of a node that its centres are fitted on, at most: the sum of so many is exact
_ROWS = 8192


@dataclass(frozen=True)
class Points:
    """``(n, d)`` integer vectors, and a hash of the id of each."""

    vectors: Int16
    hashes: Hashes

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True)
class Planes:
    """Of a complete binary tree of ``depth`` layers of planes, in heap order (the children of ``i`` are ``2i + 1`` and
    ``2i + 2``): ``(2**depth - 1, d)`` directions, and the largest key that goes to the left."""

    normals: Int16
    cuts: Int64

    @property
    def depth(self) -> int:
        return (len(self.cuts) + 1).bit_length() - 1

    def route(self, points: Points) -> Int64:
        """``(n,)``: the leaf of each vector, from 0; its bits from the highest are the way from the root."""
        at = np.zeros(len(points), np.int64)
        for _ in range(self.depth):
            at = 2 * at + 1 + self._goes_right(points, at)
        return at - ((1 << self.depth) - 1)

    def _goes_right(self, points: Points, at: Int64) -> NDArray[np.bool_]:
        right = np.zeros(len(points), np.bool_)
        order = np.argsort(at, kind="stable")
        starts = np.flatnonzero(np.r_[True, at[order][1:] != at[order][:-1]][: len(order)])
        for rows in np.split(order, starts[1:]) if len(order) else ():
            node = at[rows[0]]
            for start in range(0, len(rows), _ROWS):
                some = rows[start : start + _ROWS]
                right[some] = keys(points.vectors[some], self.normals[node], points.hashes[some]) > self.cuts[node]
        return right


def points_of(ids: Iterable[str], vectors: NDArray[Any]) -> Points:
    """Of float vectors, finite and not zero."""
    hashes = np.array([hashed(id_) for id_ in ids], np.uint32)
    return Points(integers(vectors), hashes)


def integers(vectors: NDArray[Any]) -> Int16:
    """``(n, d)`` float vectors as integers of one length, just under 2**12."""
    return quantise(vectors, np.arange(len(vectors)), lengths(vectors))


def hashed(id_: str) -> int:
    """32 bits that tell ids apart, and choose samples."""
    return int.from_bytes(hashlib.blake2b(id_.encode(), digest_size=4).digest(), "little")


def keys(vectors: Int16, normal: Int16, hashes: Hashes) -> Int64:
    """Where vectors lie along a direction: the exact product, then the hash."""
    products: Int64 = (vectors.astype(np.float32) @ normal.astype(np.float32)).astype(np.int64)
    return (products << 32) | hashes.astype(np.int64)


def fit(points: Points, depth: int) -> Planes:
    """Planes of ``depth`` layers. Each node's are fitted on up to 4096 of its vectors, those of the smallest hashes; its cut is
    the median of all."""
    dim = points.vectors.shape[1]
    normals, cuts = np.zeros(((1 << depth) - 1, dim), np.int16), np.zeros((1 << depth) - 1, np.int64)
    order = np.arange(len(points))
    bounds = np.array([0, len(points)])
    for layer in range(depth):
        middles = []
        for n, (start, end) in enumerate(pairwise(bounds)):
            node, rows = (1 << layer) - 1 + n, order[start:end]
            normals[node] = _direction(points, rows)
            key = _keys_of(points, rows, normals[node])
            half = (len(rows) + 1) // 2
            if len(rows):
                places = np.argsort(key, kind="stable")
                cuts[node] = key[places[half - 1]]
                order[start:end] = rows[places]
            middles.append(start + half)
        bounds = np.sort(np.r_[bounds, middles])
    return Planes(normals, cuts)


def _keys_of(points: Points, rows: Int64, normal: Int16) -> Int64:
    parts = [rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS)]
    pieces = [keys(points.vectors[some], normal, points.hashes[some]) for some in parts]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)


def _direction(points: Points, rows: Int64) -> Int16:
    """From one centre of balanced 2-means to the other, as long as vectors are; zero where they are one."""
    if len(rows) > _FITTED_ON:
        rows = rows[np.argsort(points.hashes[rows], kind="stable")[:_FITTED_ON]]
    some = points.vectors[rows].astype(np.float32)
    tie = points.hashes[rows].astype(np.int64)
    if len(some) < 2:
        return np.zeros(points.vectors.shape[1], np.int16)
    first = some[np.argmin(tie)]
    normal = scaled(some[np.argmin(some @ first)].astype(np.int64) - first.astype(np.int64))
    left = None
    for _ in range(ROUNDS):
        key = ((some @ normal.astype(np.float32)).astype(np.int64) << 32) | tie
        half = np.zeros(len(some), np.bool_)
        half[np.argpartition(key, (len(some) - 1) // 2)[: (len(some) + 1) // 2]] = True
        if left is not None and (half == left).all():
            break
        left = half
        # Exact: the sums are of 4096 rows at most.
        sums = np.stack([half, ~half]).astype(np.float32) @ some
        a, b = int(half.sum()), int((~half).sum())
        normal = scaled(sums[1].astype(np.int64) * a - sums[0].astype(np.int64) * b)
    return normal


def scaled(difference: Int64) -> Int16:
    """A direction of integers at the length of vectors. The sum of squares is correctly rounded, in any order."""
    exact = difference.astype(np.float64)
    length = math.sqrt(math.fsum(exact * exact))
    return np.rint(exact * (scale(len(exact)) / length if length else 0.0)).astype(np.int16)


def depth_for(count: int, size: int) -> int:
    """Layers that ``count`` vectors need so that, halved so often, no more than ``size`` are left."""
    return max(0, math.ceil(math.log2(max(count, 1) / size)))
