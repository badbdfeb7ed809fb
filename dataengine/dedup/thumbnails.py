"""Thumbnails of many pictures in one object, so that those of a few pairs are read without those of all pictures."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine.contracts import columns
from dataengine.media.image.pixels import Pixels
from dataengine.media.measures import SHAPE
from dataengine.storage.store import Store

#: Where the thumbnail of a sample lies. The second view has no bytes of its own where it is the first.
PLACES = columns(id=pa.string(), pack=pa.string(), starts=pa.int64(), size=pa.int64())
_VIEW = SHAPE[1] * SHAPE[2]
_PARALLEL = 8
"""Packs that are read at once from S3, and one from a folder; of each, nearly all bytes are held meanwhile."""


def packed(fingerprints: pa.Table) -> tuple[bytes, pa.Table]:
    """The thumbnails of contracts.FINGERPRINTS, those that there are, and PLACES without the name of their pack."""
    some = fingerprints.filter(fingerprints["thumbnail"].is_valid())
    both: Any = some["thumbnail"].to_pylist()
    pieces: list[bytes] = [whole[:_VIEW] if whole[:_VIEW] == whole[_VIEW:] else whole for whole in both]
    sizes = np.array([len(piece) for piece in pieces], np.int64)
    arrays = [some["id"], pa.array([""] * len(some)), pa.array(np.cumsum(sizes) - sizes), pa.array(sizes)]
    return b"".join(pieces), pa.table(arrays, schema=PLACES)


def read(store: Store, places: pa.Table) -> Pixels:
    """``(n, *SHAPE) uint8`` of PLACES; neighbours in a pack are read together."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(places["pack"].to_pylist()):
        rows[str(name)].append(row)
    starts, sizes = (places[name].to_numpy() for name in ("starts", "size"))
    pictures = np.empty((len(places), *SHAPE), np.uint8)

    def fill(name: str) -> None:
        some = rows[name]
        for row, data in zip(some, store.get_ranges(name, starts[some].tolist(), sizes[some].tolist()), strict=True):
            pictures[row] = np.frombuffer(data, np.uint8).reshape(-1, *SHAPE[1:])[[0, -1]]

    with ThreadPoolExecutor(_PARALLEL if store.remote else 1, "thumbnails") as pool:
        for _ in pool.map(fill, rows):
            pass
    return pictures


def distinct(rows: pa.Table) -> tuple[pa.Table, NDArray[np.int64]]:
    """PLACES of the pictures in rows of pairs (x_id, x_pack, …, y_id, …), each once, and ``(n, 2)`` the row there of each
    side."""
    sides = [rows.select([f"{side}_{name}" for name in PLACES.names]).rename_columns(PLACES.names) for side in "xy"]
    both = pa.concat_tables(sides)
    ids: Any = both["id"].combine_chunks()
    every = pc.unique(ids)
    first = pc.index_in(every, value_set=ids)
    row_of = pc.index_in(ids, value_set=every).to_numpy().astype(np.int64)
    return both.take(first), row_of.reshape(2, -1).T
