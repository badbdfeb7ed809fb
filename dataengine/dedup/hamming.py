"""All pairs of 64-bit hashes within a Hamming radius, exact: every pair within the radius is found, none twice.

Small inputs are compared all with all. Larger ones go through multi-index hashing (Norouzi, Punjani and Fleet 2012):
cut the 64 bits into ``r + k`` blocks; two hashes that differ in at most r bits differ in at most r blocks, so at least
k blocks are equal. Hence a table for each choice of k blocks, whose rows are sorted into buckets by the bits of those
blocks, holds every pair in one bucket of at least one table. A pair equal in more than k blocks meets in several tables
and is reported by the first, the one of its k lowest equal blocks. A larger k makes more tables with smaller buckets;
``k_for`` picks the cheaper. Tables that share their lowest block share one pass that parts all hashes by it; a part then
is sorted and searched by the other blocks while it lies in the processor's caches.

Equal hashes are the first occurrence and its copies: each copy is paired with the first only (distance 0), and a pair
of unlike hashes by their first occurrences. So a million blank pictures make a million pairs, not 10**12, and
the connected components are those of all pairs.
"""

from __future__ import annotations

import os
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import combinations, pairwise
from math import comb
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_RADIUS = 12
_BRUTE_FORCE = 2048
_PART_BITS = 10  # of a block that is wider, the other bits go to the tables

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
    0..12."""
    if not 0 <= radius <= MAX_RADIUS:
        raise ValueError(f"radius {radius} is not in 0..{MAX_RADIUS}")
    bits = np.ascontiguousarray(hashes, dtype=np.int64).view(np.uint64)
    distinct, firsts, copies, originals = _collapse(bits)
    i, j, distance = distinct_pairs(distinct, radius, threads)
    a, b = firsts[i], firsts[j]
    return _sorted(
        np.concatenate([np.minimum(a, b), originals]),
        np.concatenate([np.maximum(a, b), copies]),
        np.concatenate([distance, np.zeros(len(copies), np.int64)]),
        len(bits),
    )


def _collapse(bits: Hashes) -> tuple[Hashes, Int64, Int64, Int64]:
    """``(distinct hashes, where each occurs first, all other places, the first occurrence for each of those)``."""
    order = np.argsort(bits)
    ordered = bits[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: len(bits)])
    firsts = np.minimum.reduceat(order, starts) if len(bits) else order
    originals = np.repeat(firsts, np.diff(np.r_[starts, len(bits)]))
    copy = order != originals
    return ordered[starts], firsts, order[copy], originals[copy]


def _sorted(i: Int64, j: Int64, distance: Int64, n: int) -> Pairs:
    """By (i, j); as one number each, which sorts several times faster, while n**2 fits."""
    if n < 1 << 29:
        packed = np.sort((i * n + j) << 4 | distance)  # MAX_RADIUS < 16
        i, j = np.divmod(packed >> 4, max(n, 1))
        return Pairs(i, j, packed & 15)
    order = np.lexsort((j, i))
    return Pairs(i[order], j[order], distance[order])


def distinct_pairs(hashes: Hashes, radius: int, threads: int | None = None, fresh: int | None = None) -> Pairs:
    """Pairs of unlike hashes, (n,) uint64, in no order. With ``fresh`` only those with one of the first so many: what a new
    batch adds to pairs that are known."""
    fresh = len(hashes) if fresh is None else fresh
    if radius == 0 or len(hashes) < 2 or not fresh:
        return Pairs(*(np.zeros(0, np.int64) for _ in range(3)))
    if len(hashes) <= _BRUTE_FORCE:
        return brute_force(hashes, radius, fresh)
    return multi_index(hashes, radius, k_for(len(hashes), radius), threads, fresh)


def brute_force(hashes: Hashes, radius: int, fresh: int | None = None) -> Pairs:
    """All with all (or the first ``fresh`` with all), in pieces of bounded memory: (n,) uint64."""
    pieces: list[tuple[Int64, Int64, Int64]] = []
    step = max(1, (1 << 22) // max(1, len(hashes)))
    last = len(hashes) if fresh is None else fresh
    for start in range(0, last, step):
        distance = np.bitwise_count(hashes[start : min(start + step, last), None] ^ hashes[None, start:])
        i, j = np.nonzero(distance <= radius)
        keep = i < j
        i, j = i[keep], j[keep]
        pieces.append((i + start, j + start, distance[i, j].astype(np.int64)))
    return Pairs(*(np.concatenate([part[n] for part in pieces]) for n in range(3)))


def k_for(n: int, radius: int) -> int:
    """How many equal blocks to index by: the least work for n hashes as skewed as those of pictures, where filing a hash
    into a table costs as much as the comparisons of 8 of the bucket mates that uniform hashes would have (measured)."""

    def work(k: int) -> float:
        return comb(radius + k, k) * n * (8 + n / 2 ** (64 * k / (radius + k)) / 2)

    return min((1, 2, 3, 4), key=work)


def block_edges(radius: int, k: int) -> Int64:
    """Where the ``radius + k`` blocks of 64 bits begin and end."""
    return np.array([64 * b // (radius + k) for b in range(radius + k + 1)], np.int64)


def part_width(edges: Int64, block: int) -> int:
    """Bits of a block, from its lowest, by which a pass parts the hashes."""
    return min(int(edges[block + 1] - edges[block]), _PART_BITS)


def multi_index(hashes: Hashes, radius: int, k: int, threads: int | None = None, fresh: int | None = None) -> Pairs:
    """Pairs of distinct hashes by multi-index hashing with ``radius + k`` blocks, any ``k`` equal (see the module)."""
    fresh = len(hashes) if fresh is None else fresh
    workers = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        passes = [one_pass(hashes, radius, k, block, fresh, workers, pool) for block in range(radius + 1)]
    together = np.concatenate(passes)
    i, j = together[:, 0].astype(np.int64), together[:, 1].astype(np.int64)
    return Pairs(np.minimum(i, j), np.maximum(i, j), np.bitwise_count(hashes[i] ^ hashes[j]).astype(np.int64))


def one_pass(
    hashes: Hashes, radius: int, k: int, block: int, fresh: int, workers: int, pool: Executor
) -> NDArray[np.int32]:
    """``(m, 2)`` rows found by the tables whose lowest block is ``block``. A part of the hashes, by the bits of
    ``part_width``, gives its own pairs whatever the others are."""
    from dataengine.dedup import hamming_kernel

    search: Any = hamming_kernel.part_pairs
    edges = block_edges(radius, k)
    starts, rows, values = hamming_kernel.part(hashes, edges[block], part_width(edges, block))
    tables = np.array([(block, *others) for others in combinations(range(block + 1, radius + k), k - 1)], np.int64)
    cuts = np.unique(np.searchsorted(starts, np.linspace(0, len(hashes), 16 * workers + 1)))
    pieces = pool.map(
        lambda ends: search(starts, rows, values, *ends, tables, edges, radius, fresh), pairwise(cuts.tolist())
    )
    return np.concatenate([np.zeros((0, 2), np.int32), *pieces])
