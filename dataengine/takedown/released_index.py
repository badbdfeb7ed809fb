"""The index in a release without some samples: their vectors go, nodes are the means of what is left, places are those of the new
shards. The tree stays, so a branch without such a sample keeps its vectors; where its shards changed, its rows have new
places."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from dataengine.index import layers
from dataengine.index.leaves import sums_of
from dataengine.index.manifest import Branch, Manifest, Stored, load, to_bytes
from dataengine.index.planes import Points
from dataengine.index.vectors import GROUP, PLACES
from dataengine.release.index_stages import MANIFEST
from dataengine.release.manifest_sections import ReleaseFile
from dataengine.release.reader import Published
from dataengine.shards.places import members_of
from dataengine.shards.sample import FAMILIES
from dataengine.storage.store import Store
from dataengine.storage.workspace import parquet
from dataengine.takedown.written import Put, to_parquet

pc: Any = pyarrow.compute  # whose stubs admit less than its functions do

#: Offset and bytes of a sample's media in its shard, by id.
Places = Mapping[str, tuple[int, int]]


def places_in(tar: Path) -> dict[str, tuple[int, int]]:
    """Where the media of a shard on disk lie."""
    members = ((member.name.partition("."), member) for member in members_of(tar))
    return {id_: (member.offset, member.size) for (id_, _, ext), member in members if ext in FAMILIES.values()}


def rewrite(release: Published, ids: frozenset[str], places: Places, put: Put) -> tuple[list[ReleaseFile], int]:
    """Write all files of the index that change, and its manifest; how many vectors it has. ``places``: of the samples in shards
    that were written again."""
    store = release.store
    whole = load(store, MANIFEST)
    files: list[ReleaseFile] = []
    above = len(whole.branches).bit_length() - 1
    branches, sums, sizes = [], [], []
    for branch in whole.branches:
        written, total, count = _branch(store, branch, ids, places, above, whole.layers, put, files)
        branches.append(written)
        sums.append(total)
        sizes.append(count)
    upper = whole.upper
    if upper is not None:
        nodes, _ = layers.means(np.stack(sums), np.array(sizes), 0, [depth for depth in whole.layers if depth < above])
        upper = _put(upper.key, _npy(nodes), len(nodes), put, files)
    near = [_neighbours(store, file, ids, put, files) for file in whole.cooccurrence]
    manifest: Manifest = msgspec.structs.replace(
        whole, branches=branches, samples=int(sum(sizes)), upper=upper, cooccurrence=near
    )
    files.append(put(MANIFEST, to_bytes(manifest)))
    return files, manifest.samples


def _branch(
    store: Store,
    branch: Branch,
    ids: frozenset[str],
    places: Places,
    above: int,
    kept: list[int],
    put: Put,
    files: list[ReleaseFile],
) -> tuple[Branch, Any, int]:
    """The branch as it is now, the sum of its vectors, and how many these are."""
    rows = parquet(store.get(branch.rows.key, branch.rows.sha256), PLACES.names).cast(PLACES)
    vectors, sizes = (
        np.load(io.BytesIO(store.get(file.key, file.sha256)), allow_pickle=False)
        for file in (branch.vectors, branch.sizes)
    )
    left = np.flatnonzero([id_ not in ids for id_ in rows["id"].to_pylist()])
    rows, leaves = rows.take(left), np.repeat(np.arange(len(sizes)), sizes)[left]
    if len(left) < len(vectors):
        vectors = vectors[left]
        sizes = np.bincount(leaves, minlength=len(sizes)).astype(sizes.dtype)
        points = Points(vectors, np.zeros(len(vectors), np.uint32))
        nodes, _ = layers.means(sums_of(points, leaves, len(sizes)), sizes, above, kept)
        for name, array in (("vectors", vectors), ("sizes", sizes), ("nodes", nodes)):
            file = _put(getattr(branch, name).key, _npy(array), len(array), put, files)
            branch = msgspec.structs.replace(branch, **{name: file})
    moved = _moved(rows, places)
    if len(left) < branch.rows.rows or not moved.equals(rows):
        data = to_parquet(moved, GROUP)
        branch = msgspec.structs.replace(branch, rows=_put(branch.rows.key, data, len(moved), put, files))
    return branch, vectors.sum(0, dtype=np.int64), len(vectors)


def _moved(rows: pa.Table, places: Places) -> pa.Table:
    for name, at in (("offset", 0), ("bytes", 1)):
        pairs = zip(map(str, rows["id"].to_pylist()), rows[name].to_pylist(), strict=True)
        values = [places[id_][at] if id_ in places else value for id_, value in pairs]
        rows = rows.set_column(rows.column_names.index(name), PLACES.field(name), pa.array(values, pa.int64()))
    return rows


def _neighbours(store: Store, file: Stored, ids: frozenset[str], put: Put, files: list[ReleaseFile]) -> Stored:
    table = pq.ParquetFile(pa.BufferReader(store.get(file.key, file.sha256)), pre_buffer=False).read(use_threads=False)
    gone = pa.array(sorted(ids), pa.string())
    named: Any = pc.or_(pc.is_in(table["id"], value_set=gone), pc.is_in(table["neighbour"], value_set=gone))
    left = table.filter(pc.invert(named))
    if len(left) == len(table):
        return file
    return _put(file.key, to_parquet(left), len(left), put, files)


def _npy(array: Any) -> bytes:
    sink = io.BytesIO()
    np.save(sink, np.ascontiguousarray(array), allow_pickle=False)
    return sink.getvalue()


def _put(path: str, data: bytes, rows: int, put: Put, files: list[ReleaseFile]) -> Stored:
    file = put(path, data)
    files.append(file)
    return Stored(path, file.sha256, file.bytes, rows)
