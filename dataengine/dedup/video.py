"""Near-duplicate videos by overlap of frame hashes: the share of the shorter one's distinct hashes with a partner within
the radius in the other. Sees copies, trims and re-encodes; says nothing about the order of the frames.

Exact, and still not quadratic where a black frame is in every video: a pair that reaches the threshold shares at least
``required`` hashes, so it shares one of any ``m - required + 1`` of the shorter's m. The rarest ones are looked up
(prefix filtering; Chaudhuri, Ganti and Kaushik 2006), and each candidate is then counted in full. Videos with equal
hash sets are paired with the first of them only, like equal hashes (see hamming.py).
"""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.dedup.hamming import Pairs, near_pairs
from dataengine.dedup.hash_sets import HashSets, ranges

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
_AT_ONCE = 1 << 22


def required(sizes: Int64, overlap: float) -> Int64:
    """How many hashes must match, for shorter sets of these ``sizes``: the share ``overlap``, and two where there are
    two."""
    share = np.ceil(overlap * sizes - 1e-9).astype(np.int64)
    least: Int64 = np.maximum(share, np.minimum(sizes, 2))
    return least


def video_pairs(sets: HashSets, radius: int, overlap: float) -> tuple[Int64, Int64, Float64]:
    """``(i, j, distance)``, i < j, sorted: sets that overlap enough, at distance 1 - overlap; equal ones as a star."""
    some = np.flatnonzero(sets.sizes)
    code, first = equal_sets(sets.take(some))
    copies = np.flatnonzero(first[code] != np.arange(len(some)))
    i, j, apart = near_sets(sets.take(some[first]), radius, overlap)
    a = np.concatenate([some[first[i]], some[first[code[copies]]]])
    b = np.concatenate([some[first[j]], some[copies]])
    distance = np.concatenate([apart, np.zeros(len(copies))])
    a, b = np.minimum(a, b), np.maximum(a, b)
    order = np.lexsort((b, a))
    return a[order], b[order], distance[order]


def near_sets(
    distinct: HashSets, radius: int, overlap: float, fresh: NDArray[np.bool_] | None = None
) -> tuple[Int64, Int64, Float64]:
    """As ``video_pairs``, of sets of which no two are equal and none is empty; given ``fresh``, only pairs with one of those."""
    i, j = _candidates(distinct, radius, overlap, fresh)
    matched, smaller = matches(distinct, i, j, radius)
    near = matched >= required(smaller, overlap)
    return i[near], j[near], 1 - matched[near] / smaller[near]


def matches(sets: HashSets, i: Int64, j: Int64, radius: int) -> tuple[Int64, Int64]:
    """For each pair of sets: how many hashes of the smaller have a partner in the larger, and how many it has.
    Of two equally large, the one with fewer matches counts."""
    swap = sets.sizes[i] > sets.sizes[j]
    small, large = np.where(swap, j, i), np.where(swap, i, j)
    matched = _matched(sets, small, large, radius)
    even = np.flatnonzero(sets.sizes[small] == sets.sizes[large])
    matched[even] = np.minimum(matched[even], _matched(sets, large[even], small[even], radius))
    return matched, sets.sizes[small]


def _matched(sets: HashSets, a: Int64, b: Int64, radius: int) -> Int64:
    """How many hashes of each a have a partner in its b (no set empty)."""
    work = np.cumsum(sets.sizes[a] * sets.sizes[b])
    counts = np.zeros(len(a), np.int64)
    start = 0
    while start < len(a):
        done = work[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(work, done + _AT_ONCE, "right")))
        counts[start:end] = _matched_at_once(sets, a[start:end], b[start:end], radius)
        start = end
    return counts


