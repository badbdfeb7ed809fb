"""Histograms of each score before and after filtering, on a scale that shows them: counts by bin, the same from both engines.

The bins lie between the smallest and the largest value; where the largest is far beyond the median they are equal on a
logarithmic scale. One pass over the values, after the quantiles (``distribution``) are known; the driver sees counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine.contracts import columns
from dataengine.score.distribution import KEPT, Spread, finite_values, flagged
from dataengine.table_engine import Frame, TableEngine

BINS = 24
#: The largest value is so many times the median where the scale is logarithmic.
_SKEWED = 20.0
#: Decades of a logarithmic scale; what is less lies in the first bin.
_DECADES = 6

_COUNTS = columns(name=pa.string(), place=pa.int64(), before=pa.int64(), after=pa.int64())
_SUM = """
SELECT name, place, CAST(sum(before) AS BIGINT) AS before, CAST(sum(after) AS BIGINT) AS after
FROM c GROUP BY name, place ORDER BY name, place
"""


def histograms(engine: TableEngine, rows: Frame, decisions: Frame, spread: Spread) -> dict[str, dict[str, Any]]:
    """By column of ``spread`` (as of ``distributions``): ``edges`` of the bins, ``log``, and finite values by bin of all rows
    (``before``) and of those that ``decisions`` keep (``after``)."""
    scales = {name: scale(both["before"]) for name, both in spread.items()}
    if not scales:
        return {}
    edges = {name: edges for name, (edges, _) in scales.items()}
    counted = engine.local(flagged(engine, rows, decisions, [*edges]), (), partial(count, json.dumps(edges)), _COUNTS)
    table = engine.collect(engine.sql(_SUM, {"c": counted}))
    drawn = {}
    for name, (bounds, log) in scales.items():
        own = table.filter(pc.equal(table["name"], pa.scalar(name)))
        drawn[name] = {
            "edges": bounds,
            "log": log,
            **{series: _filled(own, series, bounds) for series in ("before", "after")},
        }
    return drawn


def scale(quantiles: Mapping[str, float]) -> tuple[list[float], bool]:
    """``(edges, logarithmic)`` of the bins for a column with these quantiles; BINS of them, or one where all values are equal."""
    low, high, middle = quantiles["min"], quantiles["max"], quantiles["p50"]
    if low == high:
        return [low, high], False
    first = max(low or min(middle, high / 10**_DECADES), high / 10**_DECADES)
    if low < 0 or middle <= 0 or high < _SKEWED * middle or first <= 0:
        with np.errstate(over="ignore", invalid="ignore"):  # such wide ranges have fewer bins
            return _rounded(np.linspace(low, high, BINS + 1), low, high), False
    return _rounded(np.geomspace(first, high, BINS + 1), first, high), True


def _rounded(edges: NDArray[np.float64], low: float, high: float) -> list[float]:
    """To six digits, so that they do not depend on a machine's last bits; the outer ones as they are."""
    inner = [float(f"{edge:.6g}") for edge in edges[1:-1].tolist()]
    return sorted({low, high, *(edge for edge in inner if low < edge < high)})


def count(edges: str, rows: pa.Table) -> pa.Table:
    """_COUNTS of rows with KEPT, for the edges of some columns as JSON."""
    kept = rows[KEPT].to_numpy(zero_copy_only=False).astype(bool)
    tables = [_COUNTS.empty_table()]
    for name, bounds in json.loads(edges).items():
        values, finite = finite_values(rows[name])
        last = len(bounds) - 2
        bins = np.clip(np.searchsorted(np.asarray(bounds), values[finite], side="right") - 1, 0, last)
        before = np.bincount(bins, minlength=last + 1).astype(np.int64)
        after = np.bincount(bins[kept[finite]], minlength=last + 1).astype(np.int64)
        arrays = [pa.repeat(name, last + 1), pa.array(np.arange(last + 1)), pa.array(before), pa.array(after)]
        tables.append(pa.table(arrays, schema=_COUNTS))
    return pa.concat_tables(tables)


def _filled(counts: pa.Table, series: str, edges: Sequence[float]) -> list[int]:
    by_bin: dict[Any, Any] = dict(zip(counts["place"].to_pylist(), counts[series].to_pylist(), strict=True))
    return [int(by_bin.get(place, 0)) for place in range(len(edges) - 1)]
