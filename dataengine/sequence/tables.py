"""Publishes rows as Parquet, some of which are held at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.storage.workspace import File, Workspace

_ROWS = 4_096


def write_rows(
    workspace: Workspace, key: str, rows: Iterator[dict[str, Any]], schema: pa.Schema, at_once: int = _ROWS
) -> File:
    """Publish rows as Parquet, some thousand of which are held at a time."""
    return write_tables(workspace, key, _tables(rows, schema, at_once), schema)


def _tables(rows: Iterator[dict[str, Any]], schema: pa.Schema, at_once: int) -> Iterator[pa.Table]:
    while some := list(islice(rows, at_once)):
        yield pa.Table.from_pylist(some, schema)


def write_tables(workspace: Workspace, key: str, tables: Iterable[pa.Table], schema: pa.Schema) -> File:
    """Publish tables as one Parquet file, a row group each; one of which is held at a time."""
    count = 0
    with workspace.store.new_file() as path:
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for table in tables:
                count += len(table)
                writer.write_table(table)
            if not count:
                writer.write_table(schema.empty_table())
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
        workspace.store.move(path, key, sha256)
    return File(key, sha256, size, count)
