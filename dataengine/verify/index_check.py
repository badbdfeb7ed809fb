"""Checks the index in a release against the release: its files, its rows, and that it holds nothing that was not released."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine.errors import DataEngineError
from dataengine.index.manifest import Branch, Manifest, Stored, load
from dataengine.release.index_stages import MANIFEST
from dataengine.release.manifest import Contents
from dataengine.storage.store import Store
from dataengine.storage.workspace import parquet


def index_errors(store: Store, contents: Contents, ids: Collection[str]) -> list[str]:
    """What is wrong with the index in a release whose shards hold the samples ``ids``, as ``key: reason``; nothing where it has
    none. The digests of its files are checked with those of all others."""
    listed = {item.path: item.sha256 for item in contents.files}
    if MANIFEST not in listed:
        return []
    try:
        manifest = load(store, MANIFEST)
        errors = [
            f"{file.key}: is another file in {MANIFEST} than in the release's manifest"
            for file in _files(manifest)
            if listed.get(file.key) != file.sha256
        ]
        return errors or [*_rows_errors(store, manifest, ids)]
    except (DataEngineError, OSError, ValueError, pa.ArrowException) as error:
        return [f"{MANIFEST}: {error}"]


def _files(manifest: Manifest) -> Iterator[Stored]:
    for branch in manifest.branches:
        yield from (branch.rows, branch.vectors, branch.sizes, branch.nodes)
    yield from (file for file in (manifest.upper, manifest.ann) if file is not None)
    yield from manifest.cooccurrence


def _rows_errors(store: Store, manifest: Manifest, ids: Collection[str]) -> Iterator[str]:
    samples, total = set(ids), 0
    for branch in manifest.branches:
        names: list[Any] = parquet(store.get(branch.rows.key), ["id"])["id"].to_pylist()
        total += len(names)
        if _vectors(store, branch) != len(names):
            yield f"{branch.rows.key}: has {len(names):,} rows, its vectors and leaves are of {_vectors(store, branch):,}"
        if manifest.of != "items" and (strange := sorted(set(names) - samples)):
            yield f"{branch.rows.key}: {len(strange):,} of its samples are in no shard, first {strange[0]}"
    if total != manifest.samples:
        yield f"{MANIFEST}: samples is {manifest.samples:,}, its branches hold {total:,}"


def _vectors(store: Store, branch: Branch) -> int:
    """Vectors that the leaves of a branch hold; -1 where the file of vectors has others."""
    sizes = np.load(io.BytesIO(store.get(branch.sizes.key)), allow_pickle=False)
    count = int(sizes.sum())
    return count if branch.vectors.rows == count else -1
