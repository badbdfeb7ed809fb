"""Looks up the columns that a recipe names in each table's header, before anything runs: a typo must not cost a release."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import PurePosixPath
from typing import BinaryIO

from dataengine.config.contamination import TableBenchmark
from dataengine.config.sources import RowsSource
from dataengine.errors import InputError, PartitionError, UsageError
from dataengine.ingest.listing import glob, relative
from dataengine.ingest.parquet_rows import parquet_columns
from dataengine.ingest.reading import opened
from dataengine.ingest.rows import listed
from dataengine.ingest.text_rows import csv_columns, json_columns

#: Rows of a JSONL in which a column must occur, and headers that are read at once.
ROWS, _THREADS = 1000, 16
_FIELDS = ("media", "url", "caption", "license_column", "question", "answer")
_COLUMNS: dict[str, Callable[[BinaryIO], list[str]]] = {
    ".jsonl": partial(json_columns, rows=ROWS),
    ".ndjson": partial(json_columns, rows=ROWS),
    ".csv": csv_columns,
    ".parquet": parquet_columns,
}


def named_columns(table: RowsSource | TableBenchmark) -> dict[str, str]:
    """The columns that the recipe itself names, by field; those of defaults may be absent."""
    named = {field: getattr(table, field) for field in _FIELDS if field in table.model_fields_set}
    of_columns = table.fields_of_columns() if isinstance(table, RowsSource) else {}
    declared = {f"columns.{name}": field for name, (_, field) in of_columns.items()}
    return {field: column for field, column in named.items() if column} | declared


def check_columns(path: str, named: Mapping[str, str]) -> None:
    """Raises UsageError that names each column which a table lacks, with those it has and the nearest name. Tables that cannot
    be read are left to ingest, where they are failures."""
    if not named:
        return
    tables = [entry.key for entry in glob(path)]
    with ThreadPoolExecutor(_THREADS, "columns") as pool:
        headers = zip(tables, pool.map(_header, tables), strict=True)
        mistakes = [
            m for table, columns in headers if columns for m in _mistakes(relative(path, table), columns, named)
        ]
    if mistakes:
        more = f"\nand {len(mistakes) - 5:,} more" if len(mistakes) > 5 else ""
        raise UsageError("\n".join(mistakes[:5]) + more)


def _header(table: str) -> list[str]:
    try:
        with opened(table) as file:
            return _COLUMNS[PurePosixPath(table).suffix](file)  # ``parts`` has refused others
    except (InputError, PartitionError):
        return []


def _mistakes(table: str, columns: list[str], named: Mapping[str, str]) -> Iterable[str]:
    within = f" in its first {ROWS:,} rows" if table.endswith((".jsonl", ".ndjson")) else ""
    for field, column in named.items():
        if column not in columns:
            near = difflib.get_close_matches(column, columns, 1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            yield f"{table} has no column `{column}` ({field}){within}; its columns: {listed(columns)}{hint}"
