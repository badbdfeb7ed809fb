"""What a search for one kind of likeness gives: edges, what there is to tell of it, and what a later batch starts from."""

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

#: Edges by a function that sees all samples; what it says is one more row, of no edge.
TOLD = columns(a=pa.string(), b=pa.string(), kind=pa.string(), distance=pa.float64(), told=pa.string())

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
class Found:
    """Edges of one kind (a, b, kind, distance). ``searched`` by role; none where every search is one of all."""

    edges: Frame
    told: Callable[[], dict[str, Any]] = field(default=dict)
    searched: Mapping[str, Searched] = field(default_factory=dict)

    @property
    def known(self) -> Known:
        """What a later search may be given."""
        return {role: searched.frame for role, searched in self.searched.items()}


def told_rows(ids: pa.ChunkedArray[Any], kind: str, pairs: Pairs, told: dict[str, Any]) -> pa.Table:
    """TOLD from pairs of rows."""
    i, j, distance = pairs
    a, b = (ids.take(pa.array(rows, pa.int64())) for rows in (i, j))
    nothing = pa.nulls(len(i), pa.string())
    edges = pa.table([a, b, pa.repeat(kind, len(i)), pa.array(distance), nothing], names=TOLD.names)
    row = {"a": "", "b": "", "kind": kind, "distance": 0.0, "told": json.dumps(told, sort_keys=True)}
    return pa.concat_tables([edges.cast(TOLD), pa.Table.from_pylist([row], schema=TOLD)])


def edges_told(engine: TableEngine, found: Frame) -> tuple[Frame, Callable[[], dict[str, Any]]]:
    """Edges of TOLD, and what is told beside them. ``found`` is looked at twice."""

    def told() -> dict[str, Any]:
        said = engine.collect(engine.sql("SELECT told FROM f WHERE told IS NOT NULL", {"f": found}))
        return {k: v for row in said["told"].to_pylist() for k, v in json.loads(str(row)).items()}

    return engine.sql("SELECT a, b, kind, distance FROM f WHERE told IS NULL", {"f": found}), told
