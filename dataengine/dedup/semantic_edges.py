"""Semantic edges: pictures with near embeddings, of which one can be laid on the other.

Candidates are found anew with each batch, by products of matrices; what costs is to embed a picture and to confirm a pair
(6 ms and core), and neither is done twice: embeddings are files of their own, and verdicts are handed on to the next batch.
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
from dataengine.dedup.confirmation_cache import confirmed, rows_of
from dataengine.dedup.search_result import TOLD, Found, Known, edges_told, told_rows
from dataengine.dedup.semantic_distributed import VIEWS, spread_pairs

if TYPE_CHECKING:
    from dataengine.table_engine import Frame, TableEngine

SEMANTIC = "semantic"

_VECTORS = 'SELECT id, vector, "inner" AS "inner", text FROM f WHERE vector IS NOT NULL'
_SAID = """
SELECT p.a AS a, p.b AS b, p.cosine AS cosine, q.text AS x, r.text AS y FROM p JOIN t AS q ON p.a = q.id JOIN t AS r ON p.b = r.id
"""
_COSINES = columns(a=pa.string(), b=pa.string(), cosine=pa.float64())
_EDGES = columns(a=pa.string(), b=pa.string(), kind=pa.string(), distance=pa.float64())
_DECIMALS = 4
#: Pictures that are compared in one task of a cluster: sooner done than its many small ones.
FEW = 100_000
_F2 = np.dtype("<f2")

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


def semantic(
    engine: TableEngine,
    prints: Frame,
    threshold: float,
    *,
    text: float | None = None,
    confirm: bool = True,
    known: Known | None = None,
) -> Found:
    """Pictures of contracts.FINGERPRINTS at cosine ``threshold`` or more, at cosine ``text`` or more of their captions where that
    is given, and confirmed as copies."""
    vectors = engine.sql(_VECTORS, {"f": prints})
    if engine.spread and _many(engine, vectors):
        near, told = _spread(engine, vectors, threshold, text)
    else:
        found = engine.whole(vectors, partial(candidates, threshold, text), TOLD)
        near, told = edges_told(engine, found)
    if not confirm:
        return Found(near, told)
    edges, verdicts = confirmed(engine, near, prints, known)
    return Found(edges, told, {"verdicts": verdicts})


def candidates(threshold: float, text: float | None, prints: pa.Table) -> pa.Table:
    """TOLD (distance: 1 - cosine) of all fingerprints at once."""
    from dataengine.dedup.semantic import semantic_pairs

    if not prints.num_rows:
        return TOLD.empty_table()
    ordered = prints.sort_by("id")
    first, inner = rows_of(ordered["vector"], _F2), rows_of(ordered["inner"], _F2)
    # First views stand first: of equal vectors the first one has all edges, and an edge of two inner views is none.
    found = semantic_pairs(np.concatenate([first, inner.reshape(-1, first.shape[1])]), threshold)
    owner = np.r_[np.arange(len(first)), np.flatnonzero(ordered["inner"].is_valid().to_numpy())]
    a, b = owner[found.i], owner[found.j]
    asked = (found.i < len(first)) & (a != b)
    a, b, cosine = _nearest(np.minimum(a, b)[asked], np.maximum(a, b)[asked], found.similarity[asked])
    if text is not None:
        agree = _captions_agree(ordered["text"], a, b, text)
        a, b, cosine = a[agree], b[agree], cosine[agree]
    told = {
        "vectors": len(owner),
        "left_out": found.left_out,
        "candidates": len(a),
        "comparisons": found.comparisons,
        "brute_force": found.brute_force,
        "recall": found.recall,
        "recall_of": found.sampled,
    }
    return told_rows(ordered["id"], SEMANTIC, (a, b, np.round(1 - cosine, _DECIMALS)), told)


def _spread(
    engine: TableEngine, vectors: Frame, threshold: float, text: float | None
) -> tuple[Frame, Callable[[], dict[str, Any]]]:
    """What ``candidates`` tells, by all workers."""
    pairs, told = spread_pairs(engine, engine.local(vectors, (), _views, VIEWS), threshold)
    named = engine.local(pairs, (), _named, _COSINES)
    near = engine.sql("SELECT a, b, max(cosine) AS cosine FROM p GROUP BY a, b", {"p": named})
    if text is not None:
        near = engine.local(engine.sql(_SAID, {"p": near, "t": vectors}), (), partial(_agreed, text), _COSINES)
    edges = engine.kept(engine.local(near, (), _edges, _EDGES))
    count = engine.sql("SELECT CAST(count(*) AS BIGINT) AS n FROM e", {"e": edges})
    return edges, lambda: {**told(), "candidates": engine.collect(count)["n"][0].as_py()}


def _many(engine: TableEngine, vectors: Frame) -> bool:
    told = engine.collect(engine.sql("SELECT CAST(count(*) AS BIGINT) AS n FROM v", {"v": vectors}))
    return bool(told["n"][0].as_py() > FEW)


def _views(vectors: pa.Table) -> pa.Table:
    inner = vectors.filter(vectors["inner"].is_valid())
    keys = [_key("0", vectors["id"]), _key("1", inner["id"])]
    told = [pa.chunked_array(keys), pa.chunked_array([*vectors["vector"].chunks, *inner["inner"].chunks], pa.binary())]
    return pa.table(told, schema=VIEWS)


def _key(view: str, ids: pa.ChunkedArray[Any]) -> Any:
    named: Any = pc.binary_join_element_wise(pa.scalar(view), ids.combine_chunks(), pa.scalar(""))  # type: ignore[call-overload]
    return named


def _named(pairs: pa.Table) -> pa.Table:
    """Pairs of views as pairs of samples; two insides are none."""
    view, other = (pc.utf8_slice_codeunits(pairs[side], 0, 1) for side in ("x", "y"))
    a, b = (pc.utf8_slice_codeunits(pairs[side], 1) for side in ("x", "y"))
    first = pc.or_(pc.equal(view, pa.scalar("0")), pc.equal(other, pa.scalar("0")))
    told = [pc.min_element_wise(a, b), pc.max_element_wise(a, b), pairs["cosine"]]
    return pa.table(told, schema=_COSINES).filter(pc.and_(first, pc.not_equal(a, b)))


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

    told = rows_of(column, _F2)
    every = np.zeros((len(column), told.shape[1] or 1), np.float16)
    every[column.is_valid().to_numpy()] = told
    return also_similar((a, b), every, threshold)
