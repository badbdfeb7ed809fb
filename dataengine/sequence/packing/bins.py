"""Bin packing of document lengths: best-fit-decreasing, first-fit, next-fit, and concatenate-and-cut.

Best-fit-decreasing (Johnson 1973) puts each document, the longest first, into the fullest sequence that still holds it. With the
sequences indexed by their free positions, a document costs a few steps, whatever the pool: a million take a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numba
import numpy as np
from numpy.typing import NDArray

I64: TypeAlias = NDArray[np.int64]


def best_fit(lengths: I64, capacity: int) -> I64:
    """(D,) number of the sequence of each document, best-fit-decreasing; equal lengths in their order."""
    order = np.argsort(-lengths, kind="stable")
    out = np.empty(len(lengths), np.int64)
    out[order] = _best_fit(lengths[order], capacity)
    return out


@numba.njit(nogil=True, cache=True)
def _best_fit(lengths: I64, capacity: int) -> I64:
    """Of lengths in falling order. Open sequences with equally many free positions are a stack; a bit set with one level of
    summary tells the least free count from a length on that has any."""
    words = capacity // 64 + 1
    top = np.full(capacity + 1, -1, np.int64)
    below = np.full(len(lengths), -1, np.int64)
    bits = np.zeros(words, np.uint64)
    summary = np.zeros(words // 64 + 1, np.uint64)
    out = np.empty(len(lengths), np.int64)
    opened = 0
    one = np.uint64(1)
    for i in range(len(lengths)):
        length = lengths[i]
        free = _next_set(bits, summary, length)
        if free < 0:
            bin_ = opened
            opened += 1
            free = capacity
        else:
            bin_ = top[free]
            top[free] = below[bin_]
            if top[free] < 0:
                word = free >> 6
                bits[word] &= ~(one << np.uint64(free & 63))
                if bits[word] == 0:
                    summary[word >> 6] &= ~(one << np.uint64(word & 63))
        out[i] = bin_
        left = free - length
        if left > 0:
            below[bin_] = top[left]
            top[left] = bin_
            bits[left >> 6] |= one << np.uint64(left & 63)
            summary[left >> 12] |= one << np.uint64((left >> 6) & 63)
    return out


@numba.njit(nogil=True, cache=True)
def _next_set(bits: NDArray[np.uint64], summary: NDArray[np.uint64], at: int) -> int:
    """Least set bit from ``at`` on, -1 if there is none."""
    word = at >> 6
    if word >= len(bits):
        return -1
    rest = bits[word] >> np.uint64(at & 63)
    if rest != 0:
        return at + _lowest(rest)
    word += 1
    block = word >> 6
    if block >= len(summary):
        return -1
    rest = summary[block] >> np.uint64(word & 63)
    if rest != 0:
        word += _lowest(rest)
        return (word << 6) + _lowest(bits[word])
    for next_block in range(block + 1, len(summary)):
        if summary[next_block] != 0:
            word = (next_block << 6) + _lowest(summary[next_block])
            return (word << 6) + _lowest(bits[word])
    return -1


@numba.njit(nogil=True, cache=True)
def _lowest(word: np.uint64) -> int:
    """Number of the lowest set bit."""
    count = 0
    while word & np.uint64(1) == 0:
        word >>= np.uint64(1)
        count += 1
    return count


@numba.njit(nogil=True, cache=True)
def first_fit(lengths: I64, capacity: int) -> I64:
    """(D,) in the order given, each into the first sequence that holds it; a tree of the most free positions finds it."""
    leaves = 1
    while leaves < max(1, len(lengths)):
        leaves *= 2
    tree = np.full(2 * leaves, capacity, np.int64)
    out = np.empty(len(lengths), np.int64)
    for i in range(len(lengths)):
        node = 1
        while node < leaves:
            node = 2 * node if tree[2 * node] >= lengths[i] else 2 * node + 1
        out[i] = node - leaves
        tree[node] -= lengths[i]
        node //= 2
        while node:
            tree[node] = max(tree[2 * node], tree[2 * node + 1])
            node //= 2
    return out


@numba.njit(nogil=True, cache=True)
def next_fit(lengths: I64, capacity: int) -> I64:
    """(D,) in the order given, each into the current sequence, or a new one where it does not fit."""
    out = np.empty(len(lengths), np.int64)
    bin_, used = 0, 0
    for i in range(len(lengths)):
        if used + lengths[i] > capacity:
            bin_, used = bin_ + 1, 0
        out[i] = bin_
        used += lengths[i]
    return out


#: Number of the sequence of each document, from lengths and capacity.
METHODS: dict[str, Callable[[I64, int], I64]] = {
    "best-fit": best_fit,
    "first-fit": first_fit,
    "next-fit": next_fit,
}


def sequences_of(bins: I64) -> list[I64]:
    """Numbers of the documents of each sequence, in order."""
    order = np.argsort(bins, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(bins[order])) + 1) if len(bins) else []


def cuts(lengths: I64, capacity: int) -> list[list[tuple[int, int, int]]]:
    """Concatenate-and-cut: of each sequence the (document, start, stop) of its pieces."""
    out: list[list[tuple[int, int, int]]] = []
    held: list[tuple[int, int, int]] = []
    used = 0
    for document, length in enumerate(lengths.tolist()):
        start = 0
        while start < length:
            stop = min(length, start + capacity - used)
            held.append((document, start, stop))
            used += stop - start
            start = stop
            if used == capacity:
                out.append(held)
                held, used = [], 0
    return [*out, held] if held else out


def padding_share(lengths: I64, bins: I64, capacity: int) -> float:
    """Share of all positions that is padding."""
    sequences = int(bins.max()) + 1 if len(bins) else 0
    return 1 - float(lengths.sum()) / (sequences * capacity) if sequences else 0.0
