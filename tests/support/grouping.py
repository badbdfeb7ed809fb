"""Edges and groups of small tables through an engine, and what they ought to be, told the slow way."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from dataengine.contracts import EDGES, GROUPS
from dataengine.dedup import edges as find
from dataengine.dedup.distances import Bounds
from dataengine.dedup.groups import Rules, group
from dataengine.table_engine import TableEngine

KEEP = ("resolution", "bytes", "caption_length")
_ORDER = [(name, "ascending") for name in ("a", "b", "kind")]


def rules(radius: int = 6, keep: tuple[str, ...] = KEEP, reach: float | None = None, overlap: float = 0.6) -> Rules:
    return Rules((find.PERCEPTUAL, find.VIDEO), Bounds(radius, overlap), keep, reach)


def edges_of(engine: TableEngine, unique: pa.Table, radius: int = 6, overlap: float = 0.6) -> pa.Table:
    """EDGES of pictures and videos, ordered."""
    frame = engine.frame(unique)
    found = (find.perceptual(engine, frame, radius), find.video(engine, frame, radius, overlap))
    edges = pa.concat_tables([engine.collect(f.edges) for f in found])
    return edges.append_column("version", pa.array(["1"] * len(edges), pa.string())).cast(EDGES).sort_by(_ORDER)


def groups_of(engine: TableEngine, unique: pa.Table, edges: pa.Table, how: Rules) -> tuple[pa.Table, dict[str, Any]]:
    """GROUPS ordered by id, and the facts."""
    found = group(engine, engine.frame(unique), engine.frame(edges), how)
    return engine.collect(found.groups).select(GROUPS.names).cast(GROUPS).sort_by("id"), found.facts()


def expected_groups(
    unique: pa.Table, edges: pa.Table, radius: int, reach: float | None, apart: bool = False
) -> dict[str, str]:
    """Representative of each picture by the rule itself: components, then the widest takes who is within reach. ``apart``: those
    of one parent never take each other, and do not join a component unless their hashes are equal."""
    facts = {row["id"]: row for row in unique.to_pylist()}
    member = {i: {i} for i in facts}

    def related(i: str, j: str) -> bool:
        return apart and facts[i]["parent"] is not None and facts[i]["parent"] == facts[j]["parent"]

    for edge in edges.to_pylist():
        if related(edge["a"], edge["b"]) and edge["distance"]:
            continue
        merged = member[edge["a"]] | member[edge["b"]]
        member.update(dict.fromkeys(merged, merged))
    found: dict[str, str] = {}
    for component in {frozenset(m) for m in member.values()}:
        left = sorted(component, key=lambda i: (-facts[i]["width"] * facts[i]["height"], i))
        while left:
            best, rest = left[0], []
            for i in left:
                near = reach is None or _bits(facts[i], facts[best]) <= reach * radius
                if i == best or (near and not related(i, best)):
                    found[i] = best
                else:
                    rest.append(i)
            left = rest
    return found


def _bits(a: dict[str, Any], b: dict[str, Any]) -> int:
    return ((a["phash"] ^ b["phash"]) & (2**64 - 1)).bit_count()
