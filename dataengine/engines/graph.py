"""Connected components of an edge table: in one process by scipy, or over DataFrames by star contraction.

Both name a component by its smallest id, so they give the same rows. The trade-off: scipy needs the graph in memory (about
100 bytes an edge and its ids) and takes a second a million; star contraction needs a few shuffles an iteration and has no
such bound (Kiveris, Lattanzi, Mirrokni, Rastogi and Vassilvitskii 2014: large-star and small-star in turn until
nothing changes, O(log² n) rounds).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

COMPONENTS = pa.schema([("id", pa.string()), ("component", pa.string())])

_BOTH = "SELECT a AS u, b AS v FROM edges UNION ALL SELECT b AS u, a AS v FROM edges"
#: Each node's larger neighbours are tied to the smallest among it and its neighbours.
_LARGE = f"""
WITH both AS ({_BOTH}), least AS (SELECT u, min(v) AS m FROM both GROUP BY u)
SELECT DISTINCT CASE WHEN l.m < l.u THEN l.m ELSE l.u END AS a, b.v AS b
FROM both b JOIN least l ON b.u = l.u WHERE b.v > b.u
"""
#: Each node's smaller neighbours, and itself, are tied to the smallest of them. Edges come with a < b.
_SMALL = """
WITH least AS (SELECT b AS u, min(a) AS m FROM edges GROUP BY b)
SELECT DISTINCT m AS a, v AS b FROM (
  SELECT l.m AS m, e.a AS v FROM edges e JOIN least l ON e.b = l.u UNION ALL SELECT m, u AS v FROM least
) WHERE m < v
"""
_FINGERPRINT = "SELECT count(*) AS n, bit_xor(xxhash64(a, b)) AS x FROM edges"
_FIRST = "SELECT DISTINCT CASE WHEN a < b THEN a ELSE b END AS a, CASE WHEN a < b THEN b ELSE a END AS b FROM edges WHERE a <> b"
_LABELS = "SELECT b AS id, a AS component FROM edges UNION ALL SELECT DISTINCT a AS id, a AS component FROM edges"


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


def contract(
    sql: Callable[[str, DataFrame], DataFrame], edges: DataFrame, checkpoint: Callable[[DataFrame], DataFrame]
) -> DataFrame:
    """Star contraction: COMPONENTS of a DataFrame with columns a and b. ``sql`` answers a query over ``edges``; ``checkpoint``
    computes a DataFrame and forgets how it was made, without which each round would begin from the start."""
    edges = checkpoint(sql(_FIRST, edges))
    before = None
    while True:
        fingerprint = sql(_FINGERPRINT, edges).first()
        if fingerprint == before:
            return sql(_LABELS, edges)
        before = fingerprint
        edges = checkpoint(sql(_SMALL, sql(_LARGE, edges)))
