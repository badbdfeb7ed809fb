"""k-means by Lloyd's algorithm over vectors that need not fit in memory, with faiss's search for the nearest centre.

Vectors are taken in blocks whose size depends on their width alone, and sums are float64, so the centres are the same wherever
the vectors lie: in memory, or in a file that is mapped. As in scikit-learn, a centre that no vector is nearest to moves to one of
the vectors farthest from their own centres, after every iteration and before centres are final.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

_F32 = NDArray[np.float32]
_LEAST, _MOST, _BYTES = 4096, 65_536, 128 << 20
"""Rows of a block, a multiple of the first, and bytes of it as float64."""
_ROUNDS = 8
"""How often centres are moved at the end, at most: a centre may lose its only vector to one that has moved."""


class Assigned(NamedTuple):
    """The nearest centre of each vector, and the squared distance to it."""

    labels: NDArray[np.int64]
    distances: _F32


def lloyd(features: _F32, start: _F32, iterations: int, threads: int = 1) -> tuple[_F32, int]:
    """``(K, D)`` centres of ``(n, D)`` vectors from ``start``, and how many were moved at the end because no vector was nearest
    to them."""
    import faiss

    faiss.omp_set_num_threads(threads)
    centres = np.ascontiguousarray(start, np.float32)
    with threadpool_limits(threads):
        assigned = assigned_to(features, centres)
        for _ in range(iterations):
            centres = means(features, assigned, centres)
            before, assigned = assigned, assigned_to(features, centres)
            if np.array_equal(before.labels, assigned.labels):
                break
        return _alive(features, assigned, centres)


def _blocks(features: _F32) -> Iterator[tuple[slice, _F32]]:
    """Consecutive rows, in memory."""
    rows = min(_MOST, max(_LEAST, _BYTES // (8 * features.shape[1]) // _LEAST * _LEAST))
    for at in range(0, len(features), rows):
        piece = slice(at, at + rows)
        yield piece, np.ascontiguousarray(features[piece], np.float32)


def assigned_to(features: _F32, centres: _F32) -> Assigned:
    """The first half of an iteration."""
    import faiss

    index: Any = faiss.IndexFlatL2(centres.shape[1])
    index.add(centres)
    assigned = Assigned(np.empty(len(features), np.int64), np.empty(len(features), np.float32))
    for piece, block in _blocks(features):
        distances, labels = index.search(block, 1)
        assigned.labels[piece], assigned.distances[piece] = labels[:, 0], distances[:, 0]
    return assigned


def means(features: _F32, assigned: Assigned, centres: _F32) -> _F32:
    """The second half of an iteration: the mean of each centre's vectors; centres without any take the farthest vectors
    from those that have them."""
    sums = np.zeros(centres.shape)
    for piece, block in _blocks(features):
        _add(sums, block, assigned.labels[piece])
    counts = np.bincount(assigned.labels, minlength=len(centres))
    dead = np.flatnonzero(counts == 0)
    for centre, at in zip(dead, _farthest(features, assigned, counts, len(dead)), strict=False):
        sums[assigned.labels[at]] -= features[at]
        sums[centre] = features[at]
        counts[assigned.labels[at]], counts[centre] = counts[assigned.labels[at]] - 1, 1
    return np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres).astype(np.float32)


def _add(sums: NDArray[np.float64], block: _F32, labels: NDArray[np.int64]) -> None:
    """Add each row to the sum of its label."""
    from scipy.sparse import csr_array

    order = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[order], return_index=True)
    member = csr_array((np.ones(len(order)), order, np.r_[starts, len(order)]), shape=(len(present), len(order)))
    sums[present] += member @ block.astype(np.float64)


def _alive(features: _F32, assigned: Assigned, centres: _F32) -> tuple[_F32, int]:
    """Move centres that no vector is nearest to until there are none, as far as there are different vectors."""
    moved = 0
    for _ in range(_ROUNDS):
        counts = np.bincount(assigned.labels, minlength=len(centres))
        dead = np.flatnonzero(counts == 0)
        places = _farthest(features, assigned, counts, len(dead))
        if not places:
            break
        centres = centres.copy()
        centres[dead[: len(places)]] = features[places]
        moved += len(places)
        assigned = assigned_to(features, centres)
    return centres, moved


def _farthest(features: _F32, assigned: Assigned, counts: NDArray[np.int64], most: int) -> list[int]:
    """Indices of the vectors farthest from their centres, the first of equals, all different and none the last of its centre."""
    if not most:
        return []
    left, places, seen = counts.copy(), list[int](), set[bytes]()
    for at in np.argsort(-assigned.distances, kind="stable"):
        label = assigned.labels[at]
        vector = features[at].tobytes()
        if assigned.distances[at] <= 0 or len(places) == most:
            break
        if left[label] > 1 and vector not in seen:
            places.append(int(at))
            seen.add(vector)
            left[label] -= 1
    return places
