"""Columns of what sources say of their samples: fields of tables, sidecars and tars that the recipe declares, with types.

Every occurrence of a sample is asked, in the order of source and uri: the first value that fits the type stands. A value that
fits none is null, and counted as a misfit of its source and column; the sample goes on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.config.sources import ColumnType
from dataengine.contracts import GROUPS, SAMPLES
from dataengine.errors import UsageError
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import Output, roles

STAGE, ROLE = "annotate.columns", "columns"
_TYPES: dict[ColumnType, pa.DataType] = {
    "double": pa.float64(),
    "integer": pa.int64(),
    "string": pa.string(),
    "boolean": pa.bool_(),
}
_LONGEST = 4000
"""Characters of a text; a longer one is a misfit."""
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_OCCURRENCE = contracts.columns(id=pa.string(), source=pa.string(), uri=pa.string(), meta=pa.string())
_READ = contracts.columns(source=pa.string(), column=pa.string(), fits=pa.bool_())
_OCCURRENCES = """
SELECT i."id", i."source", i."uri", i."meta" FROM i INNER JOIN g ON i."id" = g."id" AND g."id" = g."representative"
"""
_CELLS = 'SELECT "source", "column", "fits", CAST(count(*) AS BIGINT) AS n FROM r GROUP BY "source", "column", "fits"'

Fields = Mapping[str, Mapping[str, tuple[ColumnType, str]]]
"""By source the type of each of its columns, and the field it is read from."""


def declared(recipe: Recipe) -> dict[str, pa.DataType]:
    """The columns of all sources. Raises UsageError where two sources declare one with different types."""
    types: dict[str, tuple[ColumnType, str]] = {}
    for source in recipe.sources:
        for name, (type_, _) in source.fields_of_columns().items():
            before, other = types.setdefault(name, (type_, source.name))
            if before != type_:
                raise UsageError(
                    f"column `{name}` is {before} in source `{other}` and {type_} in `{source.name}`: give it one type"
                )
    return {name: _TYPES[type_] for name, (type_, _) in sorted(types.items())}


def schema(recipe: Recipe) -> pa.Schema:
    """Of the table: one row a representative of which some source says something."""
    columns = [pa.field(name, type_) for name, type_ in declared(recipe).items()]
    return pa.schema([pa.field("id", pa.string(), False), *columns])


class SourceColumns(TableStage):
    """Typed columns of the representatives, from the metadata that ingest has stored."""

    name = STAGE
    version = "1"
    needs = ("ingest", "dedup")

    def active(self, recipe: Recipe) -> bool:
        return any(source.columns for source in recipe.sources)

    def validate(self, recipe: Recipe) -> None:
        declared(recipe)

    def settings(self, recipe: Recipe) -> Any:
        return _fields(recipe)

    def compute(self, run: Run, key: str) -> Output:
        engine, fields, made = run.engine, _fields(run.recipe), schema(run.recipe)
        occurrences = run.frame("ingest", "samples", SAMPLES, _OCCURRENCE.names)
        groups = run.frame("dedup", "groups", GROUPS, ["id", "representative"])
        rows = engine.kept(engine.sql(_OCCURRENCES, {"i": occurrences, "g": groups}))
        columns = engine.local(rows, ("id",), partial(typed, fields, made), made)
        files = engine.write(run.workspace, f"annotations/columns-{key}", columns, made, ("id",))
        cells = engine.local(rows, (), partial(read, fields), _READ)
        counted = engine.collect(engine.sql(_CELLS, {"r": cells})).to_pylist()
        facts = {"cells": sorted(counted, key=lambda row: (row["source"], row["column"], row["fits"]))}
        counts = {name: sum(c["n"] for c in counted if c["fits"] == fits) for name, fits in _COUNTED.items()}
        return Output(roles(ROLE, files), counts, facts)


_COUNTED = {"values": True, "misfits": False}


def _fields(recipe: Recipe) -> dict[str, dict[str, tuple[ColumnType, str]]]:
    return {source.name: source.fields_of_columns() for source in recipe.sources if source.columns}


def typed(fields: Fields, made: pa.Schema, occurrences: pa.Table) -> pa.Table:
    """A row of ``made`` for each sample of (id, source, uri, meta)."""
    rows: dict[str, dict[str, Any]] = {}
    for id_, _, column, value in _values(fields, occurrences):
        row = rows.setdefault(id_, {"id": id_})
        if value is not None and row.get(column) is None:
            row[column] = value
    return pa.Table.from_pylist(list(rows.values()), made)


def read(fields: Fields, occurrences: pa.Table) -> pa.Table:
    """A row for each cell that holds something: whether it fits its column's type."""
    cells = [(source, column, value is not None) for _, source, column, value in _values(fields, occurrences)]
    return pa.Table.from_pylist([dict(zip(_READ.names, cell, strict=True)) for cell in cells], _READ)


def _values(fields: Fields, occurrences: pa.Table) -> list[tuple[str, str, str, Any]]:
    """Of each cell that holds something: sample, source, column and the value, None where it does not fit."""
    values = []
    for row in sorted(occurrences.to_pylist(), key=lambda row: (row["source"], row["uri"])):
        columns = fields.get(row["source"])
        meta = json.loads(row["meta"]) if columns and row["meta"] else {}
        for column, (type_, field) in (columns or {}).items():
            value = meta.get(field)
            if value is not None and value != "":
                values.append((row["id"], row["source"], column, _READERS[type_](value)))
    return values


def _double(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or "_" in str(value):
        return None  # Python alone reads 1_0 as a number
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _integer(value: Any) -> int | None:
    if isinstance(value, str):
        try:
            value = int(value.replace("_", " "))
        except ValueError:
            value = _double(value)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or value != value
        or value in (math.inf, -math.inf)
    ):
        return None
    return int(value) if value == int(value) and -(2**63) <= value < 2**63 else None


def _string(value: Any) -> str | None:
    if isinstance(value, dict | list):
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST else None


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return _BOOLEANS.get(str(value).strip().lower()) if isinstance(value, int | str) else None


_READERS: dict[ColumnType, Callable[[Any], Any]] = {
    "double": _double,
    "integer": _integer,
    "string": _string,
    "boolean": _boolean,
}
