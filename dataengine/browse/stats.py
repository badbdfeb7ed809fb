"""SQL over all tables of a workspace or release, for reading alone: no file, no network, no extension, one SELECT, bounded rows.

The tables are Arrow data sets over Parquet files where they lie, so that the database itself needs no access to files, and has
none.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dataengine import contracts
from dataengine.browse.history import well_formed
from dataengine.browse.inputs import inputs
from dataengine.browse.session import Session
from dataengine.browse.view_engine import quoted
from dataengine.errors import UsageError
from dataengine.release.ledger import is_ledger
from dataengine.storage.workspace import File, Workspace

if TYPE_CHECKING:
    from dataengine.stage import Run

#: Short names of the tables that are asked most; all others are called STAGE_ROLE.
_SHORT = {
    ("ingest", "samples"): "samples",
    ("ingest", "failures"): "failures",
    ("dedup.unique", "unique"): "unique_samples",
    ("dedup", "groups"): "groups",
    ("dedup", "edges"): "edges",
    ("filter", "decisions"): "decisions",
    ("shard.assign", "assignment"): "assignment",
    ("contamination.find", "hits"): "contamination",
    ("release", "ledger"): "ledger",
}
#: Schemas of those that the contract has.
SCHEMAS = {
    **{name: contracts.TABLES[name] for name in ("samples", "failures", "groups", "decisions", "assignment", "ledger")},
    "unique_samples": contracts.UNIQUE,
}
_MEMORY_GB, _SECONDS = 4, 300.0


@dataclass(frozen=True)
class Answer:
    """Rows of a query as Python values, the first of them where ``more`` is true."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    more: bool

    def to_json(self) -> list[dict[str, Any]]:
        """An object a row; what JSON has no type for is text."""
        return [dict(zip(self.columns, map(json_value, row), strict=True)) for row in self.rows]


def json_value(value: Any) -> Any:
    """A value of a table for JSON: bytes in hex, and as text what JSON has no type for, NaN and infinities among it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [json_value(one) for one in value]
    if isinstance(value, dict):
        return {str(name): json_value(one) for name, one in value.items()}
    if isinstance(value, float) and value - value != 0:
        return str(value)
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)


@contextmanager
def tables(session: Session) -> Iterator[dict[str, list[tuple[str, str, int]]]]:
    """Opens the tables of a session for ``query``: of each (column, type, rows of the table). The table ``inputs`` is in memory
    and goes with the session."""
    connection = session.engine.connection
    connection.execute(f"SET memory_limit = '{_MEMORY_GB}GB'")
    inputs(session)
    for name, (workspace, files) in _files(session).items():
        _register(session, name, workspace, files)
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    sql = "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal AND table_name NOT LIKE 'frame_%'"
    described: dict[str, list[tuple[str, str, int]]] = {}
    counts = {name: sum(f.rows for f in files) for name, (_, files) in _files(session).items()}
    counts["inputs"] = connection.execute("SELECT count(*) FROM inputs").fetchone()[0]
    for table, column, kind in connection.execute(sql).fetchall():
        if table in counts:
            described.setdefault(table, []).append((column, kind, counts[table]))
    yield dict(sorted(described.items()))


def _files(session: Session) -> dict[str, tuple[Workspace, list[File]]]:
    """The files of each table by its name."""
    if session.run is None:
        assert session.published is not None
        release = session.published
        total = sum(release.manifest.ledger.outcome.values())
        listed = [f for f in release.manifest.files if is_ledger(f.path)]
        files = [File(f.path, f.sha256, f.bytes, total if n == 0 else 0) for n, f in enumerate(listed)]
        return {"ledger": (Workspace(release.store.url), files)}
    return committed_files(session.run)


def committed_files(run: Run) -> dict[str, tuple[Workspace, list[File]]]:
    """Parquet tables of the stages, by a short name or STAGE_ROLE; of a role in parts (``plan/…``) the parts together."""
    named: dict[str, list[File]] = {}
    for stage, record in run.records.items():
        for _, output in sorted(record.parts.items()):
            for role, file in sorted(output.files.items()):
                if file.key.endswith(".parquet"):
                    kind = role.partition("/")[0]
                    base = stage.replace(".", "_")
                    name = _SHORT.get((stage, kind), base if kind in ("table", stage) else f"{base}_{kind}")
                    named.setdefault(name, []).append(file)
    return {name: (run.workspace, files) for name, files in named.items()}


def _register(session: Session, name: str, workspace: Workspace, files: Sequence[File]) -> None:
    import pyarrow.dataset as pads

    engine = session.engine
    if session.run is None:
        files = [File(f.key, f.sha256, f.bytes, 1) for f in files]
    paths = engine.local_paths(workspace, files)
    schema = SCHEMAS.get(name)
    if paths:
        stored = schema or pads.dataset(paths, format="parquet").schema
        data: Any = pads.dataset(paths, format="parquet", schema=pa.schema([f for f in stored if _is_readable(f.type)]))
    else:
        data = (schema or pa.schema([("id", pa.string())])).empty_table()
    engine.connection.register(f"frame_of_{name}", data)
    engine.execute(f"CREATE TEMP VIEW {quoted(name)} AS SELECT * FROM {quoted(f'frame_of_{name}')}")


def _is_readable(type_: pa.DataType) -> bool:
    """False where DuckDB has no such type: half floats."""
    inner: Any = type_
    nested = isinstance(type_, pa.ListType | pa.LargeListType | pa.FixedSizeListType)
    return not pa.types.is_float16(inner.value_type if nested else type_)


def query(session: Session, sql: str, most: int = 1000, seconds: float = _SECONDS) -> Answer:
    """At most so many rows of one SELECT over the tables that ``tables`` has opened, which it leaves as they are. Raises
    UsageError for anything else, for what DuckDB cannot answer, and where it takes longer than ``seconds``."""
    import duckdb

    connection = session.engine.connection
    well_formed("--sql", sql)
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise UsageError(f"--sql: {_message(error)}") from None
    if len(statements) != 1 or statements[0].type not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
        raise UsageError("--sql: one SELECT is answered, and nothing else")
    timer = threading.Timer(seconds, connection.interrupt)
    timer.start()
    connection.execute("BEGIN TRANSACTION READ ONLY")
    try:
        result = connection.execute(statements[0])
        rows = result.fetchmany(most + 1)
        columns = [column[0] for column in result.description or ()]
    except duckdb.InterruptException:
        raise UsageError(f"--sql: no answer within {seconds:g} s: ask for fewer rows or columns") from None
    except duckdb.Error as error:
        raise UsageError(f"--sql: {_message(error)}") from None
    except OverflowError as error:
        raise UsageError(f"--sql: a value is too large to be shown ({error}): cast it, as in x::VARCHAR") from None
    finally:
        timer.cancel()
        connection.execute("ROLLBACK")
    return Answer(columns, rows[:most], len(rows) > most)


def _message(error: Exception) -> str:
    """What is wrong, in DuckDB's words."""
    text = str(error).strip()
    return "a time with a zone cannot be shown: cast it, as in now()::VARCHAR" if "'pytz'" in text else text
