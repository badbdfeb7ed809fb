"""Where the media of samples lie in the tars of a release, for the index in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from dataengine.contracts import columns
from dataengine.shards.read import read_members
from dataengine.shards.sample import FAMILIES
from dataengine.storage.tar import BLOCK, Member, member_size
from dataengine.storage.workspace import File, Workspace

#: ``media`` is the path of a tar in the release.
MEDIA_PLACES = columns(id=pa.string(), media=pa.string(), offset=pa.int64(), bytes=pa.int64())


def write_places(workspace: Workspace, shard: str, key: str, members: Iterable[Member]) -> File:
    """MEDIA_PLACES of a shard, in the workspace; ``key``: of the part that it is made by."""
    split = [(member.name.partition("."), member) for member in members]
    media = [(id_, member) for (id_, _, ext), member in split if ext in FAMILIES.values()]
    path = f"shards/{shard}.tar"
    rows = [{"id": id_, "media": path, "offset": one.offset, "bytes": one.size} for id_, one in media]
    place = f"shards/places/{shard}-{key[:16]}.parquet"
    return workspace.write_table(place, pa.Table.from_pylist(rows, MEDIA_PLACES))


def members_of(tar: Path) -> Iterator[Member]:
    """The members of a tar on disk, with where they lie."""
    offset = BLOCK
    for name, data in read_members(tar):
        yield Member(name, offset, len(data))
        offset += member_size(len(data))
