"""Assigns samples to shards on frames: in one process, or distributed over ranges of the shuffled order.

The shuffled order is that of 64 mixed bits of the ids, so its first bits divide it into ranges of similar size. The offset of
a range (rows, bytes and oversized samples before it) is a prefix sum over few numbers. With it a worker numbers the rows of its
range and finds the cuts in it; once all cuts are known, the number of a row says its shard and position. The result is that of
``assign``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.contracts import ASSIGNMENT, columns
from dataengine.shards.assign import assign, kinds, marks, nearest_cuts, refuse_duplicates, shards_of
from dataengine.shards.order import halves, mixed, splits_of
from dataengine.shards.sample import FAMILIES
from dataengine.table_engine import Frame, TableEngine

#: Mean rows of a range; up to so many rows are assigned in one task.
ROWS_A_RANGE = 250_000

_RANGED = columns(id=pa.string(), run=pa.int32(), part=pa.int32(), bytes=pa.int64())
#: Rows of a run by their numbers; rows without an id are cuts.
_NUMBERED = columns(id=pa.string(), run=pa.int32(), number=pa.int64(), giant=pa.int64())
_CUTS = "SELECT run, number FROM n WHERE id IS NULL"
_ROWS = "SELECT id, run, number, giant FROM n WHERE id IS NOT NULL"
_SUMS = """
SELECT run, part, CAST(sum(CASE WHEN bytes > ? THEN 0 ELSE 1 END) AS BIGINT) AS n,
       CAST(sum(CASE WHEN bytes > ? THEN 0 ELSE bytes END) AS BIGINT) AS bytes,
       CAST(sum(CASE WHEN bytes > ? THEN 1 ELSE 0 END) AS BIGINT) AS giants
