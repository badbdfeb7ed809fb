"""What a table stage asks of an engine: SQL, functions over the rows of a key, connected components; the same rows from
DuckDB and from Spark.

A *frame* is the engine's own table: Arrow in this process with DuckDB, a lazy DataFrame with Spark, whose rows never pass
through the driver. Stages see it as ``Frame``, which nothing but the engine can look into, so that mypy finds code which
takes a frame for an Arrow table. The trade-off: only the SQL on which both agree may be used. That subset is

- SELECT, FROM (tables and sub-selects), WHERE, GROUP BY, INNER and LEFT JOIN ... ON, UNION ALL, ORDER BY, LIMIT;
- ``"double-quoted"`` identifiers, so that ``offset`` and ``match`` may be columns; names differ by more than case;
- literals as ``?`` parameters (number, string, boolean, in the order of the text): engines disagree about escapes in
  strings and about the type of ``0.7``. Integers and ``1.5E0`` may be written out;
- CASE, COALESCE, IS [NOT] NULL, AND, OR, NOT, ``< <= > >= =`` and ``<>``, BETWEEN, ``IN`` for strings and
  integers, ``IN (SELECT ...)`` of one column;
- CAST from one number to a wider one, to DOUBLE, and of counts and sums to BIGINT (DuckDB sums integers to 128 bits);
- count, min, max, sum of integers, count(DISTINCT), ``row_number() OVER (...)`` with a total order, cast to BIGINT.

Not in it: sums and averages of floats (they depend on the order of the rows), division, string and date functions,
CAST to text or from a float to an integer, time stamps, and comparing floats that may be NaN without a guard: both
engines hold NaN equal to itself and greater than every number.
A result has an order only through ORDER BY; strings sort by their UTF-8 bytes, absent values below all others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, NewType, Protocol, Self, TypeAlias, TypeVar, cast

import pyarrow as pa

if TYPE_CHECKING:
    import pyarrow.dataset as pads

    from dataengine.storage.workspace import File, Workspace

#: What an engine takes as a table.
Relation: TypeAlias = "pa.Table | pads.Dataset"

#: A table of the run's engine, whichever that is: it goes back to the engine (``sql``, ``collect``, ...) or nowhere.
Frame = NewType("Frame", object)

#: A function of rows; picklable, and importable where the engine's workers are.
Function = Callable[[pa.Table], pa.Table]

#: What may stand for a ``?``.
Parameter = float | int | str | bool


#: Column of a query that names the part of each row.
PART = "part"


@dataclass(frozen=True)
class Source:
    """Committed files as a table of ``EngineOf.parts`` and ``select``, read once and never held as a whole: ``columns`` of each
    file, through ``prepare``, which makes rows of ``schema`` from rows, of each by itself; ``name`` names what it makes."""

    name: str
    files: Sequence[File]
    columns: pa.Schema
    prepare: Function
    schema: pa.Schema


@dataclass(frozen=True)
class Packing:
    """How ``EngineOf.parts`` writes rows: packs below ``base``, each part in a total ``order``, with digests of some columns
    (strings, or lists of them), and after them sums of others (numbers, as thousandths)."""

    base: str
    order: tuple[str, ...]
    digests: tuple[str, ...]
    sums: tuple[str, ...] = ()


#: The frames of one engine: pa.Table with DuckDB, a DataFrame with Spark.
Own = TypeVar("Own")


class EngineOf(Protocol[Own]):
    """Answers portable SQL (see the module) over its own frames. Usable as a context manager."""

    name: str
    spread: bool
    """True where ``local`` spreads the keys over workers."""

    def query(self, sql: str, tables: Mapping[str, Relation], parameters: Sequence[Parameter] = ()) -> pa.Table:
        """Rows of ``sql`` over ``tables``, in ``canonical`` types. Raises RunError with the SQL that failed."""
        ...

    def frame(self, table: pa.Table) -> Own:
        """A small table as a frame."""
        ...

    def scan(self, workspace: Workspace, files: Sequence[File], schema: pa.Schema) -> Own:
        """Committed files as a frame (as ``Workspace.read_table``)."""
        ...

    def sql(self, sql: str, frames: Mapping[str, Own], parameters: Sequence[Parameter] = ()) -> Own:
        """As ``query``, from frames to a frame."""
        ...

    def local(self, frame: Own, keys: Sequence[str], function: Function, schema: pa.Schema) -> Own:
        """``function`` of the rows, to rows of ``schema`` in no order. It must be *local*: of tables that share no value of
        ``keys`` together it makes what it makes of each. Without keys it makes the same of each row by itself."""
        ...

    def whole(self, frame: Own, function: Function, schema: pa.Schema) -> Own:
        """``function`` of all rows at once, in one worker: for what has no local form, bounded by that worker's memory."""
        ...

    def kept(self, frame: Own) -> Own:
        """The same rows, computed once however often they are read, until ``forget``."""
        ...

    def forget(self) -> None:
        """Release kept rows: no frame made before is used again."""
        ...

    def components(self, edges: Own) -> Own:
        """Connected components of ``a``, ``b`` (strings): (id, component) of each sample with an edge, where ``component`` is
        the smallest id in it."""
        ...

    def collect(self, frame: Own) -> pa.Table:
        """The rows, in this process: for counts and other small results."""
        ...

    def write(
        self,
        workspace: Workspace,
        base: str,
        frame: Own,
        schema: pa.Schema,
        order: Sequence[str],
        ids: str | None = None,
    ) -> list[File]:
        """Publish as Parquet ordered by ``order``: ``base``.parquet, or for many rows a file for each prefix of the hex ids in
        column ``ids`` (by default the first of ``order``). The same files, byte for byte, from every engine. Raises RunError
        where two rows are equal in all of ``order``: which comes first would be chance."""
        ...

    def split(
        self, workspace: Workspace, base: str, frame: Own, schema: pa.Schema, by: str, order: Sequence[str]
    ) -> dict[str, File]:
        """Publish a file ``base``/VALUE.parquet for each value of the string column ``by``, ordered and checked as by ``write``;
        ``by`` and ``order`` need not be in ``schema``."""
        ...

    def parts(
        self,
        workspace: Workspace,
        sources: Mapping[str, Source],
        sql: str,
        parameters: Sequence[Parameter],
        packing: Packing,
    ) -> pa.Table:
        """Publish the rows of ``sql``, which names each source once, by their column PART: a slice of a pack for each part.
        Returns PARTS, ordered by part, with the same digests from every engine; rows never pass through the driver of a
        cluster, and in one process are never held as a whole. Raises RunError as ``write``."""
        ...

    def select(
        self, workspace: Workspace, sources: Mapping[str, Source], sql: str, parameters: Sequence[Parameter] = ()
    ) -> pa.Table:
        """The rows of ``sql``, which names each source once: few, in this process. What they are made from is not held."""
        ...

    def close(self) -> None:
        """Give back the session; closing twice is harmless."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


#: What stages work with: an engine whose frames they cannot look into.
TableEngine: TypeAlias = EngineOf[Frame]


def opaque(engine: EngineOf[Own]) -> TableEngine:
    """The same engine for stages. Sound as long as a run has one engine: the frames that it is handed are those it made."""
    return cast(TableEngine, engine)
