"""Semantic pairs distributed over workers: cells from a sample, each vector sent to the cells it visits, cells searched.

The pairs, similarities and counts are those of ``semantic_pairs`` in one process. The trade-off: a vector moves once for each
cell that it visits (13 at a million: docs/dedup-measurements.md), and centroids travel to every task, which is worth it
where vectors outgrow one worker's memory. Few vectors are searched in one task.

A *view* is a vector with a key that says whether it is of a picture ("0") or of what is inside its margins ("1"), and whose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from dataengine.contracts import columns
from dataengine.dedup.ivf_cells import Cells, apart, quantise
from dataengine.dedup.semantic import ALL_WITH_ALL, DECIMALS, SAMPLE, Search, in_cell
from dataengine.dedup.vectors import cosines, lengths
from dataengine.embed.vectors import F2, rows_of

if TYPE_CHECKING:
    from dataengine.table_engine import Frame, TableEngine

#: ``key``: 0 or 1, then the id of the sample.
VIEWS = columns(key=pa.string(), vector=pa.binary())
#: ``x < y``, rounded to 1e-4.
PAIRS = columns(x=pa.string(), y=pa.string(), cosine=pa.float64())
_VISITS = columns(cell=pa.int64(), key=pa.string(), home=pa.int64(), vector=pa.binary())
_PLAN = columns(
    centroids=pa.binary(),
    count=pa.int64(),
    reach=pa.float64(),
    comparisons=pa.int64(),
    asked=pa.list_(pa.string()),
    queries=pa.binary(),
)
_FIRSTS = "SELECT vector, min(key) AS key FROM v GROUP BY vector"
_SAMPLE = "SELECT key, vector FROM f ORDER BY key LIMIT {:d}"
_STAR = "SELECT f.key AS x, v.key AS y, ? AS cosine FROM v JOIN f ON v.vector = f.vector WHERE v.key <> f.key"
_SIZES = "SELECT cell, CAST(sum(home) AS BIGINT) AS residents, CAST(count(*) AS BIGINT) AS n FROM v GROUP BY cell"
_MEASURED = """
SELECT CAST(count(*) AS BIGINT) AS n, CAST(sum(CASE WHEN p.x IS NULL THEN 0 ELSE 1 END) AS BIGINT) AS found
FROM m LEFT JOIN p ON m.x = p.x AND m.y = p.y
"""
_NO_PLAN: dict[str, Any] = {"centroids": b"", "count": 0, "reach": 0.0, "comparisons": 0, "asked": [], "queries": b""}
Told = dict[str, Any]


def spread_pairs(
    engine: TableEngine,
    views: Frame,
    threshold: float,
    recall: float = 0.99,
    seed: int = 0,
    sample: int = SAMPLE,
    few: int = ALL_WITH_ALL,
) -> tuple[Frame, Callable[[], Told]]:
    """PAIRS of VIEWS (vectors of one length, zero and non-finite ones left out), and the facts of the search. ``sample`` and
    ``few``: as in semantic.py."""
    good = engine.kept(engine.local(views, (), _good, VIEWS))
    firsts = engine.kept(engine.sql(_FIRSTS, {"v": good}))
    n = _count(engine, firsts)
    some = engine.sql(_SAMPLE.format(sample), {"f": firsts})
    how = partial(_planned, n, n > few, threshold, recall, seed)
    [plan] = engine.collect(engine.whole(some, how, _PLAN)).to_pylist() or [_NO_PLAN]
    visits = engine.kept(engine.local(firsts, (), partial(_visiting, plan), _VISITS))
    cell_pairs = engine.local(visits, ("cell",), partial(_search_cells, threshold), PAIRS)
    near = engine.kept(engine.sql("SELECT x, y, max(cosine) AS cosine FROM f GROUP BY x, y", {"f": cell_pairs}))
    sampled_pairs = engine.local(firsts, (), partial(_brute_force, plan, threshold), PAIRS)

    def facts() -> Told:
        distinct = engine.sql("SELECT DISTINCT x, y FROM m", {"m": sampled_pairs})
        [measured] = engine.collect(engine.sql(_MEASURED, {"m": distinct, "p": near})).to_pylist()
        sizes = engine.collect(engine.sql(_SIZES, {"v": visits})).to_pylist()
        cells = sum(
            s["residents"] * (s["residents"] - 1) // 2 + s["residents"] * (s["n"] - s["residents"]) for s in sizes
        )
        every = _count(engine, views)
        return {
            "vectors": every,
            "left_out": every - _count(engine, good),
            "comparisons": plan["comparisons"] + cells,
            "brute_force": n * (n - 1) // 2,
            "recall": measured["found"] / measured["n"] if measured["n"] else None,
            "recall_of": measured["n"],
        }

    star = engine.sql(_STAR, {"v": good, "f": firsts}, (1.0,))
    return engine.sql("SELECT * FROM n UNION ALL SELECT * FROM s", {"n": near, "s": star}), facts


def _count(engine: TableEngine, frame: Frame) -> int:
    counts = engine.collect(engine.sql("SELECT CAST(count(*) AS BIGINT) AS n FROM f", {"f": frame}))
    return int(counts["n"][0].as_py())


def _good(views: pa.Table) -> pa.Table:
    length = lengths(rows_of(views["vector"]))
    return views.filter(pa.array(np.isfinite(length) & (length > 0)))


def _search(threshold: float, vectors: NDArray[np.float16], pool: ThreadPoolExecutor) -> Search:
    return Search(vectors, lengths(vectors), np.arange(len(vectors)), threshold, pool)


def _planned(n: int, in_cells: bool, threshold: float, recall: float, seed: int, some: pa.Table) -> pa.Table:
    """_PLAN, one row, of the sample."""
    ordered = some.sort_by("key")
    vectors = rows_of(ordered["vector"])
    if not len(vectors):
        return _PLAN.empty_table()
    with threadpool_limits(1), ThreadPoolExecutor(1) as pool:
        search = _search(threshold, vectors, pool)
        queries = search.asked(seed)
        if in_cells:
            plan = search.plan(n, recall, seed)
            centroids, reach, spent = plan.cells.centroids, plan.reach, plan.comparisons + n * len(plan.cells.centroids)
        else:  # all in one cell
            centroids, reach, spent = search.rows[:1].astype(np.float32), 0.0, 0
    row = {
        "centroids": centroids.astype("<f4").tobytes(),
        "count": len(centroids),
        "reach": reach,
        "comparisons": spent,
        "asked": ordered["key"].take(pa.array(queries, pa.int64())).to_pylist(),
        "queries": vectors[queries].tobytes(),
    }
    return pa.Table.from_pylist([row], _PLAN)


@lru_cache(maxsize=1)
def _cells(centroids: bytes, count: int) -> Cells:
    centres = np.frombuffer(centroids, "<f4").reshape(count, -1)
    return Cells(centres, apart(centres))


def _visiting(plan: dict[str, Any], views: pa.Table) -> pa.Table:
    """_VISITS: each view in its home and in the cells that it visits."""
    vectors = rows_of(views["vector"])
    if not len(vectors):
        return _VISITS.empty_table()
    rows = quantise(vectors, np.arange(len(vectors)), lengths(vectors))
    with threadpool_limits(1):
        home, row, cell = _cells(plan["centroids"], plan["count"]).visits(rows, plan["reach"])
    places = pa.array(np.r_[np.arange(len(rows)), row], pa.int64())
    arrays = [
        pa.array(np.r_[home, cell]),
        views["key"].take(places),
        pa.array(np.r_[np.ones(len(home), np.int64), np.zeros(len(row), np.int64)]),
        views["vector"].take(places),
    ]
    return pa.table(arrays, schema=_VISITS)


def _search_cells(threshold: float, visits: pa.Table) -> pa.Table:
    """PAIRS of whole cells."""
    tables = [PAIRS.empty_table()]
    with threadpool_limits(1), ThreadPoolExecutor(1) as pool:
        for cell in _by_cell(visits):
            search = _search(threshold, rows_of(cell["vector"]), pool)
            home = cell["home"].to_numpy() == 1
            x, y = in_cell(search.rows, np.flatnonzero(home), np.flatnonzero(~home), search.product)
            x, y, cosine = search.verified(x, y)
            tables.append(_pairs(cell["key"], x, y, cosine))
    return pa.concat_tables(tables)


def _by_cell(visits: pa.Table) -> Iterator[pa.Table]:
    ordered = visits.sort_by([("cell", "ascending"), ("key", "ascending")])
    cells = ordered["cell"].to_numpy()
    bounds = np.flatnonzero(np.r_[True, cells[1:] != cells[:-1]][: len(cells)])
    for start, end in zip(bounds, np.r_[bounds, len(cells)][1:], strict=True):
        yield ordered.slice(int(start), int(end - start))


def _brute_force(plan: dict[str, Any], threshold: float, views: pa.Table) -> pa.Table:
    """PAIRS of the queries with these views, by brute force."""
    if not len(views) or not plan["asked"]:
        return PAIRS.empty_table()
    vectors = rows_of(views["vector"])
    queries = np.frombuffer(plan["queries"], F2).reshape(len(plan["asked"]), -1)
    both = np.concatenate([queries, vectors])
    keys = pa.chunked_array([pa.array(plan["asked"], pa.string()), *views["key"].chunks])
    with threadpool_limits(1), ThreadPoolExecutor(1) as pool:
        search = _search(threshold, both, pool)
        near = search.rows[: len(queries)].astype(np.float32) @ search.rows[len(queries) :].astype(np.float32).T
        x, y = np.nonzero(near >= search.product)
        cosine = np.round(cosines(both, search.length, x, y + len(queries)), DECIMALS)
    enough = cosine >= search.threshold
    return _pairs(keys, x[enough], y[enough] + len(queries), cosine[enough])


def _pairs(keys: pa.ChunkedArray[Any], x: NDArray[Any], y: NDArray[Any], cosine: NDArray[Any]) -> pa.Table:
    """PAIRS of rows, each with the smaller key first, none with itself."""
    a, b = (keys.take(pa.array(side, pa.int64())) for side in (x, y))
    table = pa.table([pc.min_element_wise(a, b), pc.max_element_wise(a, b), pa.array(cosine)], schema=PAIRS)
    return table.filter(pc.not_equal(table["x"], table["y"]))
