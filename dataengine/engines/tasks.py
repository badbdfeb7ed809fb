"""What Spark's executors run: reading, working on and publishing the rows of a partition, batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa

from dataengine.engines.tables import by_prefix, by_value, canonical
from dataengine.engines.tables import publish as published
from dataengine.storage.workspace import File, Workspace
from dataengine.table_engine import Function

_FILE: list[pa.Field[Any]] = [
    pa.field("key", pa.string()),
    pa.field("sha256", pa.string()),
    pa.field("bytes", pa.int64()),
    pa.field("rows", pa.int64()),
]
#: What is told of a published file.
FILES = pa.schema(_FILE)


def _batches(table: pa.Table, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    yield from canonical(table.select(schema.names).cast(schema)).combine_chunks().to_batches(max_chunksize=100_000)


def read(workspace: Workspace, schema: pa.Schema, listed: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in listed:
        for row in batch.to_pylist():
            yield from _batches(workspace.read_table([File(**row)], schema), schema)


def apply(
    function: Function, schema: pa.Schema, together: bool, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    some = [canonical(pa.Table.from_batches([batch])) for batch in batches if batch.num_rows or not together]
    for table in [pa.concat_tables(some)] if together and some else some:
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
    some = [canonical(pa.Table.from_batches([batch])) for batch in batches if batch.num_rows]
    if not some:
        return
    for prefix, rows in by_prefix(pa.concat_tables(some), ids, digits):
        yield from _told(published(workspace, base, prefix, rows, schema, order))


def publish_each(
    workspace: Workspace,
    base: str,
    by: str,
    schema: pa.Schema,
    order: Sequence[str],
    batches: Iterable[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """Rows come ordered by ``by``."""
    tables = (canonical(pa.Table.from_batches([batch])) for batch in batches)
    pieces = (piece for table in tables for piece in by_value(table, table[by]))
    for name, some in groupby(pieces, key=itemgetter(0)):
        yield from _told(published(workspace, base, name, pa.concat_tables([rows for _, rows in some]), schema, order))


def _told(file: File) -> list[pa.RecordBatch]:
    return pa.Table.from_pylist([asdict(file)], schema=FILES).to_batches()
