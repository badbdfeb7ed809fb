"""Joins samples and benchmark items on equal values, with one witness a benchmark so that the cost stays linear.

One picture may be in a thousand items of a benchmark and in a million samples. A hit names the first item of each benchmark
that holds the value, so that the cost stays linear in the samples; that there is a hit is never lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Int64 = NDArray[np.int64]


class Hashes:
    """Hashes of a table's pictures and frames: row, hash, whether of a frame."""

    def __init__(self, rows: Int64, hashes: Int64, framed: NDArray[np.bool_]) -> None:
        self.rows, self.hashes, self.framed = rows, hashes, framed

    @classmethod
    def of(cls, table: pa.Table) -> Hashes:
        """From the columns phash and frame_hashes, either or both."""
        rows, hashes, framed = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.bool_)]
        if "phash" in table.column_names:
            column: Any = table["phash"]
            rows.append(np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False)))
            hashes.append(column.drop_null().to_numpy())
            framed.append(np.zeros(len(rows[-1]), np.bool_))
        if "frame_hashes" in table.column_names:
            lists: Any = table["frame_hashes"].combine_chunks()
            values, owner = pc.list_flatten(lists), pc.list_parent_indices(lists)
            there = values.is_valid().to_numpy(zero_copy_only=False)
            rows.append(owner.to_numpy(zero_copy_only=False).astype(np.int64)[there])
            hashes.append(values.drop_null().to_numpy(zero_copy_only=False))
            framed.append(np.ones(len(rows[-1]), np.bool_))
        return cls(np.concatenate(rows), np.concatenate(hashes), np.concatenate(framed))

    def take(self, places: Any) -> Hashes:
        return Hashes(self.rows[places], self.hashes[places], self.framed[places])


def witnesses(values: Int64, rows: Int64, benchmarks: pa.Table) -> NDArray[np.bool_]:
    """``(n,)``: which of the pairs (value, row of ``benchmarks``) are the first of their value and benchmark, by item."""
    return first_of(values, owners(benchmarks)[rows], ranks(benchmarks)[rows])


def first_of(values: Int64, owner: Int64, rank: NDArray[Any]) -> NDArray[np.bool_]:
    """``(n,)``: which are the lowest in ``rank`` of their value and owner, one each."""
    order = np.lexsort((rank, owner, values))
    v, b = values[order], owner[order]
    fresh = np.r_[True, (v[1:] != v[:-1]) | (b[1:] != b[:-1])][: len(v)]
    first = np.zeros(len(v), np.bool_)
    first[order[fresh]] = True
    return first


def owners(benchmarks: pa.Table) -> Int64:
    """``(n,)``: a number for the benchmark of each row."""
    named: Any = benchmarks["benchmark"].combine_chunks().dictionary_encode()
    numbers: Int64 = named.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers


def ranks(benchmarks: pa.Table) -> Int64:
    """``(n,)``: the place of each row in the order of benchmark and item."""
    order = pc.sort_indices(benchmarks, [("benchmark", "ascending"), ("item", "ascending")]).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank


def expand(a: Int64, b: Int64, left: Int64, right: Int64) -> tuple[Int64, Int64, Int64]:
    """Pairs of values to pairs of all their places in ``left`` and ``right``, and which pair of values each is."""
    for_left, x = places(a, left)
    for_right, y = places(b[for_left], right)
    return x[for_right], y, for_left[for_right]


def places(wanted: Int64, values: Int64) -> tuple[Int64, Int64]:
    """``(index into wanted, place in values)`` of every occurrence."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    low, high = (np.searchsorted(ordered, wanted, side) for side in ("left", "right"))
    count = high - low
    which = np.repeat(np.arange(len(wanted)), count)
    inside = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
    return which, order[inside + np.repeat(low, count)]
