"""Result of a search for contamination: a table of hits and a report for each benchmark, in a fixed order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

_HITS: list[pa.Field[Any]] = [
    pa.field("id", pa.string(), nullable=False),
    pa.field("benchmark", pa.string(), nullable=False),
    pa.field("item", pa.string(), nullable=False),
    pa.field("kind", pa.string(), nullable=False),  # image | frame | image+text | ngram
    # Jaccard or share of equal bits (image, frame), image cosine, or share of the item's n-grams
    pa.field("similarity", pa.float64(), nullable=False),
    pa.field("text_similarity", pa.float64()),  # image+text
]
_REPORT: list[pa.Field[Any]] = [
    pa.field("benchmark", pa.string(), nullable=False),
    pa.field("items", pa.int64(), nullable=False),
    pa.field("unreadable", pa.int64(), nullable=False),  # items that nothing could be compared with
    pa.field("hit_items", pa.int64(), nullable=False),  # of items that are equal the hits name one
    pa.field("hits", pa.int64(), nullable=False),  # samples
]

HITS, REPORT = pa.schema(_HITS), pa.schema(_REPORT)
_TOTALS = pa.schema(_REPORT[:3])


@dataclass(frozen=True)
class Contamination:
    """``hits``: HITS, ordered by id, benchmark, item and kind, the most similar of several. ``report``: REPORT, one row a
    benchmark, ordered. ``unreadable``: samples that nothing could be compared of."""

    hits: pa.Table
    report: pa.Table
    items: pa.Table
    samples: int
    unreadable: int


def hits_of(
    samples: pa.Table,
    benchmarks: pa.Table,
    i: Int64,
    j: Int64,
    kinds: NDArray[Any],
    similarity: Float64,
    text: Float64 | None,
    readable: Int64,
    known: Int64,
    touched: Int64,
) -> Contamination:
    """The outcome for row pairs (i of samples, j of benchmarks) that hit; ``readable`` and ``known`` are the rows of each
    that could be compared (repeated or not), ``touched`` all rows of benchmarks that were hit, listed in a pair or not."""
    rows, items = pa.array(i, pa.int64()), pa.array(j, pa.int64())
    columns = [
        samples["id"].take(rows),
        benchmarks["benchmark"].take(items),
        benchmarks["item"].take(items),
        pa.array(kinds, pa.string()),
        pa.array(similarity, pa.float64()),
        pa.nulls(len(i), pa.float64()) if text is None else pa.array(text, pa.float64()),
    ]
    hits = _most_similar(pa.table(columns, schema=HITS))
    ids = samples["id"]
    readable_ids = pc.count_distinct(ids.take(pa.array(np.unique(readable), pa.int64()))).as_py()
    distinct = pc.count_distinct(ids).as_py()
    reached = benchmarks.select(["benchmark", "item"]).take(pa.array(np.unique(touched), pa.int64()))
    reached = _distinct(reached)
    return Contamination(hits, _report(benchmarks, hits, reached, known), reached, distinct, distinct - readable_ids)


def _most_similar(hits: pa.Table) -> pa.Table:
    """Ordered; of several rows of one id, item and kind the most similar."""
    key = ["id", "benchmark", "item", "kind"]
    keys: list[tuple[str, Literal["ascending", "descending"]]] = [(name, "ascending") for name in key]
    keys += [("similarity", "descending"), ("text_similarity", "descending")]
    ordered = hits.take(pc.sort_indices(hits, keys))
    fresh = np.zeros(len(ordered), np.bool_)
    fresh[:1] = True
    for name in key:
        column = ordered[name]
        fresh[1:] |= pc.not_equal(column.slice(1), column.slice(0, max(len(column) - 1, 0))).to_numpy()
    return ordered.filter(pa.array(fresh))


def merged(parts: Sequence[Contamination]) -> Contamination:
    """One outcome for samples that were compared in parts (each id in one of them) with the same benchmarks."""
    hits = _most_similar(pa.concat_tables([part.hits for part in parts]))
    totals = parts[0].report.select(["benchmark", "items", "unreadable"])
    items = _distinct(pa.concat_tables([part.items for part in parts]))
    counts = sum(p.samples for p in parts), sum(p.unreadable for p in parts)
    return Contamination(hits, _counted(totals, hits, items), items, *counts)


def _report(benchmarks: pa.Table, hits: pa.Table, reached: pa.Table, known: Int64) -> pa.Table:
    readable = np.zeros(len(benchmarks), np.bool_)
    readable[known] = True
    listed = benchmarks.select(["benchmark", "item"]).append_column("readable", pa.array(readable))
    items = listed.group_by(["benchmark", "item"]).aggregate([("readable", "max")])
    summed = items.group_by("benchmark").aggregate([("item", "count"), ("readable_max", "sum")])
    names, counts, good = _columns(summed)
    rows = [(name, n, n - (g or 0)) for name, n, g in sorted(zip(names, counts, good, strict=True))]
    totals = pa.table([list(c) for c in zip(*rows, strict=True)] if rows else [[], [], []], schema=_TOTALS)
    return _counted(totals, hits, reached)


def _counted(totals: pa.Table, hits: pa.Table, reached: pa.Table) -> pa.Table:
    items = dict(zip(*_columns(reached.group_by("benchmark").aggregate([("item", "count")])), strict=True))
    samples = dict(zip(*_columns(hits.group_by("benchmark").aggregate([("id", "count_distinct")])), strict=True))
    names = totals["benchmark"].to_pylist()
    numbers = [pa.array([counts.get(name, 0) for name in names], pa.int64()) for counts in (items, samples)]
    return pa.table([*totals.columns, *numbers], schema=REPORT)


def _distinct(items: pa.Table) -> pa.Table:
    return (
        items.group_by(["benchmark", "item"]).aggregate([]).sort_by([("benchmark", "ascending"), ("item", "ascending")])
    )


def _columns(table: pa.Table) -> list[list[Any]]:
    return [column.to_pylist() for column in table.columns]
