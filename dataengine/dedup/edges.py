"""Near-duplicate edges between distinct samples: one function a kind of similarity, from frames to frames.

Exact kinds find every pair, so they give the same edges whatever the order, the machine, or how many batches the samples
came in. Samples that are equal under a kind's own measure (pixels, hash, set of hashes, words) are a star
around the smallest id, so a million blank pictures cost a million edges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from dataengine.contracts import columns
from dataengine.dedup.captions import longest_captions
from dataengine.dedup.hash_pairs import VALUE_PAIRS, value_pairs
from dataengine.dedup.hash_sets import hash_sets
from dataengine.dedup.kinds import PERCEPTUAL, PIXELS, TEXT, VIDEO
from dataengine.dedup.search_result import EDGE_ROWS, Known, Searched, SearchResult, edge_rows, split_facts
from dataengine.dedup.text_distributed import text_edges
from dataengine.dedup.video import digests, near_sets

if TYPE_CHECKING:
    from dataengine.table_engine import Frame, TableEngine

_PICTURES = "SELECT id, phash AS value FROM u WHERE kind = 'image' AND phash IS NOT NULL"
_FIRSTS = "SELECT value AS hash, min(id) AS id FROM p GROUP BY value"
_FRESH = "SELECT f.hash, CASE WHEN k.hash IS NULL THEN ? ELSE ? END AS fresh FROM f LEFT JOIN k ON f.hash = k.hash"
_STILL = "SELECT o.x, o.y, o.distance FROM o JOIN f AS a ON o.x = a.hash JOIN f AS b ON o.y = b.hash"
_ORDERED = "CASE WHEN x.id < y.id THEN x.id ELSE y.id END AS a, CASE WHEN x.id < y.id THEN y.id ELSE x.id END AS b"
_NEAR = f"""
SELECT {_ORDERED}, ? AS kind, CAST(v.distance AS DOUBLE) AS distance
FROM v JOIN f AS x ON v.x = x.hash JOIN f AS y ON v.y = y.hash
"""
_STAR = """
SELECT f.id AS a, p.id AS b, ? AS kind, CAST(0 AS DOUBLE) AS distance
FROM p JOIN f ON p.value = f.hash WHERE p.id <> f.id
"""
_VALUED = columns(id=pa.string(), value=pa.string(), frame_hashes=pa.list_(pa.int64()))
_SETS = """
SELECT v.hash AS hash, v.fresh AS fresh, p.frame_hashes AS frame_hashes
FROM v JOIN f ON v.hash = f.hash JOIN p ON p.id = f.id
"""
_SET_PAIRS = columns(x=pa.string(), y=pa.string(), distance=pa.float64())

#: What perceptual and video hand on to a later search.
HASHES = {"hashes": columns(hash=VALUE_PAIRS.field("x").type), "pairs": VALUE_PAIRS}
SETS = {"hashes": columns(hash=pa.string()), "pairs": _SET_PAIRS}

#: From distinct values (hash, fresh) to pairs of them (x, y, distance) of which one is fresh.
Search = Callable[["Frame"], "Frame"]


def pixels(engine: TableEngine, prints: Frame) -> SearchResult:
    """Pictures of contracts.FINGERPRINTS with equal pixels."""
    valued = engine.kept(engine.sql("SELECT id, pixels AS value FROM f WHERE pixels IS NOT NULL", {"f": prints}))
    return SearchResult(engine.sql(_STAR, {"p": valued, "f": engine.sql(_FIRSTS, {"p": valued})}, (PIXELS,)))


def perceptual(engine: TableEngine, unique: Frame, radius: int, known: Known | None = None) -> SearchResult:
    """Pictures whose pHashes differ in at most ``radius`` bits (0..8), all of them. Those without a hash (flat) are like no
    other. Pairs that are ``known`` are not looked for again."""

    def search(values: Frame) -> Frame:
        return value_pairs(engine, values, radius)

    return between_values(engine, PERCEPTUAL, *hashed(engine, unique), search, HASHES, known)


def hashed(engine: TableEngine, unique: Frame) -> tuple[Frame, Frame]:
    """Pictures that have a hash (id, value), and the first of each (hash, id)."""
    pictures = engine.kept(engine.sql(_PICTURES, {"u": unique}))
    return pictures, engine.kept(engine.sql(_FIRSTS, {"p": pictures}))


def video(engine: TableEngine, unique: Frame, radius: int, overlap: float, known: Known | None = None) -> SearchResult:
    """Videos of which the shorter shares ``overlap`` (0..1] of its frame hashes with the other; distinct sets of hashes in one
    worker's memory. Pairs that are ``known`` are not looked for again."""
    videos = engine.sql("SELECT id, frame_hashes FROM u WHERE kind = 'video'", {"u": unique})
    valued = engine.kept(engine.local(videos, (), _valued, _VALUED))
    firsts = engine.kept(engine.sql(_FIRSTS, {"p": valued}))

    def search(values: Frame) -> Frame:
        sets = engine.sql(_SETS, {"v": values, "f": firsts, "p": valued})
        return engine.whole(sets, partial(_set_pairs, radius, overlap), _SET_PAIRS)

    return between_values(engine, VIDEO, valued, firsts, search, SETS, known)


