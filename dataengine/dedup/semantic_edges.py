"""Semantic edges: pictures with near embeddings, of which one can be laid on the other.

Candidates are found anew with each batch, by products of matrices; what costs is to embed a picture and to confirm a pair
(6 ms and core), and neither is done twice: embeddings are files of their own, and verdicts are handed on to the next batch.
So the edges are those of a search of all at once.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine.contracts import columns
from dataengine.dedup.found import TOLD, Found, Known, Searched, edges_told, told_rows
from dataengine.dedup.views import SHAPE

if TYPE_CHECKING:
    from dataengine.engines.tables import Frame, TableEngine

SEMANTIC = "semantic"

#: Whether a pair of pictures is one picture edited; ``a < b``.
VERDICTS = columns(a=pa.string(), b=pa.string(), alike=pa.bool_())
_VECTORS = 'SELECT id, vector, "inner" AS "inner", text FROM f WHERE vector IS NOT NULL'
_BESIDE = """
SELECT p.a AS a, p.b AS b, x.thumbnail AS x, y.thumbnail AS y FROM p JOIN t AS x ON p.a = x.id JOIN t AS y ON p.b = y.id
"""
_NEW = "SELECT c.a AS a, c.b AS b FROM c LEFT JOIN k ON c.a = k.a AND c.b = k.b WHERE k.a IS NULL"
_STILL = "SELECT k.a AS a, k.b AS b, k.alike AS alike FROM k JOIN c ON c.a = k.a AND c.b = k.b"
_ALIKE = "SELECT c.a AS a, c.b AS b, c.kind, c.distance FROM c JOIN v ON c.a = v.a AND c.b = v.b WHERE v.alike"
_CHUNK = 256
_DECIMALS = 4

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
    is given, and confirmed as copies. Candidates are compared in one worker's memory, confirmed in all."""
    vectors = engine.sql(_VECTORS, {"f": prints})
    found = engine.kept(engine.whole(vectors, partial(candidates, threshold, text), TOLD))
    near, told = edges_told(engine, found)
    if not confirm:
        return Found(near, told)
    pairs = engine.sql("SELECT a, b FROM c", {"c": near})
    thumbnails = engine.sql("SELECT id, thumbnail FROM f WHERE thumbnail IS NOT NULL", {"f": prints})
    if known is None:
        verdicts = engine.kept(_judged(engine, pairs, thumbnails))
    else:
        asked = {"c": pairs, "k": known["verdicts"]}
        new = _judged(engine, engine.sql(_NEW, asked), thumbnails)
        both = {"s": engine.sql(_STILL, asked), "n": new}
        verdicts = engine.kept(engine.sql("SELECT * FROM s UNION ALL SELECT * FROM n", both))
    edges = engine.sql(_ALIKE, {"c": near, "v": verdicts})
    return Found(edges, told, {"verdicts": Searched(verdicts, VERDICTS, ("a", "b"))})


def candidates(threshold: float, text: float | None, prints: pa.Table) -> pa.Table:
    """TOLD (distance: 1 - cosine) of all fingerprints at once."""
    from dataengine.dedup.semantic import semantic_pairs

    if not prints.num_rows:
        return TOLD.empty_table()
    ordered = prints.sort_by("id")
    first, inner = vectors(ordered["vector"]), vectors(ordered["inner"])
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


def vectors(column: pa.ChunkedArray[Any]) -> NDArray[np.float16]:
    """``(n, d) float16`` of the rows that are not null."""
    return _rows(column, np.dtype("<f2"))


def pictures(column: pa.ChunkedArray[Any]) -> NDArray[np.uint8]:
    """``(n, *SHAPE) uint8`` of a column of thumbnails without nulls."""
    return _rows(column, np.dtype(np.uint8)).reshape(-1, *SHAPE)


def _rows(column: pa.ChunkedArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """``(n, width)`` of binary values of one length, nulls left out; ``(0, 0)`` where there are none."""
    found = []
    for chunk in column.drop_null().chunks:
        _, offsets, data = (memoryview(b) if b is not None else b"" for b in chunk.buffers())
        if len(chunk):
            first, last = np.frombuffer(offsets, np.int32)[[chunk.offset, chunk.offset + len(chunk)]]
            values = np.frombuffer(data, np.uint8)[first:last].view(dtype)
            found.append(values.reshape(len(chunk), -1))
    return np.concatenate(found) if found else np.zeros((0, 0), dtype)


def _nearest(a: Int64, b: Int64, cosine: Float64) -> tuple[Int64, Int64, Float64]:
    """Of several views of one pair the nearest; sorted."""
    order = np.lexsort((-cosine, b, a))
    a, b, cosine = a[order], b[order], cosine[order]
    fresh = np.r_[True, (a[1:] != a[:-1]) | (b[1:] != b[:-1])][: len(a)]
    return a[fresh], b[fresh], cosine[fresh]


def _captions_agree(column: pa.ChunkedArray[Any], a: Int64, b: Int64, threshold: float) -> NDArray[np.bool_]:
    """Which pairs have captions that are near, too; a picture without one agrees with none."""
    from dataengine.dedup.semantic import also_similar

    told = vectors(column)
    every = np.zeros((len(column), told.shape[1] or 1), np.float16)
    every[column.is_valid().to_numpy()] = told
    return also_similar((a, b), every, threshold)


def _judged(engine: TableEngine, pairs: Frame, thumbnails: Frame) -> Frame:
    """VERDICTS of pairs (a, b). In one process thumbnails are looked up, on a cluster they travel beside the pairs."""
    if engine.spread:
        beside = engine.sql(_BESIDE, {"p": pairs, "t": thumbnails})
        return engine.local(beside, (), _verdicts_beside, VERDICTS)
    return engine.local(pairs, (), partial(_verdicts, thumbnails), VERDICTS)


def _verdicts_beside(pairs: pa.Table) -> pa.Table:
    from dataengine.dedup.confirm import confirm

    alike = confirm(pictures(pairs["x"]), pictures(pairs["y"]))
    return pa.table([pairs["a"], pairs["b"], pa.array(alike)], schema=VERDICTS)


def _verdicts(thumbnails: pa.Table, pairs: pa.Table) -> pa.Table:
    from dataengine.dedup.confirm import confirm

    x, y = (_places(thumbnails["id"], pairs[side]) for side in ("a", "b"))
    every = pictures(thumbnails["thumbnail"])
    chunks = range(0, len(pairs), _CHUNK)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        alike = list(pool.map(lambda k: confirm(every[x[k : k + _CHUNK]], every[y[k : k + _CHUNK]]), chunks))
    told = np.concatenate([np.zeros(0, np.bool_), *alike])
    return pa.table([pairs["a"], pairs["b"], pa.array(told)], schema=VERDICTS)


def _places(ids: pa.ChunkedArray[Any], asked: pa.ChunkedArray[Any]) -> Int64:
    found: Int64 = pc.index_in(asked, value_set=ids.combine_chunks()).to_numpy().astype(np.int64)
    return found
