"""Assigns samples to shards: split, shard and position of each, from ids, kinds and sizes alone.

Shards of a family are cut from one shuffled sequence at even byte marks, so each is off by less than one sample. Bin
packing by size would be closer still, but would put samples of similar size into the same shards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine import contracts
from dataengine.errors import RunError
from dataengine.shards.order import halves, shuffled, splits_of
from dataengine.shards.sample import FAMILIES

_I64 = NDArray[np.int64]


def assign(
    kept: pa.Table,
    *,
    target_bytes: int,
    seed: int,
    splits: Mapping[str, float],
    first: Mapping[str, int] | None = None,
) -> pa.Table:
    """Assign ``kept`` samples (id, kind, bytes, parent of clips) to shards: contracts.ASSIGNMENT, ordered by shard and position.

    ``bytes`` is what a sample takes in a shard (``sample_size``). A sample larger than ``target_bytes`` has a shard of
    its own. Shards are named ``{split}-{family}-{number}``, from the number 0 or that of ``{split}-{family}`` in ``first``; a
    split without samples has none. Raises RunError for a duplicate id and for an unknown kind.
    """
    high, low = halves(kept["id"])
    order = shuffled(high, low, seed)
    refuse_duplicates(high[order], low[order])
    names = sorted(splits)
    split, kind, size = splits_of(kept, splits)[order], kinds(kept)[order], kept["bytes"].to_numpy()[order]
    tables = []
    for s, split_name in enumerate(names):
        for k, family in enumerate(FAMILIES):
            members = np.flatnonzero((split == s) & (kind == k))
            number, position, rows = _shards(size[members], target_bytes)
            ids = kept["id"].take(order[members][rows])
            tables.append(
                _table(ids, split_name, family, number, position, (first or {}).get(f"{split_name}-{family}", 0))
            )
    return pa.concat_tables(tables).combine_chunks()


def cuts(sizes: _I64, shards: int) -> _I64:
    """Where to cut a sequence of ``sizes`` into at most ``shards`` runs, nearest to even marks; none is empty."""
    ends = np.cumsum(sizes)
    if len(ends) == 0:
        return np.empty(0, np.int64)
    nearest = nearest_cuts(ends, 0, marks(int(ends[-1]), shards))
    return np.unique(nearest[(nearest > 0) & (nearest < len(sizes))])


def marks(total: int, shards: int) -> _I64:
    """``(shards - 1,)`` offsets at which ``total`` bytes would be cut into even shards."""
    return np.array([i * total // shards for i in range(1, shards)], np.int64)


def shards_of(total: int, target: int) -> int:
    """Number of shards whose mean size is nearest to ``target`` bytes."""
    return max(1, (2 * total + target) // (2 * target))


def nearest_cuts(ends: _I64, before: int, marks: _I64) -> _I64:
    """For each of ``marks`` the row whose start is nearest to it. Rows end at ``ends``, the first begins at ``before``; no mark
    lies beyond the last end."""
    after = np.searchsorted(ends, marks, side="left")
    begin = np.where(after > 0, ends[after - 1], before)
    nearest: _I64 = np.where(marks - begin <= ends[after] - marks, after, after + 1)
    return nearest


def _shards(sizes: _I64, target: int) -> tuple[_I64, _I64, _I64]:
    """``(shard number, position, row)`` of a shuffled sequence; samples larger than ``target`` come last, one a shard."""
    alone = sizes > target
    rest, giants = np.flatnonzero(~alone), np.flatnonzero(alone)
    starts = cuts(sizes[rest], shards_of(int(sizes[rest].sum()), target))
    number = np.searchsorted(starts, np.arange(len(rest)), side="right")
    position = np.arange(len(rest)) - np.concatenate([np.zeros(1, np.int64), starts])[number]
    first = len(starts) + 1 if len(rest) else 0
    return (
        np.concatenate([number, first + np.arange(len(giants))]),
        np.concatenate([position, np.zeros(len(giants), np.int64)]),
        np.concatenate([rest, giants]),
    )


def refuse_duplicates(high: NDArray[np.uint64], low: NDArray[np.uint64]) -> None:
    """Raises RunError for a duplicate id; equal ids must be adjacent."""
    repeated = np.flatnonzero((high[1:] == high[:-1]) & (low[1:] == low[:-1]))
    if len(repeated):
        first = f"{high[repeated[0]]:016x}{low[repeated[0]]:016x}"
        raise RunError(f"{len(repeated)} duplicate sample ids to assign to shards, the first is {first}")


def kinds(kept: pa.Table) -> _I64:
    """Index into FAMILIES of each sample. Raises RunError for an unknown kind."""
    family = pc.index_in(kept["kind"], value_set=pa.array(list(FAMILIES)))
    if family.null_count:
        unknown = pc.unique(kept["kind"].filter(pc.is_null(family))).to_pylist()
        raise RunError(f"media of kind {unknown} cannot be sharded; known kinds are {', '.join(FAMILIES)}")
    return family.to_numpy().astype(np.int64)


def _table(ids: pa.ChunkedArray[Any], split: str, family: str, number: _I64, position: _I64, first: int) -> pa.Table:
    numbers = range(first, first + int(number.max(initial=-1)) + 1)
    names = pa.array([f"{split}-{family}-{n:05d}" for n in numbers], pa.string())
    columns = [ids, pa.repeat(split, len(ids)), names.take(number), pa.array(position, pa.int32())]
    return pa.table(columns, schema=contracts.ASSIGNMENT)
