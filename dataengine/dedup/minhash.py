"""Near-duplicate sets by Jaccard similarity: MinHash signatures (rensa), LSH bands for candidates, exact verification.

MinHash and bands after Broder (1997) and Leskovec, Rajaraman and Ullman (Mining of Massive Datasets, 3.4). A pair at the
threshold is missed with a chance of 0.5 % at most, a more similar one with less; what is reported is exact.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from dataengine.dedup.hash_sets import HashSets

Int64 = NDArray[np.int64]
Pair = tuple[Int64, Int64]

PERMUTATIONS = 128
#: Raised by rensa when its signatures change; part of the version of the edges.
ALGORITHM = 2
_RECALL = 0.995
_ROWS = 1 << 16


class Bands(NamedTuple):
    """``number`` bands of ``rows`` values of a signature: equal in one band is to be a candidate."""

    number: int
    rows: int

    def chance(self, similarity: float) -> float:
        """That a pair of this similarity is a candidate."""
        return 1 - (1 - similarity**self.rows) ** self.number


def bands_for(threshold: float, permutations: int = PERMUTATIONS) -> Bands:
    """The narrowest search that finds a pair at ``threshold`` with a chance of 99.5 % or, where none does, the widest."""
    layouts = [Bands(permutations // rows, rows) for rows in range(permutations, 0, -1)]
    return next((b for b in layouts if b.chance(threshold) >= _RECALL), layouts[-1])


def signatures(sets: HashSets, permutations: int = PERMUTATIONS, seed: int = 1) -> NDArray[np.uint32]:
    """``(n, permutations)``; what an empty set's row holds means nothing."""
    from rensa import RMinHash  # type: ignore[import-untyped]

    out = np.empty((len(sets.sizes), permutations), np.uint32)
    hashes = np.ascontiguousarray(sets.hashes).view(np.uint64)
    for start in range(0, len(out), _ROWS):
        bounds = sets.starts[start : start + _ROWS + 1].astype(np.uint64)
        some = hashes[int(bounds[0]) : int(bounds[-1])]
        digests = RMinHash.digest_matrix_from_flat_token_hashes(some, bounds - bounds[0], permutations, seed)
        out[start : start + _ROWS] = digests.to_rows()
    return out


def band_keys(signature: NDArray[np.uint32], band: int, rows: int) -> NDArray[np.uint64]:
    """``(n,)``: a 64-bit number for each row's values in a band."""
    part = signature[:, band * rows : (band + 1) * rows].astype(np.uint64)
    weights = np.random.default_rng(rows).integers(0, 2**64, rows, np.uint64) | np.uint64(1)
    mixed = (part + np.uint64(1)) * weights
    keys: NDArray[np.uint64] = (mixed ^ (mixed >> np.uint64(31))).sum(1, dtype=np.uint64)
    return keys


def candidates(signature: NDArray[np.uint32], bands: Bands, largest: int) -> tuple[Pair, int]:
    """``(pairs i < j that share a band, how many pairs were not looked at)``.

    In a bucket of more than ``largest`` rows each is paired with the ``largest`` next ones only (by row), so that its
    cost stays linear; the rest is counted."""
    n, skipped = len(signature), 0
    pair_codes = np.zeros(0, np.int64)
    for band in range(bands.number):
        keys = band_keys(signature, band, bands.rows)
        order = np.argsort(keys, kind="stable")
        fresh = np.flatnonzero(np.r_[True, keys[order][1:] != keys[order][:-1]][:n])
        sizes = np.diff(np.r_[fresh, n])
        after = np.repeat(fresh + sizes, sizes) - np.arange(n) - 1  # mates behind each place
        partners = np.minimum(after, largest)
        skipped += int((after - partners).sum())
        left = np.repeat(np.arange(n), partners)
        right = np.arange(len(left)) - np.repeat(np.cumsum(partners) - partners, partners) + left + 1
        pair_codes = np.unique(np.concatenate([pair_codes, order[left] * n + order[right]]))
    return (pair_codes // max(n, 1), pair_codes % max(n, 1)), skipped


def cross_candidates(left: NDArray[np.uint32], right: NDArray[np.uint32], bands: Bands) -> Pair:
    """``(row of left, row of right)`` that share a band, ordered."""
    pair_codes = np.zeros(0, np.int64)
    for band in range(bands.number):
        left_keys, right_keys = band_keys(left, band, bands.rows), band_keys(right, band, bands.rows)
        order = np.argsort(right_keys, kind="stable")
        low, high = (np.searchsorted(right_keys[order], left_keys, side) for side in ("left", "right"))
        count = high - low
        i = np.repeat(np.arange(len(left)), count)
        j = order[np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(low, count)]
        pair_codes = np.unique(np.concatenate([pair_codes, i * len(right) + j]))
    return pair_codes // max(len(right), 1), pair_codes % max(len(right), 1)


@numba.njit(nogil=True, cache=True)
def shared(
    left_starts: Int64, left_hashes: Int64, right_starts: Int64, right_hashes: Int64, a: Int64, b: Int64
) -> NDArray[np.int64]:
    """``(m,)``: how many elements set ``a[n]`` of the left and ``b[n]`` of the right have in common (each ascending)."""
    out = np.zeros(len(a), np.int64)
    for n in range(len(a)):
        x, x_end = left_starts[a[n]], left_starts[a[n] + 1]
        y, y_end = right_starts[b[n]], right_starts[b[n] + 1]
        while x < x_end and y < y_end:
            if left_hashes[x] == right_hashes[y]:
                out[n] += 1
                x += 1
                y += 1
            elif left_hashes[x] < right_hashes[y]:
                x += 1
            else:
                y += 1
    return out


def jaccard(left: HashSets, right: HashSets, a: Int64, b: Int64) -> NDArray[np.float64]:
    """Similarity of each pair of sets, exact; 0 where both are empty."""
    both = shared(left.starts, left.hashes, right.starts, right.hashes, a, b)
    either = left.sizes[a] + right.sizes[b] - both
    similarity: NDArray[np.float64] = both / np.maximum(either, 1)
    return similarity
