"""What a table stage asks of an engine: SQL over Arrow tables, the same rows from DuckDB and from Spark.

The trade-off: only the SQL on which both agree may be used. That subset is

- SELECT, FROM (tables and sub-selects), WHERE, GROUP BY, INNER and LEFT JOIN ... ON, UNION ALL, ORDER BY, LIMIT;
- ``"double-quoted"`` identifiers, so that ``offset`` and ``match`` may be columns; names differ by more than case;
- literals as ``?`` parameters (number, string, boolean, in the order of the text): engines disagree about escapes in
  strings and about the type of ``0.7``. Integers and ``1.5E0`` may be written out;
- CASE, COALESCE, IS [NOT] NULL, AND, OR, NOT, ``< <= > >= =`` and ``<>``, BETWEEN, ``IN`` for strings and integers;
- CAST from one number to a wider one, to DOUBLE, and of counts and sums to BIGINT (DuckDB sums integers to 128 bits);
- count, min, max, sum of integers, count(DISTINCT), ``row_number() OVER (...)`` with a total order, cast to BIGINT.

Not in it: sums and averages of floats (they depend on the order of the rows), division, string and date functions,
CAST to text or from a float to an integer, time stamps, and comparing floats that may be NaN without a guard: both
engines hold NaN equal to itself and greater than every number.
A result has an order only through ORDER BY; strings sort by their UTF-8 bytes, absent values below all others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

import pyarrow as pa
import pyarrow.dataset as pads

#: What an engine takes as a table.
Relation = pa.Table | pads.Dataset

#: What may stand for a ``?``.
Parameter = float | int | str | bool

_UNSIGNED: dict[pa.DataType, pa.DataType] = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64()}


class TableEngine(Protocol):
    """Answers portable SQL (see the module) over named tables. Usable as a context manager."""

    name: str

    def query(self, sql: str, tables: Mapping[str, Relation], parameters: Sequence[Parameter] = ()) -> pa.Table:
        """Rows of ``sql`` over ``tables``, in ``canonical`` types. Raises RunError with the SQL that failed."""
        ...

    def close(self) -> None:
        """Give back the session; closing twice is harmless."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def canonical(table: pa.Table) -> pa.Table:
    """The same rows in the types both engines have: signed integers, plain strings, nullable fields, ``item`` lists."""
    schema = pa.schema([pa.field(f.name, _canonical_type(f.type)) for f in table.schema])
    return table if table.schema.equals(schema) else table.cast(schema)


def _canonical_type(type_: pa.DataType) -> pa.DataType:
    kind: Any = type_
    if pa.types.is_dictionary(type_):
        return _canonical_type(kind.value_type)
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return pa.list_(pa.field("item", _canonical_type(kind.value_type)))
    if pa.types.is_struct(type_):
        return pa.struct([pa.field(f.name, _canonical_type(f.type)) for f in kind])
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return pa.string()
    if pa.types.is_large_binary(type_) or pa.types.is_binary_view(type_):
        return pa.binary()
    return _UNSIGNED.get(type_, type_)
