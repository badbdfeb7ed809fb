"""The inner loop of multi-index hashing, compiled: one table, counted into buckets, compared inside each bucket.

Compiled on first use (three seconds, then cached on disk); small inputs never come here. It runs without the GIL, so
threads search tables side by side; what a table finds does not depend on the others.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.extending import intrinsic
from numpy.typing import NDArray

_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: Knuth's multiplicative hashing


def _emit_popcount(_context: Any, _x: Any) -> Any:
    def codegen(_c: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return numba.uint64(numba.uint64), codegen


#: Bits set in a uint64, by the processor's own instruction (a vector one where there is one).
_popcount: Any = intrinsic(_emit_popcount)


@numba.njit(inline="always")
def _key(value: np.uint64, lows: Any, widths: Any, key_bits: int, bucket_bits: int) -> Any:
    """The chosen blocks of ``value`` side by side, hashed down to ``bucket_bits`` where they are more."""
    key = np.uint64(0)
    for c in range(len(lows)):
        width = np.uint64(widths[c])
        block = (value >> np.uint64(lows[c])) & ((np.uint64(1) << width) - np.uint64(1))
        key = (key << width) | block
    return key if key_bits <= bucket_bits else (key * _MIX) >> np.uint64(64 - bucket_bits)


@numba.njit(inline="always")
def _is_first_table(difference: np.uint64, blocks: Any, chosen: Any) -> bool:
    """True where ``chosen`` are the lowest equal blocks: the one table of several that reports the pair."""
    found = 0
    for b in range(len(blocks)):
        if difference & blocks[b] == np.uint64(0):
            if chosen[found] != b:
                return False
            found += 1
            if found == len(chosen):
                return True
    return False


@numba.njit(nogil=True, cache=True)
def _buckets(hashes: Any, lows: Any, widths: Any, bucket_bits: int) -> Any:
    """Counting sort by key: bucket b is ``starts[b]:starts[b + 1]`` of ``rows`` and of their hashes, ``values``."""
    n, key_bits = len(hashes), widths.sum()
    starts = np.zeros((1 << bucket_bits) + 2, np.int32)
    keys = np.empty(n, np.uint32)
    for a in range(n):
        keys[a] = _key(hashes[a], lows, widths, key_bits, bucket_bits)
        starts[keys[a] + 2] += 1
    for b in range(2, len(starts)):
        starts[b] += starts[b - 1]
    rows, values = np.empty(n, np.int32), np.empty(n, np.uint64)
    for a in range(n):
        place = starts[keys[a] + 1]
        rows[place], values[place] = a, hashes[a]
        starts[keys[a] + 1] = place + 1
    return starts[:-1], rows, values


@numba.njit(nogil=True, cache=True)
def table_pairs(
    hashes: NDArray[np.uint64],
    lows: NDArray[np.int64],
    widths: NDArray[np.int64],
    blocks: NDArray[np.uint64],
    chosen: NDArray[np.int64],
    radius: int,
    bucket_bits: int,
) -> NDArray[np.int32]:
    """``(m, 2)`` int32 pairs within ``radius`` whose lowest equal blocks are ``chosen``.

    ``blocks`` are the masks of all blocks, ``lows`` and ``widths`` first bit and size of the chosen ones."""
    starts, rows, values = _buckets(hashes, lows, widths, bucket_bits)
    pairs = np.empty((1024, 2), np.int32)
    found = 0
    for b in range(len(starts) - 1):
        end = starts[b + 1]
        for p in range(starts[b], end - 1):
            value = values[p]
            near = 0
            for q in range(p + 1, end):  # no branch inside: eight comparisons at a time
                near += _popcount(value ^ values[q]) <= radius
            if near == 0:
                continue
            for q in range(p + 1, end):
                difference = value ^ values[q]
                if _popcount(difference) <= radius and _is_first_table(difference, blocks, chosen):
                    if found == len(pairs):
                        pairs = np.concatenate((pairs, np.empty_like(pairs)))
                    pairs[found, 0], pairs[found, 1] = rows[p], rows[q]
                    found += 1
    return pairs[:found].copy()
