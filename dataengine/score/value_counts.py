"""Counts of the values of string columns before and after filtering, such as languages and reasons.

A column with more values than ``MOST``, or with many of which each occurs once, is no label but a text: of it only the number of
values is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from dataengine.contracts import columns
from dataengine.score.distribution import KEPT, flagged
from dataengine.table_engine import Frame, TableEngine

MOST = 200
"""Values of a column that are counted."""
_LISTED = 20
"""Of them, the commonest that are listed."""
_COUNTS = columns(name=pa.string(), value=pa.string(), before=pa.int64(), after=pa.int64())
_SUM = """
SELECT name, value, CAST(sum(before) AS BIGINT) AS before, CAST(sum(after) AS BIGINT) AS after
FROM c GROUP BY name, value ORDER BY name, value
"""

Labels = dict[str, dict[str, Any]]


def textual(known: Mapping[str, pa.DataType]) -> list[str]:
    """Columns that have counts of values."""
    return sorted(name for name, t in known.items() if pa.types.is_string(t))


def value_counts(engine: TableEngine, rows: Frame, decisions: Frame, names: Sequence[str]) -> Labels:
    """By column of ``rows``: ``distinct``, how many values it has; ``before``, samples by value, and ``after``, those of them
    that ``decisions`` keep, of the commonest values. A column without a value is left out."""
    if not names:
        return {}
    some = engine.kept(flagged(engine, rows, decisions, names))
    sums = ", ".join(f'CAST(count(DISTINCT f."{name}") AS BIGINT) AS "{name}"' for name in names)
    [distinct] = engine.collect(engine.sql(f"SELECT {sums} FROM f", {"f": some})).to_pylist()
    few = [name for name in names if 0 < distinct[name] <= MOST]
    counted = engine.local(some, (), partial(count_values, tuple(few)), _COUNTS)
    labels: Labels = {name: {"distinct": n, "before": {}, "after": {}} for name, n in distinct.items() if n}
    rows_of = engine.collect(engine.sql(_SUM, {"c": counted})).to_pylist()
    for row in sorted(rows_of, key=lambda row: (-row["before"], row["value"])):
        label = labels[row["name"]]
        if len(label["before"]) < _LISTED:
            label["before"][row["value"]], label["after"][row["value"]] = row["before"], row["after"]
    for label in labels.values():
        if label["distinct"] > _LISTED and max(label["before"].values(), default=0) == 1:
            label["before"], label["after"] = {}, {}
    return dict(sorted(labels.items()))


def count_values(names: Sequence[str], some: pa.Table) -> pa.Table:
    """_COUNTS of these rows."""
    tables = [_COUNTS.empty_table()]
    for name in names:
        of_value = pa.table({"value": some[name], "after": some[KEPT].cast(pa.int64())}).drop_null()
        counts = of_value.group_by("value").aggregate([([], "count_all"), ("after", "sum")])
        names_ = pa.repeat(pa.scalar(name), len(counts))
        counted = pa.table([names_, counts["value"], counts["count_all"], counts["after_sum"]], names=_COUNTS.names)
        tables.append(counted.cast(_COUNTS))
    return pa.concat_tables(tables)
