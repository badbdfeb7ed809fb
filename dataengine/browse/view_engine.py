"""A read-only table engine whose frames are DuckDB views over Parquet files where they lie: a query reads only the columns and
row groups that it needs, and no row becomes a Python object.

It answers what stages ask of an engine to *describe* tables (``scan``, ``sql``, ``kept``, ``local``), so that the joins of
scores, tracks and the ledger are those of the run itself. Files on S3 are copied to a temporary folder once.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import pyarrow as pa

from dataengine.errors import RunError
from dataengine.table_engine import Function, Parameter, Relation, TableEngine

if TYPE_CHECKING:
    from types import TracebackType

    from dataengine.storage.workspace import File, Workspace

_PIECES = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\?""")


def quoted(name: str) -> str:
    """A name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: Parameter) -> str:
    """A constant for SQL."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"CAST({value!r} AS DOUBLE)" if isinstance(value, float) else str(value)


def with_values(sql: str, parameters: Sequence[Parameter]) -> str:
    """``sql`` with its ``?`` written out; those in strings and names are none."""
    values = iter(parameters)
    return _PIECES.sub(lambda match: literal(next(values)) if match[0] == "?" else match[0], sql)


class ViewEngine:
    """One in-memory DuckDB database; a frame is the name of a view or table in it."""

    name = "duckdb"
    spread = False

    def __init__(self, threads: int | None = None) -> None:
        import duckdb

        self._folder = tempfile.TemporaryDirectory(prefix="dataengine-browse-")
        config: dict[str, str | bool | int | float | list[str]] = {
            "temp_directory": f"{self._folder.name}/spill",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
            "default_null_order": "NULLS_FIRST_ON_ASC_LAST_ON_DESC",
        }
        if threads is not None:
            config["threads"] = threads
        self.connection: Any = duckdb.connect(":memory:", config=config)
        self._error, self._count = duckdb.Error, 0
        self._kinds: dict[str, str] = {}

    def table_engine(self) -> TableEngine:
        """The same, as stages see engines; ``write``, ``split``, ``parts`` and ``select`` are not there."""
        return cast(TableEngine, self)

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """The rows of a query, in this process; ``$name`` stands for a parameter. Raises RunError."""
        try:
            rows: pa.Table = self.connection.sql(sql, params=parameters or {}).to_arrow_table()
        except self._error as error:
            raise RunError(f"DuckDB failed on a query: {error}\n{sql}") from error
        return rows

    def rows_of_thread(self, sql: str, parameters: Mapping[str, Any]) -> pa.Table:
        """As ``rows``, beside queries of other threads; temporary tables and views are not seen. Raises RunError."""
        with self.connection.cursor() as cursor:
            try:
                rows: pa.Table = cursor.sql(sql, params=parameters).to_arrow_table()
            except self._error as error:
                raise RunError(f"DuckDB failed on a query: {error}\n{sql}") from error
        return rows

    def execute(self, sql: str) -> None:
        """Raises RunError."""
        try:
            self.connection.execute(sql)
        except self._error as error:
            raise RunError(f"DuckDB failed on a query: {error}\n{sql}") from error

    def local_paths(self, workspace: Workspace, files: Sequence[File]) -> list[str]:
        """Paths of the files that have rows; those of a bucket are copied first."""
        wanted = [f for f in files if f.rows]
        if not workspace.store.remote:
            return [str(Path(workspace.store.url, f.key).absolute()) for f in wanted]
        return workspace.each(lambda f: self._copied(workspace, f), wanted)

    def _copied(self, workspace: Workspace, file: File) -> str:
        path = Path(self._folder.name, f"{file.sha256}.parquet")
        if not path.exists():
            path.write_bytes(workspace.store.get(file.key, file.sha256))
        return str(path)

    def scan(self, workspace: Workspace, files: Sequence[File], schema: pa.Schema) -> str:
        """A view of the columns of ``schema``; what older files lack is null."""
        absent = self.frame(schema.empty_table())
        paths = self.local_paths(workspace, files)
        if not paths:
            return absent
        source = f"read_parquet([{', '.join(map(literal, paths))}], union_by_name = true)"
        stored = {row[0] for row in self.connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
        types = {row[0]: row[1] for row in self.connection.execute(f"DESCRIBE {absent}").fetchall()}
        columns = [quoted(n) if n in stored else f"CAST(NULL AS {types[n]}) AS {quoted(n)}" for n in schema.names]
        return self._view(f"SELECT {', '.join(columns)} FROM {source}")

    def frame(self, table: pa.Table) -> str:
        name = self._new("TABLE")
        self.connection.register("registered", table)
        self.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM registered")
        self.connection.unregister("registered")
        return name

    def sql(self, sql: str, frames: Mapping[str, str], parameters: Sequence[Parameter] = ()) -> str:
        return self._view(self._text(sql, frames, parameters))

    def _text(self, sql: str, frames: Mapping[str, str], parameters: Sequence[Parameter]) -> str:
        named = ", ".join(f"{quoted(n)} AS NOT MATERIALIZED (SELECT * FROM {f})" for n, f in frames.items())
        return f"{f'WITH {named} ' if named else ''}SELECT * FROM ({with_values(sql, parameters)}) AS answered"

    def query(self, sql: str, tables: Mapping[str, Relation], parameters: Sequence[Parameter] = ()) -> pa.Table:
        frames = {name: self.frame(cast(pa.Table, table)) for name, table in tables.items()}
        return self.rows(self._text(sql, frames, parameters))

    def kept(self, frame: str) -> str:
        name = self._new("TABLE")
        self.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM {frame}")
        return name

    def collect(self, frame: str) -> pa.Table:
        return self.rows(f"SELECT * FROM {frame}")

    def local(self, frame: str, keys: Sequence[str], function: Function, schema: pa.Schema) -> str:
        return self.whole(frame, function, schema)

    def whole(self, frame: str, function: Function, schema: pa.Schema) -> str:
        return self.frame(function(self.collect(frame)).select(schema.names).cast(schema))

    def forget(self) -> None:
        """Nothing to do: tables go with the engine."""

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Frames that are made within go with it."""
        before = set(self._kinds)
        try:
            yield
        finally:
            for name in [n for n in reversed(self._kinds) if n not in before]:
                self.execute(f"DROP {self._kinds.pop(name)} IF EXISTS {name}")

    def close(self) -> None:
        self.connection.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _view(self, sql: str) -> str:
        name = self._new("VIEW")
        self.execute(f"CREATE TEMP VIEW {name} AS {sql}")
        return name

    def _new(self, kind: str) -> str:
        self._count += 1
        name = f"frame_{self._count}"
        self._kinds[name] = kind
        return name