def _matched_at_once(sets: HashSets, a: Int64, b: Int64, radius: int) -> Int64:
    rows = sets.sizes[a]
    left = ranges(sets.starts[a], rows)  # each hash of each a …
    width = np.repeat(sets.sizes[b], rows)
    right = ranges(np.repeat(sets.starts[b], rows), width)  # … beside each hash of its b
    bits = sets.hashes.view(np.uint64)
    near = np.bitwise_count(bits[np.repeat(left, width)] ^ bits[right]) <= radius
    partner = np.logical_or.reduceat(near, np.r_[0, np.cumsum(width)[:-1]])
    counts: Int64 = np.add.reduceat(partner.astype(np.int64), np.r_[0, np.cumsum(rows)[:-1]])
    return counts


def digests(sets: HashSets) -> list[str]:
    """128 bits of SHA-256 over the hashes of each set, in hex."""
    data, ends = sets.hashes.astype("<i8").tobytes(), (8 * sets.starts).tolist()
    return [hashlib.sha256(data[start:end]).hexdigest()[:32] for start, end in pairwise(ends)]


def equal_sets(sets: HashSets) -> tuple[Int64, Int64]:
    """``(code of each set, first set of each code)``."""
    offsets, data = (pa.py_buffer(x.tobytes()) for x in (sets.starts * 8, sets.hashes))
    whole = pa.Array.from_buffers(pa.large_binary(), len(sets.sizes), [None, offsets, data])
    codes = whole.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, np.unique(codes, return_index=True)[1].astype(np.int64)


def _candidates(
    sets: HashSets, radius: int, overlap: float, fresh: NDArray[np.bool_] | None = None
) -> tuple[Int64, Int64]:
    """Pairs i < j of sets, a superset of those that overlap enough (and have a ``fresh`` one)."""
    from scipy.sparse import csr_array

    values, code = np.unique(sets.hashes, return_inverse=True)
    near = _neighbours(near_pairs(values, radius), len(values))
    member = csr_array((np.ones(len(code), np.int32), code, sets.starts), (len(sets.sizes), len(values)))
    frequency = near @ np.bincount(code, minlength=len(values))
    probes = member.copy()
    probes.data = _rarest(sets, frequency[code], overlap).astype(np.int32)
    probes.eliminate_zeros()
    every = np.arange(len(sets.sizes))
    new = every if fresh is None else np.flatnonzero(fresh)
    old = np.setdiff1d(every, new)
    met = [_meeting(probes, near, member, new, every), _meeting(probes, near, member, old, new)]
    i, j = (np.concatenate([pair[side] for pair in met]) for side in (0, 1))
    eligible = (i != j) & (sets.sizes[i] <= sets.sizes[j])
    pairs = np.unique(np.minimum(i, j)[eligible] * len(sets.sizes) + np.maximum(i, j)[eligible])
    return pairs // len(sets.sizes), pairs % len(sets.sizes)


def _meeting(probes: Any, near: Any, member: Any, queries: Int64, targets: Int64) -> tuple[Int64, Int64]:
    """Pairs ``(query, target)`` of sets where a probe of the query is near a hash of the target."""
    meetings = (probes[queries] @ near @ member[targets].T).tocoo()
    return queries[meetings.row], targets[meetings.col]


def _rarest(sets: HashSets, frequency: Int64, overlap: float) -> NDArray[np.bool_]:
    """True for the hashes of each set that any large enough overlap must touch, the rarest being chosen."""
    owner = np.repeat(np.arange(len(sets.sizes)), sets.sizes)
    order = np.lexsort((frequency, owner))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - sets.starts[owner]
    return rank <= (sets.sizes - required(sets.sizes, overlap))[owner]


def _neighbours(pairs: Pairs, n: int) -> Any:
    """(n, n) sparse matrix of ones where two values are near, each near itself."""
    from scipy.sparse import csr_array

    own = np.arange(n)
    rows, columns = np.concatenate([pairs.i, pairs.j, own]), np.concatenate([pairs.j, pairs.i, own])
    return csr_array((np.ones(len(rows), np.int32), (rows, columns)), (n, n))
