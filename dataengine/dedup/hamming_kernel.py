"""The inner loops of multi-index hashing, compiled: hashes parted by one block, then each part tabled by the others.

Compiled on first use (a few seconds, then cached on disk); small inputs never come here. They run without the GIL, so
threads search parts side by side; what is found in a part does not depend on the others.
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


@numba.njit(nogil=True, cache=True)
def part(hashes: NDArray[np.uint64], low: int, width: int) -> Any:
    """Counting sort by the block of ``width`` bits from bit ``low``: ``(starts, rows, values)``, where part p is
    ``starts[p]:starts[p + 1]`` of ``rows`` (int32) and of their hashes, ``values``."""
    shift, mask = np.uint64(low), (np.uint64(1) << np.uint64(width)) - np.uint64(1)
    starts = np.zeros((1 << width) + 2, np.int64)
    for a in range(len(hashes)):
        starts[np.int64((hashes[a] >> shift) & mask) + 2] += 1
    for p in range(2, len(starts)):
        starts[p] += starts[p - 1]
    rows, values = np.empty(len(hashes), np.int32), np.empty(len(hashes), np.uint64)
    for a in range(len(hashes)):
        block = np.int64((hashes[a] >> shift) & mask)
        place = starts[block + 1]
        rows[place], values[place] = a, hashes[a]
        starts[block + 1] = place + 1
    return starts[:-1], rows, values


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
    matched = 0
    for b in range(len(blocks)):
        if difference & blocks[b] == np.uint64(0):
            if chosen[matched] != b:
                return False
            matched += 1
            if matched == len(chosen):
                return True
    return False


@numba.njit(inline="always")
def _fill(values: Any, lows: Any, widths: Any, bucket_bits: int, starts: Any, keys: Any, rows: Any, filed: Any) -> None:
    """Counting sort of a part by its other blocks, into arrays that the caller keeps: bucket b is
    ``starts[b]:starts[b + 1]`` of ``rows`` and ``filed``."""
    key_bits = widths.sum()
    starts[: (1 << bucket_bits) + 2] = 0
    for a in range(len(values)):
        keys[a] = _key(values[a], lows, widths, key_bits, bucket_bits)
        starts[keys[a] + 2] += 1
    for b in range(2, (1 << bucket_bits) + 2):
        starts[b] += starts[b - 1]
    for a in range(len(values)):
        place = starts[keys[a] + 1]
        rows[place], filed[place] = a, values[a]
        starts[keys[a] + 1] = place + 1


@numba.njit(inline="always")
def _blocks(edges: Any) -> Any:
    """Bits and mask of each block."""
    widths, masks = np.diff(edges), np.empty(len(edges) - 1, np.uint64)
    for b in range(len(masks)):
        masks[b] = ((np.uint64(1) << np.uint64(widths[b])) - np.uint64(1)) << np.uint64(edges[b])
    return widths, masks


@numba.njit(nogil=True, cache=True)
def part_pairs(
    starts: NDArray[np.int64],
    rows: NDArray[np.int32],
    values: NDArray[np.uint64],
    first: int,
    last: int,
    tables: NDArray[np.int64],
    edges: NDArray[np.int64],
    radius: int,
    fresh: int,
) -> NDArray[np.int32]:
    """``(m, 2)`` int32 rows within ``radius``, of parts ``first`` to ``last`` (exclusive) of ``part``, of which one at least is
    below ``fresh``: sorting keeps the order of rows, so a bucket begins with those, and ends for us where they end.

    ``tables`` ``(t, k)`` int64: the blocks that are equal, first the one whose (lowest) bits parted; block b is bits
    ``edges[b]`` to ``edges[b + 1]``. A pair is reported by the table of its k lowest equal blocks."""
    widths, blocks = _blocks(edges)
    whole = (1 << widths[tables[0, 0]]) == len(starts) - 1  # parted by all of the first block
    largest = 0
    for p in range(first, last):
        largest = max(largest, starts[p + 1] - starts[p])
    keys, local, filed = np.empty(largest, np.uint32), np.empty(largest, np.uint32), np.empty(largest, np.uint64)
    bounds = np.empty(4 * largest + 4, np.int32)
    pairs, count = np.empty((1024, 2), np.int32), 0
    for p in range(first, last):
        low, size = starts[p], starts[p + 1] - starts[p]
        if size < 2:
            continue
        bucket_bits = int(np.ceil(np.log2(size)))
        for t in range(len(tables)):
            others = tables[t, 1:] if whole else tables[t]
            lows, wide = edges[others], widths[others]
            bits = min(bucket_bits, wide.sum())
            _fill(values[low : low + size], lows, wide, bits, bounds, keys, local, filed)
            for b in range(1 << bits):
                end = bounds[b + 1]
                for x in range(bounds[b], end - 1):
                    if rows[low + local[x]] >= fresh:
                        break
                    value = filed[x]
                    near = 0
                    for y in range(x + 1, end):  # no branch inside: eight comparisons at a time
                        near += _popcount(value ^ filed[y]) <= radius
                    if near == 0:
                        continue
                    for y in range(x + 1, end):
                        difference = value ^ filed[y]
                        if _popcount(difference) <= radius and _is_first_table(difference, blocks, tables[t]):
                            if count == len(pairs):
                                pairs = np.concatenate((pairs, np.empty_like(pairs)))
                            pairs[count, 0], pairs[count, 1] = rows[low + local[x]], rows[low + local[y]]
                            count += 1
    return pairs[:count].copy()