FROM r GROUP BY run, part ORDER BY run, part
"""
Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Rules:
    """Seed, splits and target size that decide the assignment; ``first``: as of ``assign``."""

    target_bytes: int
    seed: int
    splits: Mapping[str, float]
    first: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Before:
    """Offset of a range in its run: samples before it, their bytes, and those with a shard of their own (giants)."""

    rows: int = 0
    bytes: int = 0
    giants: int = 0


@dataclass(frozen=True)
class Layout:
    """Prefix sums of all runs. A *run* is shuffled and cut as one sequence: the samples of one split and family. ``before``: by
    run and part; ``marks``: byte offsets to cut at, by run; ``rows``: samples that share shards, by run."""

    before: Mapping[tuple[int, int], Before]
    marks: Mapping[int, Int64]
    rows: Mapping[int, int]


def assigned(engine: TableEngine, sizes: Frame, rules: Rules) -> Frame:
    """Assign samples (id, kind, bytes, parent) to shards: contracts.ASSIGNMENT in no order. Raises RunError as ``assign``."""
    counted = engine.collect(engine.sql("SELECT CAST(count(*) AS BIGINT) AS n FROM s", {"s": sizes}))
    rows = int(counted["n"][0].as_py())
    if not engine.spread or rows <= ROWS_A_RANGE:
        return engine.whole(sizes, partial(_assign, rules), ASSIGNMENT)
    bits = (rows // ROWS_A_RANGE).bit_length()
    ranged = engine.kept(engine.local(sizes, (), partial(ranges, rules, bits), _RANGED))
    layout = _layout(engine.collect(engine.sql(_SUMS, {"r": ranged}, (rules.target_bytes,) * 3)), rules.target_bytes)
    rows_and_cuts = engine.local(ranged, ("run", "part"), partial(numbered, rules, layout), _NUMBERED)
    kept = engine.kept(rows_and_cuts)
    starts = _starts(layout, engine.collect(engine.sql(_CUTS, {"n": kept})))
    return engine.local(engine.sql(_ROWS, {"n": kept}), (), partial(placed, rules, layout.rows, starts), ASSIGNMENT)


def _assign(rules: Rules, sizes: pa.Table) -> pa.Table:
    return assign(sizes, target_bytes=rules.target_bytes, seed=rules.seed, splits=rules.splits, first=rules.first)


def ranges(rules: Rules, bits: int, sizes: pa.Table) -> pa.Table:
    """_RANGED: run of each sample, and its range (part) of the shuffled order by the first ``bits`` of its sort key."""
    high, _ = halves(_chunked(sizes["id"]))
    run = splits_of(sizes, rules.splits) * len(FAMILIES) + kinds(sizes)
    part = (mixed(high, rules.seed) >> np.uint64(1)).astype(np.int64) >> np.int64(63 - bits)
    values = [sizes["id"], pa.array(run.astype(np.int32)), pa.array(part.astype(np.int32)), sizes["bytes"]]
    return pa.table(values, schema=_RANGED)


def _layout(sums: pa.Table, target: int) -> Layout:
    before: dict[tuple[int, int], Before] = {}
    totals: dict[int, Before] = {}
    for row in sums.to_pylist():
        so_far = totals.get(row["run"], Before())
        before[row["run"], row["part"]] = so_far
        totals[row["run"]] = Before(so_far.rows + row["n"], so_far.bytes + row["bytes"], so_far.giants + row["giants"])
    cut_marks = {run: marks(t.bytes, shards_of(t.bytes, target)) for run, t in totals.items()}
    return Layout(before, cut_marks, {run: t.rows for run, t in totals.items()})


def _starts(layout: Layout, cuts: pa.Table) -> dict[int, Int64]:
    """By run the first row of each shard except the first."""
    run, row = cuts["run"].to_numpy(), cuts["number"].to_numpy()
    starts = {}
    for number, rows in layout.rows.items():
        of_run = row[run == number]
        starts[number] = np.unique(of_run[(of_run > 0) & (of_run < rows)])
    return starts


@dataclass(frozen=True)
class _Range:
    run: int
    before: Before
    ids: Any
    alone: NDArray[np.bool_]
    sizes: Int64


def _ranges(rules: Rules, layout: Layout, ranged: pa.Table) -> Iterator[_Range]:
    """Group rows by range, each in the shuffled order."""
    high, low = halves(_chunked(ranged["id"]))
    run, part = ranged["run"].to_numpy().astype(np.int64), ranged["part"].to_numpy().astype(np.int64)
    order = np.lexsort((low, mixed(high, rules.seed), part, run))
    refuse_duplicates(high[order], low[order])
    run, part, size = run[order], part[order], ranged["bytes"].to_numpy()[order]
    starts = np.flatnonzero(np.r_[True, (run[1:] != run[:-1]) | (part[1:] != part[:-1])][: len(run)])
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(run)], strict=True):
        ids = ranged["id"].take(pa.array(order[start:end], pa.int64()))
        place = int(run[start]), int(part[start])
        sizes = size[start:end]
        yield _Range(place[0], layout.before[place], ids, sizes > rules.target_bytes, sizes)


def numbered(rules: Rules, layout: Layout, ranged: pa.Table) -> pa.Table:
    """_NUMBERED: each row of ``ranged`` with its number among those of its run that share shards, or among its giants (the other
    is -1), and the cuts nearest to the marks inside its ranges."""
    tables = [_NUMBERED.empty_table()]
    for one in _ranges(rules, layout, ranged):
        number = np.where(one.alone, -1, one.before.rows + np.cumsum(~one.alone) - 1)
        giant = np.where(one.alone, one.before.giants + np.cumsum(one.alone) - 1, -1)
        tables.append(_numbered(one.ids, one.run, number, giant))
        ends = one.before.bytes + np.cumsum(one.sizes[~one.alone])
        if len(ends):
            all_marks = layout.marks[one.run]
            inside = all_marks[(all_marks > one.before.bytes) & (all_marks <= ends[-1])]
            cuts = one.before.rows + nearest_cuts(ends, one.before.bytes, inside)
            tables.append(_numbered(pa.nulls(len(cuts), pa.string()), one.run, cuts, np.full(len(cuts), -1)))
    return pa.concat_tables(tables)


def _numbered(ids: Any, run: int, number: Int64, giant: Int64) -> pa.Table:
    return pa.table(
        [ids, pa.array(np.full(len(number), run, np.int32)), pa.array(number), pa.array(giant)], schema=_NUMBERED
    )


def placed(rules: Rules, rows: Mapping[int, int], starts: Mapping[int, Int64], table: pa.Table) -> pa.Table:
    """contracts.ASSIGNMENT of rows of _NUMBERED; ``rows``: samples that share shards, by run; ``starts``: by run the first row of
    each shard but the first."""
    tables = [ASSIGNMENT.empty_table()]
    runs = table["run"].to_numpy()
    for run in np.unique(runs).tolist():
        some = table.filter(pa.array(runs == run))
        number, giant, cut = some["number"].to_numpy(), some["giant"].to_numpy(), starts[run]
        shard = np.searchsorted(cut, number, side="right")
        position = np.where(giant < 0, number - np.r_[0, cut][shard], 0)
        shard = np.where(giant < 0, shard, len(cut) + (rows[run] > 0) + giant)
        split, family = divmod(run, len(FAMILIES))
        name = f"{sorted(rules.splits)[split]}-{list(FAMILIES)[family]}"
        shards, which = np.unique(shard + rules.first.get(name, 0), return_inverse=True)
        named = pa.array([f"{name}-{n:05d}" for n in shards.tolist()], pa.string()).take(pa.array(which, pa.int64()))
        columns_of = [
            some["id"],
            pa.repeat(name.rpartition("-")[0], len(some)),
            named,
            pa.array(position.astype(np.int32)),
        ]
        tables.append(pa.table(columns_of, schema=ASSIGNMENT))
    return pa.concat_tables(tables)


def _chunked(ids: Any) -> pa.ChunkedArray[Any]:
    return ids if isinstance(ids, pa.ChunkedArray) else pa.chunked_array([ids])
