"""What a table stage asks of an engine: SQL, functions over the rows of a key, connected components; the same rows from
DuckDB and from Spark.

A *frame* is the engine's own table: Arrow in this process with DuckDB, a lazy DataFrame with Spark, whose rows never pass
through the driver. The trade-off: only the SQL on which both agree may be used. That subset is

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

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from dataengine.errors import RunError

if TYPE_CHECKING:
    from dataengine.storage.workspace import File, Workspace

#: What an engine takes as a table.
Relation = pa.Table | pads.Dataset

#: An engine's own table: pa.Table with DuckDB, a DataFrame with Spark.
Frame = Any

#: A function of rows; picklable, and importable where the engine's workers are.
Function = Callable[[pa.Table], pa.Table]

#: What may stand for a ``?``.
Parameter = float | int | str | bool

#: Rows of a table that go into one file, on average.
ROWS_A_FILE = 1_000_000

_WIDER: dict[pa.DataType, pa.DataType] = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.float16(): pa.float32(),
}


class TableEngine(Protocol):
    """Answers portable SQL (see the module) over named tables. Usable as a context manager."""

    name: str
    spread: bool
    """True where ``local`` spreads the keys over workers."""

    def query(self, sql: str, tables: Mapping[str, Relation], parameters: Sequence[Parameter] = ()) -> pa.Table:
        """Rows of ``sql`` over ``tables``, in ``canonical`` types. Raises RunError with the SQL that failed."""
        ...

    def frame(self, table: pa.Table) -> Frame:
        """A small table as a frame."""
        ...

    def scan(self, workspace: Workspace, files: Sequence[File], schema: pa.Schema) -> Frame:
        """Committed files as a frame (as ``Workspace.read_table``)."""
        ...

    def sql(self, sql: str, frames: Mapping[str, Frame], parameters: Sequence[Parameter] = ()) -> Frame:
        """As ``query``, from frames to a frame."""
        ...

    def local(self, frame: Frame, keys: Sequence[str], function: Function, schema: pa.Schema) -> Frame:
        """``function`` of the rows, to rows of ``schema`` in no order. It must be *local*: of tables that share no value of
        ``keys`` together it makes what it makes of each. Without keys it makes the same of each row by itself."""
        ...

    def whole(self, frame: Frame, function: Function, schema: pa.Schema) -> Frame:
        """``function`` of all rows at once, in one worker: for what has no local form, bounded by that worker's memory."""
        ...

    def kept(self, frame: Frame) -> Frame:
        """The same rows, made once however often they are asked for, until ``forget``."""
        ...

    def forget(self) -> None:
        """Let go of what was kept: no frame of before is asked again."""
        ...

    def components(self, edges: Frame) -> Frame:
        """Connected components of ``a``, ``b`` (strings): (id, component) of each sample with an edge, where ``component`` is
        the smallest id in it."""
        ...

    def collect(self, frame: Frame) -> pa.Table:
        """The rows, in this process: for counts and other small results."""
        ...

    def write(
        self,
        workspace: Workspace,
        base: str,
        frame: Frame,
        schema: pa.Schema,
        order: Sequence[str],
        ids: str | None = None,
    ) -> list[File]:
        """Publish as Parquet ordered by ``order``: ``base``.parquet, or for many rows a file for each prefix of the hex ids in
        column ``ids`` (by default the first of ``order``). The same files, byte for byte, from every engine. Raises RunError
        where two rows are equal in all of ``order``: which comes first would be chance."""
        ...

    def split(
        self, workspace: Workspace, base: str, frame: Frame, schema: pa.Schema, by: str, order: Sequence[str]
    ) -> dict[str, File]:
        """Publish a file ``base``/VALUE.parquet for each value of the string column ``by``, ordered and checked as by ``write``;
        ``by`` and ``order`` need not be in ``schema``."""
        ...

    def close(self) -> None:
        """Give back the session; closing twice is harmless."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def prefix_digits(rows: int) -> int:
    """Hex digits of the id by which a table of so many rows is cut into files of about ROWS_A_FILE."""
    digits = 0
    while rows > ROWS_A_FILE * 16**digits:
        digits += 1
    return digits


def by_prefix(rows: pa.Table, column: str, digits: int) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each prefix of ``column`` that there is, in order; all under "" for no digits."""
    if not digits:
        yield "", rows
        return
    yield from by_value(rows, pc.utf8_slice_codeunits(rows[column], 0, digits))


def by_value(rows: pa.Table, values: Any) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each of ``values`` (a string for each row), in their order: without a copy where they lie together."""
    if not rows.num_rows:
        return
    changed = np.asarray(pc.not_equal(values[1:], values[:-1]))
    starts = np.flatnonzero(np.r_[True, changed])
    names = [str(values[int(at)].as_py()) for at in starts]
    if len(set(names)) == len(names):
        lengths = np.diff(np.r_[starts, rows.num_rows])
        runs = zip(names, starts.tolist(), lengths.tolist(), strict=True)
        yield from sorted((name, rows.slice(start, length)) for name, start, length in runs)
        return
    for name in sorted(set(names)):
        yield name, rows.filter(pc.equal(values, pa.scalar(name)))


def publish(
    workspace: Workspace, base: str, prefix: str, rows: pa.Table, schema: pa.Schema, order: Sequence[str]
) -> File:
    """One file of ``TableEngine.write``: the rows of one prefix ("" where it is the only one)."""
    name = f"{base}/{prefix}.parquet" if prefix else f"{base}.parquet"
    ordered = _in_order(canonical(rows), order, name).select(schema.names)
    return workspace.write_table(name, ordered.combine_chunks(), schema)


def _in_order(rows: pa.Table, order: Sequence[str], name: str) -> pa.Table:
    if _rises(rows, order):
        return rows
    ordered = rows.sort_by([(column, "ascending") for column in order])
    if not _rises(ordered, order):
        equal = _equal_neighbours(ordered, order)
        if equal is not None:
            told = ", ".join(str(value) for value in equal.values())
            raise RunError(f"{name}: {told} stands twice in the table; each {' and '.join(order)} may come once")
    return ordered


def _rises(rows: pa.Table, order: Sequence[str]) -> bool:
    """Is each row above the one before it?"""
    above: Any = None
    level: Any = None
    for column in order:
        before, after = rows[column][:-1], rows[column][1:]
        greater, equal = pc.greater(after, before), pc.equal(after, before)
        above = greater if above is None else pc.or_kleene(above, pc.and_kleene(level, greater))
        level = equal if level is None else pc.and_kleene(level, equal)
    return bool(pc.all(pc.fill_null(above, False)).as_py())


def _equal_neighbours(rows: pa.Table, order: Sequence[str]) -> dict[str, Any] | None:
    level: Any = None
    for column in order:
        equal: Any = pc.equal(rows[column][1:], rows[column][:-1])
        level = equal if level is None else pc.and_kleene(level, equal)
    at = pc.index(pc.fill_null(level, False), True).as_py()
    return None if at < 0 else {c: rows[c][at].as_py() for c in order}


def canonical(table: pa.Table) -> pa.Table:
    """The same rows in the types both engines have: signed integers, no half floats, plain strings, nullable fields,
    ``item`` lists."""
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