def text(engine: TableEngine, unique: Frame, threshold: float) -> SearchResult:
    """Samples whose longest captions share ``threshold`` (0..1] of their shingles."""
    captioned = engine.sql("SELECT id, captions FROM u", {"u": unique})
    if engine.spread:
        return SearchResult(*text_edges(engine, captioned, TEXT, threshold))
    rows = engine.kept(engine.whole(captioned, partial(_texts, threshold), EDGE_ROWS))
    return SearchResult(*split_facts(engine, rows))


def between_values(
    engine: TableEngine,
    kind: str,
    valued: Frame,
    firsts: Frame,
    search: Search,
    schemas: Mapping[str, pa.Schema],
    known: Known | None,
) -> SearchResult:
    """Edges between the first samples of near values (``valued``: id, value; ``firsts``: hash, id), and stars of equal ones."""
    if known is None:
        pairs = engine.kept(search(engine.sql("SELECT hash, ? AS fresh FROM f", {"f": firsts}, (True,))))
    else:
        values = engine.sql(_FRESH, {"f": firsts, "k": known["hashes"]}, (True, False))
        old = engine.sql(_STILL, {"o": known["pairs"], "f": firsts})
        pairs = engine.kept(engine.sql("SELECT * FROM o UNION ALL SELECT * FROM n", {"o": old, "n": search(values)}))
    near = engine.sql(_NEAR, {"v": pairs, "f": firsts}, (kind,))
    star = engine.sql(_STAR, {"p": valued, "f": firsts}, (kind,))
    edges = engine.sql("SELECT * FROM n UNION ALL SELECT * FROM s", {"n": near, "s": star})
    hashes = Searched(engine.sql("SELECT hash FROM f", {"f": firsts}), schemas["hashes"], ("hash",))
    return SearchResult(edges, searched={"hashes": hashes, "pairs": Searched(pairs, schemas["pairs"], ("x", "y"))})


def _valued(videos: pa.Table) -> pa.Table:
    """_VALUED of the videos that have hashes."""
    sets = hash_sets(videos["frame_hashes"])
    arrays = [videos["id"], pa.array(digests(sets)), videos["frame_hashes"]]
    return pa.table(arrays, schema=_VALUED).filter(pa.array(sets.sizes > 0))


def _set_pairs(radius: int, overlap: float, values: pa.Table) -> pa.Table:
    ordered = values.sort_by("hash")
    if not len(ordered):
        return _SET_PAIRS.empty_table()
    fresh = ordered["fresh"].to_numpy()
    i, j, distance = near_sets(hash_sets(ordered["frame_hashes"]), radius, overlap, fresh)
    x, y = (ordered["hash"].take(pa.array(rows, pa.int64())) for rows in (i, j))
    return pa.table([x, y, pa.array(distance)], schema=_SET_PAIRS)


def _texts(threshold: float, captioned: pa.Table) -> pa.Table:
    from dataengine.dedup.text import text_pairs

    if not captioned.num_rows:
        return EDGE_ROWS.empty_table()
    ordered = captioned.sort_by("id")
    pairs = text_pairs(pa.chunked_array([longest_captions(ordered)]), threshold)
    facts: dict[str, Any] = {"left_out": pairs.left_out, "candidates": pairs.candidates, "skipped": pairs.skipped}
    return edge_rows(ordered["id"], TEXT, (pairs.i, pairs.j, np.asarray(1 - pairs.similarity)), facts)
