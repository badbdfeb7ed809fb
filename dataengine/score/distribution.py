"""Exact quantiles of each score before and after filtering.

In one process the values of a column are partitioned around the ranks wanted, as they are for few rows on a cluster, in one
task. For many rows a value's rank is found without sorting: four passes count the values by 16 more bits of their place in
the order of floats each time, and only what shares the bits found so far is counted on; the driver sees counts. Both give
the same values, which occur.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine.contracts import columns
from dataengine.table_engine import Frame, TableEngine

QUANTILES = {"min": 0.0, "p10": 0.1, "p50": 0.5, "p90": 0.9, "max": 1.0}
#: Whether the policy has kept the row.
KEPT = "__kept"

#: Rows that one task of a cluster looks at together.
ROWS_AT_ONCE = 1_000_000

_SERIES = ("before", "after")
_BITS, _PASSES = 16, 4
_NEAR = columns(told=pa.string())
_COUNTS = columns(name=pa.string(), prefix=pa.int64(), before=pa.int64(), after=pa.int64())
_SUM = """
SELECT name, prefix, CAST(sum(before) AS BIGINT) AS before, CAST(sum(after) AS BIGINT) AS after
FROM c GROUP BY name, prefix ORDER BY name, prefix
"""
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Spread = dict[str, dict[str, dict[str, float]]]


def numeric(known: Mapping[str, pa.DataType]) -> list[str]:
    """Columns that have quantiles."""
    return sorted(name for name, t in known.items() if pa.types.is_floating(t) or pa.types.is_integer(t))


def distributions(engine: TableEngine, rows: Frame, decisions: Frame, names: Sequence[str], count: int) -> Spread:
    """By column of ``rows``, ``count`` of them, the quantiles of all (``before``) and of those that ``decisions`` keep
    (``after``), as values that occur, so that no arithmetic rounds them. The ``count`` told is how many have a finite value; a
    column without one is left out."""
    some = flagged(engine, rows, decisions, names)
    if count > ROWS_AT_ONCE and engine.spread:
        spread = _far_spread(engine, some, names)
    else:
        collected = engine.collect(engine.whole(some, partial(_near_spread, tuple(names)), _NEAR))
        spread = json.loads(str(collected["told"][0])) if collected.num_rows else {}
    return {name: both for name, both in sorted(spread.items()) if both["before"]["count"]}


def flagged(engine: TableEngine, rows: Frame, decisions: Frame, names: Sequence[str]) -> Frame:
    """``names`` of rows, and KEPT."""
    if not engine.spread:
        here, decided = engine.collect(rows), engine.collect(decisions)
        if here["id"].equals(decided["id"]):  # no join of rows that lie side by side
            return engine.frame(here.select(names).append_column(KEPT, decided["kept"]))
    listed = ", ".join(f'a."{name}"' for name in names)
    sql = f'SELECT {listed}, d."kept" AS "{KEPT}" FROM a INNER JOIN d ON a."id" = d."id"'
    return engine.sql(sql, {"a": rows, "d": decisions})


def _near_spread(names: Sequence[str], flagged: pa.Table) -> pa.Table:
    return pa.table([[json.dumps(near(flagged, names))]], schema=_NEAR)


def near(flagged: pa.Table, names: Iterable[str]) -> Spread:
    """Of a table in this process."""
    kept = flagged[KEPT].to_numpy(zero_copy_only=False)
    spread: Spread = {}
    for name in names:
        values, finite = finite_values(flagged[name])
        spread[name] = {"before": _quantiles(values[finite]), "after": _quantiles(values[finite & kept])}
    return spread


def finite_values(column: Any) -> tuple[Float64, NDArray[np.bool_]]:
    """Values as float64, zero with one sign, and which of them are finite, ``(n,)`` each."""
    values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False) + 0.0
    return values, np.isfinite(values)


def _quantiles(values: Float64) -> dict[str, float]:
    at = ranks(len(values))
    if not at:
        return {"count": 0}
    ordered = np.partition(values, list(at.values()))
    return {"count": len(values), **{name: float(ordered[rank]) for name, rank in at.items()}}


def ranks(count: int) -> dict[str, int]:
    """Places, from 0, of the quantiles among so many values in order: where the inverse of their distribution lies."""
    at = {name: count * q - 1 for name, q in QUANTILES.items()} if count else {}
    return {name: max(0, int(np.ceil(index))) for name, index in at.items()}


def _far_spread(engine: TableEngine, flagged: Frame, names: Sequence[str]) -> Spread:
    flagged = engine.kept(flagged)
    searches: dict[tuple[str, str], _Search] = {}
    for turn in range(_PASSES):
        wanted = {n: sorted({p for s in _SERIES for p in searches[n, s].prefixes}) for n in names} if turn else None
        counted = engine.local(flagged, (), partial(count_by_bits, tuple(names), turn, wanted), _COUNTS)
        table = engine.collect(engine.sql(_SUM, {"c": counted}))
        for name in names:
            counts = table.filter(pc.equal(table["name"], pa.scalar(name)))
            for series in _SERIES:
                search = searches.setdefault((name, series), _Search())
                search.narrow(counts["prefix"].to_numpy(), counts[series].to_numpy())
    return {name: {series: searches[name, series].quantiles() for series in _SERIES} for name in names}


def count_by_bits(
    names: Sequence[str], turn: int, wanted: Mapping[str, Sequence[int]] | None, flagged: pa.Table
) -> pa.Table:
    """_COUNTS of values by the first 16, 32, 48 or 64 bits of their place, of those whose place begins as ``wanted``."""
    kept = flagged[KEPT].to_numpy(zero_copy_only=False).astype(bool)
    tables = [_COUNTS.empty_table()]
    for name in names:
        values, finite = finite_values(flagged[name])
        place = _place(values[finite]) >> np.int64(64 - _BITS * (turn + 1))
        after = kept[finite]
        if wanted is not None:
            inside = np.isin(place >> np.int64(_BITS), np.array(wanted[name], np.int64))
            place, after = place[inside], after[inside]
        prefix, which, before = np.unique(place, return_inverse=True, return_counts=True)
        left = np.bincount(which, weights=after, minlength=len(prefix)).astype(np.int64)
        arrays = [pa.repeat(name, len(prefix)), prefix, before, left]
        tables.append(pa.table([pa.array(column) for column in arrays], schema=_COUNTS))
    return pa.concat_tables(tables)


def _place(values: Float64) -> Int64:
    """Numbers in the order of the floats: the bits of a negative one are turned round."""
    bits = values.view(np.int64)
    return bits ^ ((bits >> np.int64(63)) & np.int64(2**63 - 1))


class _Search:
    """The quantiles of one series: by name the bits that are known and how many values of these bits come before."""

    def __init__(self) -> None:
        self._count: int | None = None
        self._at: dict[str, tuple[int, int]] = {}

    @property
    def prefixes(self) -> set[int]:
        return {prefix for prefix, _ in self._at.values()}

    def narrow(self, prefix: Int64, counts: Int64) -> None:
        """With counts by 16 more bits, ordered by ``prefix``."""
        if self._count is None:
            self._count = int(counts.sum())
            self._at = {name: (0, rank) for name, rank in ranks(self._count).items()}
            self._at = {name: _child(prefix, counts, rank) for name, (_, rank) in self._at.items()}
            return
        for name, (known, rank) in self._at.items():
            inside = (prefix >> np.int64(_BITS)) == known
            self._at[name] = _child(prefix[inside], counts[inside], rank)

    def quantiles(self) -> dict[str, float]:
        places = np.array([prefix for prefix, _ in self._at.values()], np.int64)
        values = (places ^ ((places >> np.int64(63)) & np.int64(2**63 - 1))).view(np.float64)
        return {"count": self._count or 0, **dict(zip(self._at, values.tolist(), strict=True))}


def _child(prefix: Int64, counts: Int64, rank: int) -> tuple[int, int]:
    ends = np.cumsum(counts)
    at = int(np.searchsorted(ends, rank, side="right"))
    return int(prefix[at]), rank - int(ends[at] - counts[at])
