"""Connected components of an edge table: in one process by scipy, or over DataFrames by star contraction.

Both name a component by its smallest id, so they give the same rows. The trade-off: scipy needs the graph in memory (about
100 bytes an edge and its ids) and takes a second a million; star contraction moves the edges twice a round and has no such bound
(Kiveris, Lattanzi, Mirrokni, Rastogi and Vassilvitskii 2014: large-star and small-star in turn until nothing changes, O(log² n)
rounds).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Int64 = NDArray[np.int64]

COMPONENTS = pa.schema([("id", pa.string()), ("component", pa.string())])

_EDGES = pa.schema([("a", pa.int64()), ("b", pa.int64())])
_ENDS = "SELECT a AS id FROM edges UNION ALL SELECT b AS id FROM edges"
_CLASHES = "SELECT id FROM nodes WHERE node IN (SELECT node FROM nodes GROUP BY node HAVING count(*) > 1)"
_BOTH = "SELECT a, b FROM edges UNION ALL SELECT b AS a, a AS b FROM edges"
_FINGERPRINT = "SELECT count(*) AS n, bit_xor(xxhash64(a, b)) AS x FROM edges"
_LABELS = "SELECT b AS node, a AS root FROM edges UNION ALL SELECT DISTINCT a AS node, a AS root FROM edges"
_MEMBERS = "SELECT n.id AS id, l.root AS root FROM labels l JOIN nodes n ON l.node = n.node"
_NAMED = """
WITH least AS (SELECT root, min(id) AS component FROM members GROUP BY root)
SELECT m.id AS id, l.component AS component FROM members m JOIN least l ON m.root = l.root
"""


def connected(edges: pa.Table) -> pa.Table:
    """Connected components by scipy: COMPONENTS, in no order, of the string columns ``a`` and ``b``."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = edges.num_rows
    ends = pa.chunked_array([*edges["a"].chunks, *edges["b"].chunks], pa.string()).combine_chunks().dictionary_encode()
    ends = ends.combine_chunks() if isinstance(ends, pa.ChunkedArray) else ends
    if not n:
        return COMPONENTS.empty_table()
    codes = ends.indices.to_numpy(zero_copy_only=False)
    order = pc.sort_indices(ends.dictionary).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    graph = coo_array((np.ones(n, np.int8), (codes[:n], codes[n:])), (len(order), len(order)))
    labels = connected_components(graph, directed=False)[1]
    smallest = np.full(int(labels.max()) + 1, len(order), np.int64)
    np.minimum.at(smallest, labels, rank)
    named = ends.dictionary.take(pa.array(order[smallest[labels]]))
    return pa.table([ends.dictionary, named], schema=COMPONENTS)


class Spark(Protocol):
    """What star contraction asks of the engine."""

    def sql(self, sql: str, frames: Mapping[str, DataFrame]) -> DataFrame: ...
    def local(
        self, frame: DataFrame, keys: Sequence[str], function: Callable[[pa.Table], pa.Table], schema: pa.Schema
    ) -> DataFrame: ...
    def collect(self, frame: DataFrame) -> pa.Table: ...


def contract(engine: Spark, edges: DataFrame, checkpoint: Callable[[DataFrame], DataFrame]) -> DataFrame:
    """Star contraction: COMPONENTS of a DataFrame with columns a and b. Rounds are over 64-bit hashes of the ids. ``checkpoint``
    computes a DataFrame and forgets how it was made, without which each round would begin from the start."""
    ids = checkpoint(engine.sql(f"SELECT DISTINCT id FROM ({_ENDS})", {"edges": edges}))
    again: list[list[str]] = []
    while True:
        nodes = checkpoint(engine.sql(f"SELECT id, {_node('id', again)} AS node FROM ids", {"ids": ids}))
        clashes = engine.collect(engine.sql(_CLASHES, {"nodes": nodes}))["id"].to_pylist()
        if not clashes:
            break
        again.append(sorted(map(str, clashes)))
    a, b = (_node(end, again) for end in "ab")
    hashed = f"SELECT least({a}, {b}) AS a, greatest({a}, {b}) AS b FROM edges WHERE a <> b"
    stars = _contracted(engine, engine.sql(hashed, {"edges": edges}), checkpoint)
    labels = engine.sql(_LABELS, {"edges": stars})
    return engine.sql(_NAMED, {"members": checkpoint(engine.sql(_MEMBERS, {"labels": labels, "nodes": nodes}))})


def _node(column: str, again: Sequence[Sequence[str]]) -> str:
    """The number of an id: a hash of it, another one for ids of which several had the same (a few among billions)."""
    number = f"xxhash64({column})"
    for turn, ids in enumerate(again):
        listed = ", ".join(f"'{id_.encode().hex().upper()}'" for id_ in ids)
        number = f"CASE WHEN hex({column}) IN ({listed}) THEN xxhash64({column}, {turn}) ELSE {number} END"
    return number


def _contracted(engine: Spark, edges: DataFrame, checkpoint: Callable[[DataFrame], DataFrame]) -> DataFrame:
    """Edges from the smallest node of each component to all others."""
    before = None
    while True:
        tied = engine.local(engine.sql(_BOTH, {"edges": edges}), ("a",), large_star, _EDGES)
        edges = checkpoint(engine.local(tied, ("b",), small_star, _EDGES))
        fingerprint = engine.sql(_FINGERPRINT, {"edges": edges}).first()
        if fingerprint == before:
            return edges
        before = fingerprint


def large_star(neighbours: pa.Table) -> pa.Table:
    """Each node's larger neighbours are tied to the smallest among it and its neighbours; of whole nodes ``a``."""
    node, neighbour, least = _grouped(neighbours["a"], neighbours["b"])
    larger = neighbour > node
    return _edges(np.minimum(least, node)[larger], neighbour[larger])


def small_star(edges: pa.Table) -> pa.Table:
    """Each node's smaller neighbours, and itself, are tied to the smallest of them; of whole nodes ``b``, the larger ends."""
    node, neighbour, least = _grouped(edges["b"], edges["a"])
    return _edges(np.r_[least, least], np.r_[neighbour, node])


def _grouped(nodes: pa.ChunkedArray[Any], neighbours: pa.ChunkedArray[Any]) -> tuple[Int64, Int64, Int64]:
    """Rows by node: the node, its neighbour, and the smallest neighbour of the node."""
    node, neighbour = (column.to_numpy() for column in (nodes, neighbours))
    order = np.lexsort((neighbour, node))
    node, neighbour = node[order], neighbour[order]
    first = np.r_[True, node[1:] != node[:-1]][: len(node)]
    return node, neighbour, neighbour[first][np.cumsum(first) - 1]


def _edges(a: Int64, b: Int64) -> pa.Table:
    """Of ``a < b`` each pair once."""
    a, b = a[a < b], b[a < b]
    order = np.lexsort((b, a))
    a, b = a[order], b[order]
    new = np.r_[True, (a[1:] != a[:-1]) | (b[1:] != b[:-1])][: len(a)]
    return pa.table({"a": a[new], "b": b[new]})
