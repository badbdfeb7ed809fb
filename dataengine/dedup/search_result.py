"""Result of a search for one kind of near-duplicates: edges, facts to report, and tables that a later batch starts from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.contracts import columns

if TYPE_CHECKING:
    from dataengine.table_engine import Frame, TableEngine

#: Edges from a function that sees all samples; its facts are one more row, of no edge.
EDGE_ROWS = columns(a=pa.string(), b=pa.string(), kind=pa.string(), distance=pa.float64(), facts=pa.string())

Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
#: Frames of an earlier search, by role.
Known = Mapping[str, "Frame"]


@dataclass(frozen=True)
class Searched:
    """A table that a later batch starts from."""

    frame: Frame
    schema: pa.Schema
    order: Sequence[str]


@dataclass(frozen=True)
class SearchResult:
    """Edges of one kind (a, b, kind, distance). ``searched`` by role; none where every search is one of all."""

    edges: Frame
    facts: Callable[[], dict[str, Any]] = field(default=dict)
    searched: Mapping[str, Searched] = field(default_factory=dict)

    @property
    def known(self) -> Known:
        """What a later search may be given."""
        return {role: searched.frame for role, searched in self.searched.items()}


def edge_rows(ids: pa.ChunkedArray[Any], kind: str, pairs: Pairs, facts: dict[str, Any]) -> pa.Table:
    """EDGE_ROWS from pairs of rows."""
    i, j, distance = pairs
    a, b = (ids.take(pa.array(rows, pa.int64())) for rows in (i, j))
    nothing = pa.nulls(len(i), pa.string())
    edges = pa.table([a, b, pa.repeat(kind, len(i)), pa.array(distance), nothing], names=EDGE_ROWS.names)
    row = {"a": "", "b": "", "kind": kind, "distance": 0.0, "facts": json.dumps(facts, sort_keys=True)}
    return pa.concat_tables([edges.cast(EDGE_ROWS), pa.Table.from_pylist([row], schema=EDGE_ROWS)])


def split_facts(engine: TableEngine, rows: Frame) -> tuple[Frame, Callable[[], dict[str, Any]]]:
    """Edges of EDGE_ROWS, and the facts beside them. ``rows`` is evaluated twice."""

    def facts() -> dict[str, Any]:
        some = engine.collect(engine.sql("SELECT facts FROM f WHERE facts IS NOT NULL", {"f": rows}))
        return {k: v for row in some["facts"].to_pylist() for k, v in json.loads(str(row)).items()}

    return engine.sql("SELECT a, b, kind, distance FROM f WHERE facts IS NULL", {"f": rows}), facts
