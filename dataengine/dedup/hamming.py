"""All pairs of 64-bit hashes within a Hamming radius, exact: every pair within the radius is found, none twice.

Small inputs are compared all with all. Larger ones go through multi-index hashing (Norouzi, Punjani and Fleet 2012):
cut the 64 bits into ``r + k`` blocks; two hashes that differ in at most r bits differ in at most r blocks, so at least
k blocks are equal. Hence a table for each choice of k blocks, whose rows are sorted into buckets by the bits of those
blocks, holds every pair in one bucket of at least one table. A pair equal in more than k blocks meets in several tables
and is reported by the first, the one of its k lowest equal blocks. A larger k makes more tables with smaller buckets;
``k_for`` picks the cheaper.

Equal hashes are the first occurrence and its copies: each copy is paired with the first only (distance 0), and a pair
of unlike hashes is told by their first occurrences. So a million blank pictures make a million pairs, not 10**12, and
the connected components are those of all pairs.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_RADIUS = 8
_BRUTE_FORCE = 2048

Int64 = NDArray[np.int64]
Hashes = NDArray[np.uint64]


class Pairs(NamedTuple):
    """``i < j`` index the hashes given, sorted by (i, j); ``distance`` in bits."""

    i: Int64
    j: Int64
    distance: Int64


def near_pairs(hashes: NDArray[np.int64], radius: int, threads: int | None = None) -> Pairs:
    """Pairs of ``hashes`` ((n,) int64 bit patterns) within ``radius`` bits; equal ones as a star (see the module).

    The result is the same for any number of ``threads`` (all cores by default). Raises ValueError for a radius outside
    0..8."""
    if not 0 <= radius <= MAX_RADIUS:
        raise ValueError(f"radius {radius} is not in 0..{MAX_RADIUS}")
    bits = np.ascontiguousarray(hashes, dtype=np.int64).view(np.uint64)
    distinct, first, inverse = np.unique(bits, return_index=True, return_inverse=True)
    order = np.argsort(first)
    firsts = first[order].astype(np.int64)
    i, j, distance = _distinct_pairs(distinct[order], radius, threads)
    copies = np.flatnonzero(first[inverse] != np.arange(len(bits)))
    star = first[inverse[copies]].astype(np.int64)
    return _sorted(
        np.concatenate([firsts[i], star]),
        np.concatenate([firsts[j], copies]),
        np.concatenate([distance, np.zeros(len(copies), np.int64)]),
    )


def _sorted(i: Int64, j: Int64, distance: Int64) -> Pairs:
    order = np.lexsort((j, i))
    return Pairs(i[order], j[order], distance[order])


def _distinct_pairs(hashes: Hashes, radius: int, threads: int | None) -> Pairs:
    """Pairs of unlike hashes, unsorted."""
    if radius == 0 or len(hashes) < 2:
        return Pairs(*(np.zeros(0, np.int64) for _ in range(3)))
    if len(hashes) <= _BRUTE_FORCE:
        return brute_force(hashes, radius)
    return multi_index(hashes, radius, k_for(len(hashes), radius), threads)


def brute_force(hashes: Hashes, radius: int) -> Pairs:
    """All with all, in pieces of bounded memory: (n,) uint64."""
    found: list[tuple[Int64, Int64, Int64]] = []
    step = max(1, (1 << 22) // max(1, len(hashes)))
    for start in range(0, len(hashes), step):
        distance = np.bitwise_count(hashes[start : start + step, None] ^ hashes[None, start:])
        i, j = np.nonzero(distance <= radius)
        keep = i < j
        i, j = i[keep], j[keep]
        found.append((i + start, j + start, distance[i, j].astype(np.int64)))
    return Pairs(*(np.concatenate([part[n] for part in found]) for n in range(3)))


def k_for(n: int, radius: int) -> int:
    """How many equal blocks to index by: the least work for n random hashes, where filing a hash into a table costs
    about as much as 30 comparisons (measured)."""

    def work(k: int) -> float:
        buckets = 1 << min(64 * k // (radius + k), _bucket_bits(n))
        return comb(radius + k, k) * (30 * n + n * n / buckets / 2)

    return min((1, 2, 3), key=work)


def _bucket_bits(n: int) -> int:
    return max(8, min(22, n.bit_length()))


def multi_index(hashes: Hashes, radius: int, k: int, threads: int | None) -> Pairs:
    """Pairs of distinct hashes by multi-index hashing with ``radius + k`` blocks, any ``k`` equal (see the module)."""
    from dataengine.dedup.kernel import table_pairs

    edges = np.array([64 * b // (radius + k) for b in range(radius + k + 1)], np.int64)
    lows, widths = edges[:-1], np.diff(edges)
    blocks = np.array([((1 << int(w)) - 1) << int(low) for low, w in zip(lows, widths, strict=True)], np.uint64)

    def search(combination: tuple[int, ...]) -> NDArray[np.int32]:
        chosen = np.array(combination, np.int64)
        bits = min(int(widths[chosen].sum()), _bucket_bits(len(hashes)))
        pairs: NDArray[np.int32] = table_pairs(hashes, lows[chosen], widths[chosen], blocks, chosen, radius, bits)
        return pairs

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        found = np.concatenate(list(pool.map(search, combinations(range(radius + k), k))))
    i, j = found[:, 0].astype(np.int64), found[:, 1].astype(np.int64)
    return Pairs(np.minimum(i, j), np.maximum(i, j), np.bitwise_count(hashes[i] ^ hashes[j]).astype(np.int64))
