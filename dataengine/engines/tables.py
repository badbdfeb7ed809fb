"""Helpers of the table engines: canonical types, tables cut into files by id prefix or value, and ordered publishing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataengine.errors import RunError

if TYPE_CHECKING:
    from dataengine.storage.workspace import File, Workspace

#: Rows of a table that go into one file, on average.
ROWS_A_FILE = 1_000_000

_WIDER: dict[pa.DataType, pa.DataType] = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.float16(): pa.float32(),
}


def prefix_digits(rows: int) -> int:
    """Hex digits of the id by which a table of so many rows is cut into files of about ROWS_A_FILE."""
    digits = 0
    while rows > ROWS_A_FILE * 16**digits:
        digits += 1
    return digits


def by_prefix(rows: pa.Table, column: str, digits: int) -> Iterator[tuple[str, pa.Table]]:
    """Split a table by the first ``digits`` characters of ``column``: ``(prefix, rows)`` in order; all under "" for no digits."""
    if not digits:
        yield "", rows
        return
    yield from by_value(rows, pc.utf8_slice_codeunits(rows[column], 0, digits))


def by_value(rows: pa.Table, values: Any) -> Iterator[tuple[str, pa.Table]]:
    """Split a table by ``values`` (a string for each row): ``(value, rows)`` in order, without a copy where equal values are
    adjacent."""
    if not rows.num_rows:
        return
    changed = np.asarray(pc.not_equal(values[1:], values[:-1]))
    starts = np.flatnonzero(np.r_[True, changed])
    names = [str(values[int(start)].as_py()) for start in starts]
    if len(set(names)) == len(names):
        lengths = np.diff(np.r_[starts, rows.num_rows])
        runs = zip(names, starts.tolist(), lengths.tolist(), strict=True)
        yield from sorted((name, rows.slice(start, length)) for name, start, length in runs)
        return
    for name in sorted(set(names)):
        yield name, rows.filter(pc.equal(values, pa.scalar(name)))


def runs(tables: Iterable[pa.Table], column: str) -> Iterator[tuple[str, pa.Table]]:
    """Rows of each value of ``column``, by which the tables come ordered, a value at a time."""
    pieces = (piece for table in tables for piece in by_value(table, table[column]))
    for value, group in groupby(pieces, key=itemgetter(0)):
        yield value, pa.concat_tables([rows for _, rows in group])


def publish(
    workspace: Workspace, base: str, prefix: str, rows: pa.Table, schema: pa.Schema, order: Sequence[str]
) -> File:
    """Write one file of ``TableEngine.write``: the rows of one prefix ("" where it is the only one), checked to be in a total
    order. Raises RunError for a duplicate key."""
    name = f"{base}/{prefix}.parquet" if prefix else f"{base}.parquet"
    ordered = in_order(canonical(rows), order, name).select(schema.names)
    return workspace.write_table(name, ordered.combine_chunks(), schema)


def in_order(rows: pa.Table, order: Sequence[str], name: str) -> pa.Table:
    """The rows sorted by ``order``. Raises RunError, with ``name``, where two are equal in all of it."""
    if _strictly_increasing(rows, order):
        return rows
    ordered = rows.sort_by([(column, "ascending") for column in order])
    if not _strictly_increasing(ordered, order):
        equal = _equal_neighbours(ordered, order)
        if equal is not None:
            key = ", ".join(f"{column} {value}" for column, value in equal.items())
            raise RunError(
                f"duplicate key {{{key}}} in {name}: {' and '.join(order)} must be unique, or the order is chance"
            )
    return ordered


def _strictly_increasing(rows: pa.Table, order: Sequence[str]) -> bool:
    """True where each row is greater than the one before it."""
    greater_so_far: Any = None
    equal_so_far: Any = None
    for column in order:
        before, after = rows[column][:-1], rows[column][1:]
        greater, equal = pc.greater(after, before), pc.equal(after, before)
        later: Any = greater if equal_so_far is None else pc.and_kleene(equal_so_far, greater)
        greater_so_far = later if greater_so_far is None else pc.or_kleene(greater_so_far, later)
        equal_so_far = equal if equal_so_far is None else pc.and_kleene(equal_so_far, equal)
    return bool(pc.all(pc.fill_null(greater_so_far, False)).as_py())


def _equal_neighbours(rows: pa.Table, order: Sequence[str]) -> dict[str, Any] | None:
    """The first key that two adjacent rows share."""
    equal_so_far: Any = None
    for column in order:
        equal: Any = pc.equal(rows[column][1:], rows[column][:-1])
        equal_so_far = equal if equal_so_far is None else pc.and_kleene(equal_so_far, equal)
    row = pc.index(pc.fill_null(equal_so_far, False), True).as_py()
    return None if row < 0 else {c: rows[c][row].as_py() for c in order}


def canonical(table: pa.Table) -> pa.Table:
    """Cast to the types that both engines have: signed integers, no half floats, plain strings, nullable fields,
    ``item`` lists. The same rows."""
    schema = canonical_schema(table.schema)
    return table if table.schema.equals(schema) else table.cast(schema)


def canonical_schema(schema: pa.Schema) -> pa.Schema:
    """``schema`` in the types of ``canonical``."""
    return pa.schema([pa.field(f.name, _canonical_type(f.type)) for f in schema])


def _canonical_type(type_: pa.DataType) -> pa.DataType:
    kind: Any = type_
    if pa.types.is_dictionary(type_):
        return _canonical_type(kind.value_type)
    if pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_):
        return pa.list_(pa.field("item", _canonical_type(kind.value_type)))
    if pa.types.is_struct(type_):
        return pa.struct([pa.field(f.name, _canonical_type(f.type)) for f in kind])
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return pa.string()
    if pa.types.is_large_binary(type_) or pa.types.is_binary_view(type_):
        return pa.binary()
    return _WIDER.get(type_, type_)
