"""Semantic near-duplicate edges: pictures with near embeddings, which template matching may have to confirm (confirm_stage.py).

They are found anew with each batch, by products of matrices; what costs is to embed a picture and to confirm a pair
(up to 1 ms and core), and neither is done twice: embeddings are files of their own, and verdicts are handed on to the next batch.
So the edges are those of a search of all at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine.contracts import columns
from dataengine.dedup.kinds import SEMANTIC
from dataengine.dedup.search_result import EDGE_ROWS, SearchResult, edge_rows, split_facts
from dataengine.dedup.semantic_distributed import VIEWS, spread_pairs
from dataengine.embed.vectors import rows_of

if TYPE_CHECKING:
    from dataengine.table_engine import Frame, TableEngine

_VECTORS = 'SELECT id, "view", vector FROM v WHERE vector IS NOT NULL'
_LONGEST = 'SELECT id, vector AS text FROM c WHERE "longest"'
_WITH_TEXT = (
    'SELECT v.id AS id, v."view" AS "view", v.vector AS vector, c.text AS text FROM v LEFT JOIN c ON v.id = c.id'
)
_BOTH_TEXTS = """
SELECT p.a AS a, p.b AS b, p.cosine AS cosine, q.text AS x, r.text AS y FROM p JOIN t AS q ON p.a = q.id JOIN t AS r ON p.b = r.id
"""
_COSINES = columns(a=pa.string(), b=pa.string(), cosine=pa.float64())
_EDGES = columns(a=pa.string(), b=pa.string(), kind=pa.string(), distance=pa.float64())
_DECIMALS = 4
#: Pictures that are compared in one task of a cluster: sooner done than its many small ones.
FEW = 100_000

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


def semantic(
    engine: TableEngine,
    views: Frame,
    threshold: float,
    captions: tuple[Frame, float] | None = None,
) -> SearchResult:
    """Pictures with views of contracts.EMBEDDINGS at cosine ``threshold`` or more. With ``captions`` (CAPTION_EMBEDDINGS and a
    cosine) their longest captions must be as near, too."""
    vectors = engine.sql(_VECTORS, {"v": views})
    texts, text = (None, None) if captions is None else (engine.sql(_LONGEST, {"c": captions[0]}), captions[1])
    if engine.spread and _many(engine, vectors):
        near, facts = _distributed(engine, vectors, threshold, texts, text)
    else:
        if texts is not None:
            vectors = engine.sql(_WITH_TEXT, {"v": vectors, "c": texts})
        near, facts = split_facts(engine, engine.whole(vectors, partial(candidates, threshold, text), EDGE_ROWS))
    return SearchResult(near, facts)


def candidates(threshold: float, text: float | None, views: pa.Table) -> pa.Table:
    """EDGE_ROWS (distance: 1 - cosine) of all views (id, view, vector and, for a cosine ``text`` of captions, text) at once."""
    from dataengine.dedup.semantic import semantic_pairs

    if not views.num_rows:
        return EDGE_ROWS.empty_table()
    # Whole views stand first: of equal vectors the first one has all edges, and an edge of two inner views is none.
    ordered = views.sort_by([("view", "ascending"), ("id", "ascending")])
    whole = ordered.filter(pc.equal(ordered["view"], pa.scalar(0, pa.int8())))
    pairs = semantic_pairs(rows_of(ordered["vector"]), threshold)
    owner = pc.index_in(ordered["id"], value_set=whole["id"].combine_chunks()).to_numpy().astype(np.int64)
    a, b = owner[pairs.i], owner[pairs.j]
    between = (pairs.i < len(whole)) & (a != b)
    a, b, cosine = _nearest(np.minimum(a, b)[between], np.maximum(a, b)[between], pairs.similarity[between])
    if text is not None:
        agree = _captions_agree(whole["text"], a, b, text)
        a, b, cosine = a[agree], b[agree], cosine[agree]
    facts = {
        "vectors": len(owner),
        "left_out": pairs.left_out,
        "candidates": len(a),
        "comparisons": pairs.comparisons,
        "brute_force": pairs.brute_force,
        "recall": pairs.recall,
        "recall_of": pairs.sampled,
    }
    return edge_rows(whole["id"], SEMANTIC, (a, b, np.round(1 - cosine, _DECIMALS)), facts)


def _distributed(
    engine: TableEngine, vectors: Frame, threshold: float, texts: Frame | None, text: float | None
) -> tuple[Frame, Callable[[], dict[str, Any]]]:
    """What ``candidates`` tells, by all workers."""
    pairs, facts = spread_pairs(engine, engine.local(vectors, (), _keyed, VIEWS), threshold)
    named = engine.local(pairs, (), _named, _COSINES)
    near = engine.sql("SELECT a, b, max(cosine) AS cosine FROM p GROUP BY a, b", {"p": named})
    if texts is not None and text is not None:
        near = engine.local(engine.sql(_BOTH_TEXTS, {"p": near, "t": texts}), (), partial(_agreed, text), _COSINES)
    edges = engine.kept(engine.local(near, (), _edges, _EDGES))
    count = engine.sql("SELECT CAST(count(*) AS BIGINT) AS n FROM e", {"e": edges})
    return edges, lambda: {**facts(), "candidates": engine.collect(count)["n"][0].as_py()}


def _many(engine: TableEngine, vectors: Frame) -> bool:
    count = engine.sql('SELECT CAST(count(*) AS BIGINT) AS n FROM v WHERE "view" = 0', {"v": vectors})
    return bool(engine.collect(count)["n"][0].as_py() > FEW)


def _keyed(vectors: pa.Table) -> pa.Table:
    """VIEWS of (id, view, vector)."""
    view = pc.cast(vectors["view"], pa.string())
    key: Any = pc.binary_join_element_wise(view, vectors["id"], pa.scalar(""))  # type: ignore[call-overload]
    return pa.table([key, vectors["vector"]], schema=VIEWS)


def _named(pairs: pa.Table) -> pa.Table:
    """Pairs of views as pairs of samples; two insides are none."""
    view, other = (pc.utf8_slice_codeunits(pairs[side], 0, 1) for side in ("x", "y"))
    a, b = (pc.utf8_slice_codeunits(pairs[side], 1) for side in ("x", "y"))
    first = pc.or_(pc.equal(view, pa.scalar("0")), pc.equal(other, pa.scalar("0")))
    arrays = [pc.min_element_wise(a, b), pc.max_element_wise(a, b), pairs["cosine"]]
    return pa.table(arrays, schema=_COSINES).filter(pc.and_(first, pc.not_equal(a, b)))


def _agreed(threshold: float, pairs: pa.Table) -> pa.Table:
    both = pa.chunked_array([*pairs["x"].chunks, *pairs["y"].chunks], pa.binary())
    n = np.arange(len(pairs))
    agree = _captions_agree(both, n, n + len(n), threshold)
    return pairs.select(_COSINES.names).filter(pa.array(agree))


def _edges(near: pa.Table) -> pa.Table:
    distance = np.round(1 - near["cosine"].to_numpy(), _DECIMALS)
    return pa.table([near["a"], near["b"], pa.repeat(SEMANTIC, len(near)), pa.array(distance)], schema=_EDGES)


def _nearest(a: Int64, b: Int64, cosine: Float64) -> tuple[Int64, Int64, Float64]:
    """Of several views of one pair the nearest; sorted."""
    order = np.lexsort((-cosine, b, a))
    a, b, cosine = a[order], b[order], cosine[order]
    fresh = np.r_[True, (a[1:] != a[:-1]) | (b[1:] != b[:-1])][: len(a)]
    return a[fresh], b[fresh], cosine[fresh]


def _captions_agree(column: pa.ChunkedArray[Any], a: Int64, b: Int64, threshold: float) -> NDArray[np.bool_]:
    """Which pairs have captions that are near, too; a picture without one agrees with none."""
    from dataengine.dedup.semantic import also_similar

    vectors = rows_of(column)
    every = np.zeros((len(column), vectors.shape[1] or 1), np.float16)
    every[column.is_valid().to_numpy()] = vectors
    return also_similar((a, b), every, threshold)
