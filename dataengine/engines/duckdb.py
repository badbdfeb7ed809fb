"""The table engine on DuckDB, inside this process: starts in milliseconds, bounded by one machine's memory and disk.

DuckDB is imported with the first engine, so that a run with nothing to do does not pay for it. Each query runs on
a cursor of its own that sees the given tables and nothing else (no Python variables, no extensions from the network).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from dataengine.engines.graph import connected
from dataengine.engines.packing import pack
from dataengine.engines.tables import by_prefix, by_value, canonical, canonical_schema, prefix_digits, publish
from dataengine.errors import RunError
from dataengine.storage.row_packs import PARTS
from dataengine.storage.scratch import Scratch
from dataengine.table_engine import PART, Function, Packing, Parameter, Relation, Source

if TYPE_CHECKING:
    from dataengine.storage.workspace import File, Workspace

_ROWS_AT_ONCE = 1 << 17
#: Memory in which rows are joined and sorted into parts, beyond which DuckDB uses its folder: at least, and a row.
_PARTS_BYTES, _ROW_BYTES = 300 << 20, 30
_BATCH = 1 << 16


class _Stream:
    """Rows of a source, once; ``error``: what went wrong reading them, which DuckDB would wrap."""

    def __init__(self, workspace: Workspace, source: Source) -> None:
        self._workspace, self._source = workspace, source
        self._schema = canonical_schema(source.schema)
        self.error: Exception | None = None

    def reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self._schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        source = self._source
        try:
            for table in self._workspace.batches([f for f in source.files if f.rows], source.columns):
                rows = source.prepare(canonical(table)).select(source.schema.names).cast(self._schema)
                yield from rows.combine_chunks().to_batches()
        except Exception as error:
            self.error = error
            raise


class DuckDBEngine:
    """One in-memory database; ``threads`` bounds its workers (all cores by default) and never changes a result."""

    name = "duckdb"
    spread = False

    def __init__(self, threads: int | None = None) -> None:
        import duckdb

        self._spill = Scratch("duckdb")
        self._threads, self._error = threads, duckdb.Error
        self._database = self._connect()

    def _connect(self, **settings: str) -> Any:
        import duckdb

        config: dict[str, str | bool | int | float | list[str]] = {
            "temp_directory": self._spill.name,
            "autoinstall_known_extensions": False,
            "python_enable_replacements": False,
            "default_null_order": "NULLS_FIRST_ON_ASC_LAST_ON_DESC",  # as in Spark
            **settings,
        }
        if self._threads is not None:
            config["threads"] = self._threads
        return duckdb.connect(":memory:", config=config)

    def query(self, sql: str, tables: Mapping[str, Relation], parameters: Sequence[Parameter] = ()) -> pa.Table:
        """Rows of ``sql``; Arrow tables and data sets are read where they lie, without a copy."""
        cursor = self._database.cursor()
        try:
            for name, table in tables.items():
                cursor.register(name, table)
            return canonical(cursor.sql(sql, params=list(parameters)).to_arrow_table())
        except self._error as error:
            raise RunError(f"DuckDB failed on a query: {error}\n{sql}") from error
        finally:
            cursor.close()

    def frame(self, table: pa.Table) -> pa.Table:
        return canonical(table)

    def scan(self, workspace: Workspace, files: Sequence[File], schema: pa.Schema) -> pa.Table:
        return canonical(workspace.read_table(files, schema))

    def sql(self, sql: str, frames: Mapping[str, pa.Table], parameters: Sequence[Parameter] = ()) -> pa.Table:
        return self.query(sql, frames, parameters)

    def local(self, frame: pa.Table, keys: Sequence[str], function: Function, schema: pa.Schema) -> pa.Table:
        """Without keys in slices of some hundred thousand rows, four at once."""
        if keys or frame.num_rows <= _ROWS_AT_ONCE:
            return self.whole(frame, function, schema)
        slices = [frame.slice(start, _ROWS_AT_ONCE) for start in range(0, frame.num_rows, _ROWS_AT_ONCE)]
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            return pa.concat_tables(pool.map(lambda rows: self.whole(rows, function, schema), slices))

    def whole(self, frame: pa.Table, function: Function, schema: pa.Schema) -> pa.Table:
        return canonical(function(frame).select(schema.names).cast(schema))

    def kept(self, frame: pa.Table) -> pa.Table:
        return frame

    def forget(self) -> None:
        """Nothing to do: a frame is an Arrow table, freed with its last reference."""

    def components(self, edges: pa.Table) -> pa.Table:
        return connected(edges)

    def collect(self, frame: pa.Table) -> pa.Table:
        return frame

    def write(
        self,
        workspace: Workspace,
        base: str,
        frame: pa.Table,
        schema: pa.Schema,
        order: Sequence[str],
        ids: str | None = None,
    ) -> list[File]:
        pieces = by_prefix(frame, ids or order[0], prefix_digits(frame.num_rows))
        return self._published(workspace, base, pieces, schema, order)

    def split(
        self, workspace: Workspace, base: str, frame: pa.Table, schema: pa.Schema, by: str, order: Sequence[str]
    ) -> dict[str, File]:
        columns = ", ".join(f'"{name}"' for name in (by, *order))
        ordered = self.sql(f"SELECT * FROM f ORDER BY {columns}", {"f": frame})
        pieces = list(by_value(ordered, ordered[by]))
        files = self._published(workspace, base, pieces, schema, order)
        return {name: file for (name, _), file in zip(pieces, files, strict=True)}

    def _published(
        self,
        workspace: Workspace,
        base: str,
        pieces: Iterable[tuple[str, pa.Table]],
        schema: pa.Schema,
        order: Sequence[str],
    ) -> list[File]:
        """Write four files at once: Parquet is encoded without the GIL."""
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            return list(pool.map(lambda piece: publish(workspace, base, piece[0], piece[1], schema, order), pieces))

    def parts(
        self,
        workspace: Workspace,
        sources: Mapping[str, Source],
        sql: str,
        parameters: Sequence[Parameter],
        packing: Packing,
    ) -> pa.Table:
        columns = ", ".join(f'"{name}"' for name in (PART, *packing.order))
        with self._streamed(workspace, sources, sql) as database:
            ordered = database.sql(
                f"SELECT * FROM ({sql}) AS rows_of_parts ORDER BY {columns}", params=list(parameters)
            )
            batches = (canonical(pa.Table.from_batches([batch])) for batch in ordered.to_arrow_reader(_BATCH))
            return pa.concat_tables([PARTS.empty_table(), *pack(workspace, packing, batches)])

    def select(
        self, workspace: Workspace, sources: Mapping[str, Source], sql: str, parameters: Sequence[Parameter] = ()
    ) -> pa.Table:
        with self._streamed(workspace, sources, sql) as database:
            return canonical(database.sql(sql, params=list(parameters)).to_arrow_table())

    @contextmanager
    def _streamed(self, workspace: Workspace, sources: Mapping[str, Source], sql: str) -> Iterator[Any]:
        """A database of its own with little memory: files stream in, once; what does not fit is on disk."""
        rows = max((sum(f.rows for f in source.files) for source in sources.values()), default=0)
        database = self._connect(memory_limit=f"{max(_PARTS_BYTES, rows * _ROW_BYTES)} B")
        streams = {name: _Stream(workspace, source) for name, source in sources.items()}
        try:
            for name, stream in streams.items():
                database.register(name, stream.reader())
            yield database
        except self._error as error:
            failed = next((stream.error for stream in streams.values() if stream.error is not None), None)
            if failed is not None:
                raise failed from None
            raise RunError(f"DuckDB failed on a query: {error}\n{sql}") from error
        finally:
            database.close()

    def close(self) -> None:
        self._database.close()
        self._spill.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
