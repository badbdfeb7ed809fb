"""Neighbours on rings of samples, on frames: a worker sees an arc of a ring and the few samples after it.

A ring of more samples than ``ROWS_PER_ARC`` is cut by the first hex digits of the position, which is a hash, so its arcs are of
like size and each has far more than ``REACH`` samples. The first ``REACH`` of an arc are shown to the arc before it, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa

from dataengine.contracts import columns
from dataengine.cot.core.columns import PLACE, PLACES, encode
from dataengine.cot.questions.distractors import REACH, Arc, Sample, partner_count, ring_position
from dataengine.samples.locate import LOCATED
from dataengine.table_engine import Frame, TableEngine

#: Samples of an arc, on average at most.
ROWS_PER_ARC = 65_536

#: Samples of a release; ``parent`` is the sample itself where it is no clip.
RELEASED = columns(**{f.name: f.type for f in LOCATED}, split=pa.string(), parent=pa.string())
_NEAR = columns(id=pa.string(), near=pa.list_(pa.string()))
_ON_ARCS = pa.schema(
    [*RELEASED, *(pa.field(name, pa.list_(pa.string())) for name in ("near", "origins"))]
    + [pa.field(name, pa.string()) for name in ("position", "arc", "arc_before")]
)
#: Columns as in core.schemas.SOURCE_MATERIAL.
NEIGHBOURS = columns(id=pa.string(), distractors=pa.string(), partners=pa.list_(pa.string()), videos=PLACES)

_EDGES = """
SELECT e."a" AS "id", e."b" AS "near" FROM e INNER JOIN s AS x ON e."a" = x."id" INNER JOIN s AS y ON e."b" = y."id"
UNION ALL
SELECT e."b" AS "id", e."a" AS "near" FROM e INNER JOIN s AS x ON e."a" = x."id" INNER JOIN s AS y ON e."b" = y."id"
"""
_BESIDE = """
SELECT {columns}, n."near", o."origins" FROM s LEFT JOIN n ON s."id" = n."id" LEFT JOIN o ON s."id" = o."id"
"""
_RINGS = 'SELECT "split", "kind", CAST(count(*) AS BIGINT) AS n FROM s GROUP BY "split", "kind"'
_SEEN = """
SELECT {columns}, "arc" AS "seen_by", 0 AS "ahead" FROM r
UNION ALL
SELECT {columns}, "arc_before" AS "seen_by", 1 AS "ahead" FROM (
  SELECT *, CAST(row_number() OVER (PARTITION BY "split", "kind", "arc" ORDER BY "position", "id") AS BIGINT) AS n FROM r
) AS numbered WHERE n <= {reach} AND "arc" <> ?
"""


@dataclass(frozen=True)
class Choice:
    """How many captions of others a sample gets, and the seed of the rings."""

    captions: int
    seed: int


def neighbours(
    engine: TableEngine,
    samples: Frame,
    edges: Frame,
    origins: Frame,
    choice: Choice,
    rows_per_arc: int = ROWS_PER_ARC,
) -> Frame:
    """NEIGHBOURS of RELEASED, in no order; ``edges`` (a, b) join near-duplicates, of a release or not; ``origins`` are ORIGINS of
    videos. The driver sees one count a split and kind."""
    both = engine.sql(_EDGES, {"s": engine.sql('SELECT "id" FROM s', {"s": samples}), "e": edges})
    near = engine.local(both, ("id",), near_lists, _NEAR)
    listed = ", ".join(f's."{name}"' for name in RELEASED.names)
    rows = engine.sql(_BESIDE.format(columns=listed), {"s": samples, "n": near, "o": origins})
    rings = engine.collect(engine.sql(_RINGS, {"s": samples})).to_pylist()
    digits = {(ring["split"], ring["kind"]): _digits(ring["n"], rows_per_arc) for ring in rings}
    on_arcs = engine.kept(engine.local(rows, (), partial(place, choice.seed, digits), _ON_ARCS))
    names = ", ".join(f'"{name}"' for name in _ON_ARCS.names if not name.startswith("arc"))
    seen = engine.sql(_SEEN.format(columns=names, reach=REACH), {"r": on_arcs}, ("",))
    return engine.local(seen, ("split", "kind", "seen_by"), partial(choose, choice.captions), NEIGHBOURS)


def near_lists(pairs: pa.Table) -> pa.Table:
    """_NEAR of (id, near), one row a pair."""
    near: dict[str, set[str]] = {}
    for row in pairs.to_pylist():
        near.setdefault(row["id"], set()).add(row["near"])
    return pa.table({"id": list(near), "near": [sorted(ids) for ids in near.values()]}, schema=_NEAR)


def place(seed: int, digits: Mapping[tuple[str, str], int], samples: pa.Table) -> pa.Table:
    """Adds each sample's position on its ring, its arc and the one before it, both "" where the ring is whole."""
    positions, arcs, before = [], [], []
    for row in samples.select(["id", "split", "kind"]).to_pylist():
        position, cut = ring_position(seed, row["id"]), digits[row["split"], row["kind"]]
        positions.append(position)
        arcs.append(position[:cut])
        before.append(f"{(int(position[:cut], 16) - 1) % 16**cut:0{cut}x}" if cut else "")
    for name, values in (("position", positions), ("arc", arcs), ("arc_before", before)):
        samples = samples.append_column(name, pa.array(values, pa.string()))
    return samples


def choose(captions: int, seen: pa.Table) -> pa.Table:
    """NEIGHBOURS of the samples that are not ahead of their arc."""
    key = itemgetter("split", "kind", "seen_by")
    rows = sorted(seen.to_pylist(), key=lambda row: (*key(row), row["ahead"], row["position"], row["id"]))
    chosen = [
        row for (_, kind, arc), group in groupby(rows, key) for row in _of_arc(list(group), kind, not arc, captions)
    ]
    return pa.Table.from_pylist(chosen, NEIGHBOURS)


def _of_arc(rows: list[dict[str, Any]], kind: str, closed: bool, captions: int) -> Iterator[dict[str, Any]]:
    arc = Arc([_sample(row) for row in rows], closed)
    places = {row["id"]: {name: row[name] for name in PLACE} for row in rows}
    for at, row in enumerate(rows):
        if not row["ahead"]:
            partners = arc.partners(at, partner_count(kind, row["position"]))
            distractors = encode("distractors", arc.distractors(at, captions))
            videos = [places[id_] for id_ in partners]
            yield {"id": row["id"], "distractors": distractors, "partners": partners, "videos": videos}


def _sample(row: Mapping[str, Any]) -> Sample:
    near, origins = (frozenset(row[name] or ()) for name in ("near", "origins"))
    return Sample(row["id"], row["parent"], tuple(row["captions"]), near, origins)


def _digits(rows: int, rows_per_arc: int) -> int:
    """Hex digits by which a ring is cut."""
    digits = 0
    while rows > rows_per_arc * 16**digits:
        digits += 1
    return digits
