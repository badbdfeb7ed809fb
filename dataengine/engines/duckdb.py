"""Portable SQL on DuckDB, inside this process: no start-up to speak of, bounded by one machine's memory and disk.

DuckDB is imported with the first engine, so that a run with nothing to do does not pay for it. Each query runs on
a cursor of its own that sees the given tables and nothing else (no Python variables, no extensions from the network).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import pyarrow as pa

from dataengine.engines.tables import Parameter, Relation, canonical
from dataengine.errors import RunError


class DuckDBEngine:
    """One in-memory database; ``threads`` bounds its workers (all cores by default) and never changes a result."""

    name = "duckdb"

    def __init__(self, threads: int | None = None) -> None:
        import duckdb

        self._spill = tempfile.TemporaryDirectory(prefix="dataengine-duckdb-")
        config: dict[str, str | bool | int | float | list[str]] = {
            "temp_directory": self._spill.name,
            "autoinstall_known_extensions": False,
            "python_enable_replacements": False,
            "default_null_order": "NULLS_FIRST_ON_ASC_LAST_ON_DESC",  # as in Spark
        }
        if threads is not None:
            config["threads"] = threads
        self._error = duckdb.Error
        self._database = duckdb.connect(":memory:", config=config)

    def query(self, sql: str, tables: Mapping[str, Relation], parameters: Sequence[Parameter] = ()) -> pa.Table:
        """Rows of ``sql``; Arrow tables and data sets are read where they lie, without a copy."""
        cursor = self._database.cursor()
        try:
            for name, table in tables.items():
                cursor.register(name, table)
            return canonical(cursor.sql(sql, params=list(parameters)).to_arrow_table())
        except self._error as error:
            raise RunError(f"DuckDB could not answer: {error}\n{sql}") from error
        finally:
            cursor.close()

    def close(self) -> None:
        self._database.close()
        self._spill.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
