"""Who is alike: edges between distinct samples, one function a kind of likeness, from frames to frames.

Exact kinds find every pair, so they give the same edges whatever the order, the machine, or how many batches the samples
came in. Samples that are equal under a kind's own measure (hash, set of hashes, words) are a star
around the smallest id, so a million blank pictures cost a million edges.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.contracts import columns
from dataengine.dedup.values import value_pairs
from dataengine.dedup.video import hash_sets, video_pairs

if TYPE_CHECKING:
    from dataengine.engines.tables import Frame, TableEngine

PERCEPTUAL, VIDEO, TEXT = "perceptual", "video", "text"

_TOLD = columns(a=pa.string(), b=pa.string(), kind=pa.string(), distance=pa.float64(), told=pa.string())
_HASHES = "SELECT id, phash FROM u WHERE kind = 'image' AND phash IS NOT NULL"
_FIRSTS = "SELECT phash AS hash, min(id) AS id FROM p GROUP BY phash"
_FRESH = "SELECT f.hash, CASE WHEN k.hash IS NULL THEN ? ELSE ? END AS fresh FROM f LEFT JOIN k ON f.hash = k.hash"
_STILL = "SELECT o.x, o.y, o.distance FROM o JOIN f AS a ON o.x = a.hash JOIN f AS b ON o.y = b.hash"
_ORDERED = "CASE WHEN x.id < y.id THEN x.id ELSE y.id END AS a, CASE WHEN x.id < y.id THEN y.id ELSE x.id END AS b"
_NEAR = f"""
SELECT {_ORDERED}, ? AS kind, CAST(v.distance AS DOUBLE) AS distance
FROM v JOIN f AS x ON v.x = x.hash JOIN f AS y ON v.y = y.hash
"""
_STAR = """
SELECT f.id AS a, p.id AS b, ? AS kind, CAST(0 AS DOUBLE) AS distance
FROM p JOIN f ON p.phash = f.hash WHERE p.id <> f.id
"""
Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


@dataclass(frozen=True)
class Known:
    """Hashes that were searched before, and the pairs that were found."""

    hashes: Frame
    pairs: Frame


@dataclass(frozen=True)
class Found:
    """Edges of one kind (a, b, kind, distance), and what there is to tell of the search. ``known`` is what a later batch
    starts from, where the kind has such."""

    edges: Frame
    told: Callable[[], dict[str, Any]] = field(default=dict)
    known: Known | None = None


def perceptual(engine: TableEngine, unique: Frame, radius: int, known: Known | None = None) -> Found:
    """Pictures whose pHashes differ in at most ``radius`` bits (0..8), all of them. Those without a hash (flat) are like no
    other. Pairs that are ``known`` are not looked for again."""
    pictures = engine.kept(engine.sql(_HASHES, {"u": unique}))
    firsts = engine.kept(engine.sql(_FIRSTS, {"p": pictures}))
    if known is None:
        values = engine.sql("SELECT hash, ? AS fresh FROM f", {"f": firsts}, (True,))
        pairs = engine.kept(value_pairs(engine, values, radius))
    else:
        values = engine.sql(_FRESH, {"f": firsts, "k": known.hashes}, (True, False))
        old = engine.sql(_STILL, {"o": known.pairs, "f": firsts})
        new = value_pairs(engine, values, radius)
        pairs = engine.kept(engine.sql("SELECT * FROM o UNION ALL SELECT * FROM n", {"o": old, "n": new}))
    near = engine.sql(_NEAR, {"v": pairs, "f": firsts}, (PERCEPTUAL,))
    star = engine.sql(_STAR, {"p": pictures, "f": firsts}, (PERCEPTUAL,))
    edges = engine.sql("SELECT * FROM n UNION ALL SELECT * FROM s", {"n": near, "s": star})
    return Found(edges, known=Known(engine.sql("SELECT hash FROM f", {"f": firsts}), pairs))


def video(engine: TableEngine, unique: Frame, radius: int, overlap: float) -> Found:
    """Videos of which the shorter shares ``overlap`` (0..1] of its frame hashes with the other; one worker's memory."""
    videos = engine.sql("SELECT id, frame_hashes FROM u WHERE kind = 'video'", {"u": unique})
    return _at_once(engine, videos, partial(_videos, radius, overlap))


def text(engine: TableEngine, unique: Frame, threshold: float) -> Found:
    """Samples whose longest captions share ``threshold`` (0..1] of their shingles; one worker's memory."""
    captioned = engine.sql("SELECT id, captions FROM u", {"u": unique})
    return _at_once(engine, captioned, partial(_texts, threshold))


def _at_once(engine: TableEngine, frame: Frame, function: Callable[[pa.Table], pa.Table]) -> Found:
    """Edges by a function that sees all samples, and what it says in one more row, of no edge."""
    found = engine.kept(engine.whole(frame, function, _TOLD))

    def told() -> dict[str, Any]:
        said = engine.collect(engine.sql("SELECT told FROM f WHERE told IS NOT NULL", {"f": found}))
        return {k: v for row in said["told"].to_pylist() for k, v in json.loads(str(row)).items()}

    return Found(engine.sql("SELECT a, b, kind, distance FROM f WHERE told IS NULL", {"f": found}), told)


def _videos(radius: int, overlap: float, videos: pa.Table) -> pa.Table:
    ordered = videos.sort_by("id")
    return _edges(ordered, VIDEO, video_pairs(hash_sets(ordered["frame_hashes"]), radius, overlap), {})


def _texts(threshold: float, captioned: pa.Table) -> pa.Table:
    from dataengine.dedup.measure import longest_captions
    from dataengine.dedup.text import text_pairs

    ordered = captioned.sort_by("id")
    found = text_pairs(pa.chunked_array([longest_captions(ordered)]), threshold)
    told = {"left_out": found.left_out, "candidates": found.candidates, "skipped": found.skipped}
    return _edges(ordered, TEXT, (found.i, found.j, 1 - found.similarity), told)


def _edges(samples: pa.Table, kind: str, pairs: Pairs, told: dict[str, Any]) -> pa.Table:
    if not samples.num_rows:
        return _TOLD.empty_table()
    i, j, distance = pairs
    a, b = (samples["id"].take(pa.array(rows, pa.int64())) for rows in (i, j))
    nothing = pa.nulls(len(i), pa.string())
    edges = pa.table([a, b, pa.repeat(kind, len(i)), pa.array(distance), nothing], names=_TOLD.names)
    row = {"a": "", "b": "", "kind": kind, "distance": 0.0, "told": json.dumps(told, sort_keys=True)}
    return pa.concat_tables([edges.cast(_TOLD), pa.Table.from_pylist([row], schema=_TOLD)])
