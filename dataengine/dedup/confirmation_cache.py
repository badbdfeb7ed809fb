"""Confirms pairs of pictures on their thumbnails, with a cache of the verdicts of earlier searches.

A verdict depends on two fingerprints alone, so the verdicts of batches are those of a search of all at once.
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
from dataengine.dedup.search_result import Known, Searched
from dataengine.embed.vectors import rows_of
from dataengine.media.measures import SHAPE

if TYPE_CHECKING:
    from dataengine.table_engine import Frame, TableEngine

#: Of what confirms a pair (confirm.py), from thumbnails on; here, so that who names it need not compile it.
CONFIRM_VERSION = "gradients-2"
#: Whether a pair of pictures is one picture edited; ``a < b``.
VERDICTS = columns(a=pa.string(), b=pa.string(), alike=pa.bool_())
_BESIDE = """
SELECT p.a AS a, p.b AS b, p.bits AS bits, x.thumbnail AS x, y.thumbnail AS y
FROM p JOIN t AS x ON p.a = x.id JOIN t AS y ON p.b = y.id
"""
_NEW = "SELECT c.a AS a, c.b AS b, c.bits AS bits FROM c LEFT JOIN k ON c.a = k.a AND c.b = k.b WHERE k.a IS NULL"
_STILL = "SELECT k.a AS a, k.b AS b, k.alike AS alike FROM k JOIN c ON c.a = k.a AND c.b = k.b"
_ALIKE = "SELECT c.a AS a, c.b AS b, c.kind, c.distance FROM c JOIN v ON c.a = v.a AND c.b = v.b WHERE v.alike"
#: Pairs that are judged at once, sorted by tiles of pictures.
CHUNK, _TILE = 64, 8

Int64 = NDArray[np.int64]


def confirmed(
    engine: TableEngine, near: Frame, prints: Frame, known: Known | None, *, bits: bool = False
) -> tuple[Frame, Searched]:
    """Of ``near`` (a, b, kind, distance) the edges that are confirmed on contracts.FINGERPRINTS, and the verdicts. ``bits``:
    distances are bits of hashes, and pairs of few are held to less (confirm.py)."""
    apart = "distance" if bits else "CAST(NULL AS DOUBLE)"
    pairs = engine.sql(f"SELECT a, b, {apart} AS bits FROM c", {"c": near})
    thumbnails = engine.sql("SELECT id, thumbnail FROM f WHERE thumbnail IS NOT NULL", {"f": prints})
    if known is None:
        verdicts = engine.kept(_judged(engine, pairs, thumbnails))
    else:
        frames = {"c": pairs, "k": known["verdicts"]}
        both = {"s": engine.sql(_STILL, frames), "n": _judged(engine, engine.sql(_NEW, frames), thumbnails)}
        verdicts = engine.kept(engine.sql("SELECT * FROM s UNION ALL SELECT * FROM n", both))
    return engine.sql(_ALIKE, {"c": near, "v": verdicts}), Searched(verdicts, VERDICTS, ("a", "b"))


def _judged(engine: TableEngine, pairs: Frame, thumbnails: Frame) -> Frame:
    """VERDICTS of pairs (a, b, bits). In one process thumbnails are looked up, on a cluster they travel beside the pairs."""
    if engine.spread:
        return engine.local(engine.sql(_BESIDE, {"p": pairs, "t": thumbnails}), (), _judge_joined, VERDICTS)
    return engine.local(pairs, (), partial(_judge_looked_up, engine.collect(thumbnails)), VERDICTS)


def _judge_joined(pairs: pa.Table) -> pa.Table:
    sides = [pa.table({"id": pairs[side], "thumbnail": pairs[shown]}) for side, shown in (("a", "x"), ("b", "y"))]
    every = pa.concat_tables(sides)
    first = every.append_column("row", pa.array(np.arange(len(every)))).group_by("id").aggregate([("row", "min")])
    return _judge_looked_up(every.take(first["row_min"]), pairs)


def _judge_looked_up(thumbnails: pa.Table, pairs: pa.Table) -> pa.Table:
    """In chunks of pairs that share pictures, on all cores."""
    from dataengine.dedup.confirm import confirm

    places = np.stack([_places(thumbnails["id"], pairs[side]) for side in ("a", "b")], axis=1)
    every, bits = _pictures(thumbnails["thumbnail"]), _bits(pairs)
    order = tiled(places)
    verdicts = np.zeros(len(pairs), np.bool_)

    def judge(start: int) -> None:
        chunk = order[start : start + CHUNK]
        verdicts[chunk] = confirm(every, places[chunk], bits[chunk])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(judge, range(0, len(pairs), CHUNK)):
            pass
    return pa.table([pairs["a"], pairs["b"], pa.array(verdicts)], schema=VERDICTS)


def tiled(pairs: Int64) -> Int64:
    """The order in which neighbours among ``(n, 2)`` pairs share pictures."""
    order: Int64 = np.lexsort([*pairs.T, *(pairs // _TILE).T])
    return order


def _pictures(column: pa.ChunkedArray[Any]) -> NDArray[np.uint8]:
    return rows_of(column, np.dtype(np.uint8)).reshape(-1, *SHAPE)


def _bits(pairs: pa.Table) -> NDArray[np.float64]:
    """Not a number, and so not few, where there are none."""
    return pairs["bits"].to_numpy().astype(np.float64)


def _places(ids: pa.ChunkedArray[Any], wanted: pa.ChunkedArray[Any]) -> Int64:
    places: Int64 = pc.index_in(wanted, value_set=ids.combine_chunks()).to_numpy().astype(np.int64)
    return places
