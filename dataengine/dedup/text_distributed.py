"""Near-duplicate texts distributed over workers: shingles and bands where the rows are, buckets as keys, exact joins.

The edges and counts are those of ``text_pairs`` in one process. The trade-off: the sets of shingles move three times
(to their equals, and to both ends of each candidate), which is worth it where they outgrow one worker's memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.contracts import columns
from dataengine.dedup.captions import longest_captions
from dataengine.dedup.hash_sets import HashSets

if TYPE_CHECKING:
    from dataengine.table_engine import Frame, TableEngine

#: Rows of a bucket that each of its rows is compared with at most, as in ``text_pairs``.
LARGEST = 1000

_SETS = columns(id=pa.string(), digest=pa.string(), shingles=pa.list_(pa.int64()))
_BANDS = columns(id=pa.string(), band=pa.int64(), key=pa.int64())
_MET = columns(x=pa.string(), y=pa.string(), skipped=pa.int64())
_EDGES = columns(a=pa.string(), b=pa.string(), kind=pa.string(), distance=pa.float64())
_FIRSTS = "SELECT digest, min(id) AS id FROM s WHERE digest IS NOT NULL GROUP BY digest"
_STAR = """
SELECT f.id AS a, s.id AS b, ? AS kind, CAST(0 AS DOUBLE) AS distance FROM s JOIN f ON s.digest = f.digest WHERE s.id <> f.id
"""
_BOTH = """
SELECT c.x AS x, c.y AS y, p.shingles AS "left", q.shingles AS "right" FROM c JOIN d AS p ON c.x = p.id JOIN d AS q ON c.y = q.id
"""
_COUNTS = """
SELECT CAST((SELECT count(*) FROM s WHERE digest IS NULL) AS BIGINT) AS left_out,
       CAST((SELECT count(*) FROM c) AS BIGINT) AS candidates, CAST((SELECT sum(skipped) FROM m) AS BIGINT) AS skipped
"""
Int64 = NDArray[np.int64]


def text_edges(
    engine: TableEngine, captioned: Frame, kind: str, threshold: float
) -> tuple[Frame, Callable[[], dict[str, Any]]]:
    """Edges (a, b, kind, distance) of id and captions whose longest captions have a Jaccard similarity of ``threshold`` or
    more; and the facts of the search."""
    sets = engine.kept(engine.local(captioned, (), shingled, _SETS))
    firsts = engine.kept(engine.sql(_FIRSTS, {"s": sets}))
    distinct = engine.kept(engine.sql("SELECT s.id, s.shingles FROM s JOIN f ON s.id = f.id", {"s": sets, "f": firsts}))
    bands = engine.local(distinct, (), partial(banded, threshold), _BANDS)
    met = engine.kept(engine.local(bands, ("band", "key"), partial(bucketed, LARGEST), _MET))
    candidates = engine.kept(engine.sql("SELECT DISTINCT x, y FROM m WHERE x IS NOT NULL", {"m": met}))
    both = engine.sql(_BOTH, {"c": candidates, "d": distinct})
    near = engine.local(both, (), partial(checked, kind, threshold), _EDGES)
    star = engine.sql(_STAR, {"s": sets, "f": firsts}, (kind,))

    def facts() -> dict[str, Any]:
        [row] = engine.collect(engine.sql(_COUNTS, {"s": sets, "c": candidates, "m": met})).to_pylist()
        return {name: count or 0 for name, count in row.items()}

    return engine.sql("SELECT * FROM n UNION ALL SELECT * FROM s", {"n": near, "s": star}), facts


def shingled(captioned: pa.Table) -> pa.Table:
    """_SETS: the shingles of each longest caption, ascending, and a digest of them; both null where there are none."""
    from dataengine.dedup.shingles import Shingles, shingle_sets

    sets = shingle_sets(pa.chunked_array([longest_captions(captioned)]), Shingles())
    digests = [
        hashlib.blake2b(sets.hashes[start:end].tobytes(), digest_size=16).hexdigest() if end > start else None
        for start, end in pairwise(sets.starts.tolist())
    ]
    starts, hashes = pa.array(sets.starts.astype(np.int32), pa.int32()), pa.array(sets.hashes, pa.int64())
    lists: Any = pa.ListArray.from_arrays(starts, hashes)
    return pa.table([captioned["id"], pa.array(digests, pa.string()), lists], schema=_SETS)


def banded(threshold: float, distinct: pa.Table) -> pa.Table:
    """_BANDS: each set once a band, with its key there."""
    from dataengine.dedup.minhash import band_keys, bands_for, signatures

    if not distinct.num_rows:
        return _BANDS.empty_table()
    bands, signature = bands_for(threshold), signatures(_sets(distinct["shingles"]))
    keys = [pa.array(band_keys(signature, band, bands.rows).view(np.int64)) for band in range(bands.number)]
    numbers = [pa.array(np.full(distinct.num_rows, band)) for band in range(bands.number)]
    ids = pa.chunked_array([chunk for _ in keys for chunk in distinct["id"].chunks], pa.string())
    return pa.table([ids, pa.chunked_array(numbers), pa.chunked_array(keys)], schema=_BANDS)


def bucketed(largest: int, bands: pa.Table) -> pa.Table:
    """_MET of whole buckets: pairs x < y, and one row without a pair that says how many were not looked at."""
    ordered = bands.sort_by([(name, "ascending") for name in ("band", "key", "id")])
    band, key, n = ordered["band"].to_numpy(), ordered["key"].to_numpy(), ordered.num_rows
    fresh = np.flatnonzero(np.r_[True, (band[1:] != band[:-1]) | (key[1:] != key[:-1])][:n])
    sizes = np.diff(np.r_[fresh, n])
    after = np.repeat(fresh + sizes, sizes) - np.arange(n) - 1  # mates behind each row
    partners = np.minimum(after, largest)
    left = np.repeat(np.arange(n), partners)
    right = np.arange(len(left)) - np.repeat(np.cumsum(partners) - partners, partners) + left + 1
    x, y = (ordered["id"].take(pa.array(rows, pa.int64())) for rows in (left, right))
    pairs = pa.table([x, y, pa.nulls(len(left), pa.int64())], schema=_MET)
    skipped = pa.Table.from_pylist([{"x": None, "y": None, "skipped": int((after - partners).sum())}], schema=_MET)
    return pa.concat_tables([pairs, skipped])


def checked(kind: str, threshold: float, both: pa.Table) -> pa.Table:
    """_EDGES of candidates with the shingles of both ends: those that are near enough."""
    from dataengine.dedup.minhash import jaccard

    rows = np.arange(both.num_rows)
    similarity = jaccard(_sets(both["left"]), _sets(both["right"]), rows, rows)
    near = np.flatnonzero(similarity >= threshold)
    a, b = (both[name].take(pa.array(near, pa.int64())) for name in ("x", "y"))
    return pa.table([a, b, pa.repeat(kind, len(near)), pa.array(1 - similarity[near])], schema=_EDGES)


def _sets(lists: pa.ChunkedArray[Any]) -> HashSets:
    array: Any = lists.combine_chunks()
    sizes = array.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return HashSets(np.r_[0, np.cumsum(sizes)], array.flatten().to_numpy(zero_copy_only=False))
