"""The functions that Spark executors run on a partition: read committed files, apply a function, publish files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from dataengine.engines.packing import pack as packed
from dataengine.engines.tables import by_prefix, canonical, runs
from dataengine.engines.tables import publish as published
from dataengine.storage.workspace import File, Workspace
from dataengine.table_engine import Function, Packing

_FILE: list[pa.Field[Any]] = [
    pa.field("key", pa.string()),
    pa.field("sha256", pa.string()),
    pa.field("bytes", pa.int64()),
    pa.field("rows", pa.int64()),
]
#: Columns of a published file's row.
FILES = pa.schema(_FILE)


def _batches(table: pa.Table, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    yield from canonical(table.select(schema.names).cast(schema)).combine_chunks().to_batches(max_chunksize=100_000)


def read(workspace: Workspace, schema: pa.Schema, files: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of committed files, given as rows of FILES."""
    for batch in files:
        for row in batch.to_pylist():
            yield from _batches(workspace.read_table([File(**row)], schema), schema)


def apply(
    function: Function, schema: pa.Schema, together: bool, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """``function`` of each batch, or of all batches of the partition ``together``."""
    tables = [canonical(pa.Table.from_batches([batch])) for batch in batches if batch.num_rows or not together]
    for table in [pa.concat_tables(tables)] if together and tables else tables:
        yield from _batches(function(table), schema)


def publish(
    workspace: Workspace,
    base: str,
    ids: str,
    digits: int,
    schema: pa.Schema,
    order: Sequence[str],
    batches: Iterable[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """Write a file for each id prefix of the partition; FILES."""
    tables = [canonical(pa.Table.from_batches([batch])) for batch in batches if batch.num_rows]
    if not tables:
        return
    for prefix, rows in by_prefix(pa.concat_tables(tables), ids, digits):
        yield from _row_of(published(workspace, base, prefix, rows, schema, order))


def publish_each(
    workspace: Workspace,
    base: str,
    by: str,
    schema: pa.Schema,
    order: Sequence[str],
    batches: Iterable[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """Write a file for each value of ``by``, by which the rows come ordered; FILES."""
    tables = (canonical(pa.Table.from_batches([batch])) for batch in batches)
    for name, rows in runs(tables, by):
        yield from _row_of(published(workspace, base, name, rows, schema, order))


def pack(workspace: Workspace, packing: Packing, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Write the packs of a partition, whose rows come ordered by part; PARTS."""
    tables = (canonical(pa.Table.from_batches([batch])) for batch in batches if batch.num_rows)
    for table in packed(workspace, packing, tables):
        yield from table.to_batches()


def _row_of(file: File) -> list[pa.RecordBatch]:
    return pa.Table.from_pylist([asdict(file)], schema=FILES).to_batches()
