"""A made-up shard of any size for searching: real headers and metadata, media that are holes in a sparse file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dataengine.browse.shard_search import ShardSearch
from dataengine.shards.manifest import Shard
from dataengine.storage.store import Store
from dataengine.storage.tar import BLOCK, header, member_size

#: Of what is searched: samples of a shard and bytes of their media, low and high, evenly spread on a logarithmic scale.
KINDS = {"pictures": (5_000, 20_000, 800_000), "small pictures": (40_000, 3_000, 60_000), "videos": (60, 2e6, 4e7)}
NAME = "train-image-00000"


def made(folder: Path, samples: int, low: float, high: float) -> Callable[[], ShardSearch]:
    """A search that knows nothing yet over a new shard below ``folder``; samples are called by their positions."""
    sizes = np.exp(np.random.default_rng(0).uniform(np.log(low), np.log(high), samples)).astype(np.int64)
    path = folder / "shards" / f"{NAME}.tar"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        for position, size in enumerate(sizes.tolist()):
            id_ = f"{position:032x}"
            file.write(header(f"{id_}.jpg", size))
            file.seek(member_size(size) - BLOCK, 1)
            facts = {"id": id_, "kind": "image", "ext": "jpg", "bytes": size, "captions": ["x" * 600]}
            for name, data in (
                ("txt", b"a caption"),
                ("json", json.dumps(facts).encode()),
                ("codes.npy", bytes(1_200)),
            ):
                file.write(header(f"{id_}.{name}", len(data)) + data + bytes(-len(data) % BLOCK))
        file.write(bytes(2 * BLOCK))
    shard = Shard(NAME, "train", "image", "0" * 64, path.stat().st_size, samples)

    def lookup(id_: str) -> tuple[str, int]:
        return NAME, int(id_, 16)

    return lambda: ShardSearch(Store(folder), [shard], lookup)


def searched(opened: Callable[[], ShardSearch], count: int) -> list[float]:
    """Gigabytes of the shard; of ``count`` samples, each by a search of its own, mean and most reads, and mean megabytes."""
    searches = []
    [shard] = opened().shards
    for position in np.random.default_rng(1).integers(0, shard.samples, count).tolist():
        search = opened()
        search.members(f"{position:032x}")
        searches.append((search.reads, search.read_bytes))
    reads, read_bytes = np.array(searches).T
    return [shard.bytes / 1e9, float(reads.mean()), float(reads.max()), float(read_bytes.mean()) / 1e6]
