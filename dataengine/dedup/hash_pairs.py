"""Pairs of distinct 64-bit hashes within a Hamming radius, on frames: one process, or multi-index passes over workers.

Both find every pair once, so their rows are the same. Spread, each hash is sent once a pass (radius + 1 of them) with the
part it falls into, and the parts of a pass are searched independently. Hashes whose pairs are known already are
marked not ``fresh``: they are compared with fresh ones only.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.contracts import columns
from dataengine.dedup.hamming import block_edges, distinct_pairs, k_for, one_pass, part_width

if TYPE_CHECKING:
    from dataengine.table_engine import Frame, TableEngine

#: Distinct hashes; ``fresh``: not searched before.
VALUES = columns(hash=pa.int64(), fresh=pa.bool_())
#: Two hashes within the radius, ``x < y``; distance in bits.
VALUE_PAIRS = columns(x=pa.int64(), y=pa.int64(), distance=pa.int64())
_PARTED = columns(turn=pa.int32(), part=pa.int32(), hash=pa.int64(), fresh=pa.bool_())

Int64 = NDArray[np.int64]


def value_pairs(engine: TableEngine, values: Frame, radius: int) -> Frame:
    """VALUE_PAIRS of VALUES, in no order, of which one is fresh at least."""
    if not engine.spread:
        return engine.whole(values, partial(pairs, radius), VALUE_PAIRS)
    counts = engine.collect(engine.sql("SELECT count(*) AS n FROM v", {"v": values}))
    k = k_for(counts["n"][0].as_py(), radius)
    parted = engine.local(values, (), partial(part, radius, k), _PARTED)
    return engine.local(parted, ("turn", "part"), partial(part_pairs, radius, k), VALUE_PAIRS)


def pairs(radius: int, values: pa.Table) -> pa.Table:
    """VALUE_PAIRS of all ``values`` at once."""
    hashes, fresh = _fresh_first(values)
    near = distinct_pairs(hashes.view(np.uint64), radius, fresh=fresh)
    return _table(hashes, near.i, near.j)


def part(radius: int, k: int, values: pa.Table) -> pa.Table:
    """Each hash once a pass, with the part it is in."""
    hashes, fresh = values["hash"].to_numpy(), values["fresh"].to_numpy(zero_copy_only=False)
    edges, bits = block_edges(radius, k), hashes.view(np.uint64)
    parts = [(bits >> np.uint64(edges[p])) & np.uint64((1 << part_width(edges, p)) - 1) for p in range(radius + 1)]
    arrays = [
        np.repeat(np.arange(radius + 1, dtype=np.int32), len(hashes)),
        np.concatenate(parts).astype(np.int32),
        np.tile(hashes, radius + 1),
        np.tile(fresh, radius + 1),
    ]
    return pa.table([pa.array(c) for c in arrays], schema=_PARTED)


def part_pairs(radius: int, k: int, parted: pa.Table) -> pa.Table:
    """VALUE_PAIRS of some parts of some passes."""
    passes = parted["turn"].to_numpy()
    tables = []
    with ThreadPoolExecutor(1) as pool:
        for p in range(radius + 1):
            hashes, fresh = _fresh_first(parted.filter(pa.array(passes == p)))
            if fresh:
                rows = one_pass(hashes.view(np.uint64), radius, k, p, fresh, 1, pool).astype(np.int64)
                tables.append(_table(hashes, rows[:, 0], rows[:, 1]))
    return pa.concat_tables([VALUE_PAIRS.empty_table(), *tables])


def _fresh_first(values: pa.Table) -> tuple[Int64, int]:
    hashes, fresh = values["hash"].to_numpy(), values["fresh"].to_numpy(zero_copy_only=False)
    return np.concatenate([hashes[fresh], hashes[~fresh]]), int(fresh.sum())


def _table(hashes: Int64, i: Int64, j: Int64) -> pa.Table:
    a, b = hashes[i], hashes[j]
    distance = np.bitwise_count(a.view(np.uint64) ^ b.view(np.uint64)).astype(np.int64)
    return pa.table([pa.array(np.minimum(a, b)), pa.array(np.maximum(a, b)), pa.array(distance)], schema=VALUE_PAIRS)
