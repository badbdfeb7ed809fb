"""The samples that a stage reads, as a query over committed tables, and their plan: no row is looked at in the driver.

A plan says which parts there are, digests of the samples of each, and where their rows lie. It is named by the content that it is
made from: stages that read the same samples share one, and a run that goes on finds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

from dataengine.contracts import DECISIONS, GROUPS
from dataengine.samples.load import load_of
from dataengine.samples.locate import LOCATED, READ, locations
from dataengine.stage import Run
from dataengine.storage.row_packs import PARTS, PackedRows, places
from dataengine.storage.workspace import File, digest
from dataengine.table_engine import PART, Packing, Parameter, Source

#: Goes up when the same tables would give other rows or digests.
_VERSION = "2"
_ORDER = ("media", "offset")
_DIGESTS = ("id", "captions")
_SUMS = ("bytes", "duration")


@dataclass(frozen=True)
class Planned:
    """A part of a plan: its media tar; digests of its samples' ids and captions; the place of their rows; their ``load``."""

    name: str
    ids: str
    captions: str
    rows: PackedRows
    load: float = 0.0


@dataclass(frozen=True)
class Selection:
    """Those of the distinct samples, the source ``u``, that pass ``where``, which names each other source once."""

    sources: Mapping[str, Source]
    where: str = 'u."id" IS NOT NULL'
    parameters: tuple[Parameter, ...] = ()

    def that(self, where: str, *parameters: Parameter, **sources: Source) -> Selection:
        """Those that pass another condition, too."""
        both = {**self.sources, **sources}
        return replace(
            self, sources=both, where=f"{self.where} AND {where}", parameters=(*self.parameters, *parameters)
        )

    def plan(self, run: Run) -> list[Planned]:
        """A part a media tar, rows in the order of their bytes. Publishes the plan where there is none."""
        query = Query(self.sources, self._sql(), self.parameters)
        parts = published(run, self._key(), query, _DIGESTS, _SUMS)
        return [
            Planned(name, ids, captions, rows, load_of(int(size) / 1000, int(milliseconds) / 1000))
            for name, (ids, captions, size, milliseconds), rows in parts
        ]

    def is_planned(self, run: Run) -> bool:
        """Whether ``plan`` would only read."""
        return run.workspace.store.exists(self._key())

    def summary(self, run: Run, columns: str, samples: Source) -> pa.Table:
        """``columns``, sums and counts of SQL, over the selected ``samples``, which take the place of ``u``."""
        sources = {**self.sources, "u": samples}
        return run.engine.select(run.workspace, sources, f"SELECT {columns} FROM u WHERE {self.where}", self.parameters)

    def _sql(self) -> str:
        return f'SELECT u."media" AS {PART}, u.* FROM u WHERE {self.where}'

    def _key(self) -> str:
        read = {name: [[f.sha256 for f in s.files], s.name] for name, s in self.sources.items()}
        return f"plans/{digest(_VERSION, read, self._sql(), self.parameters, LOCATED.names)}.parquet"


@dataclass(frozen=True)
class Query:
    """Rows with the part of each: ``sql`` over its sources."""

    sources: Mapping[str, Source]
    sql: str
    parameters: tuple[Parameter, ...] = ()


def published(
    run: Run, key: str, query: Query, digests: tuple[str, ...], sums: tuple[str, ...] = ()
) -> list[tuple[str, list[str], PackedRows]]:
    """Each part of a query's rows, which have the columns of LOCATED: its name, digests of some columns and sums of others (as
    of ``Packing``), and the place of its rows, in the order of their bytes. Kept at ``key``, which is to name all that the rows
    are made from."""
    workspace = run.workspace
    if not workspace.store.exists(key):
        packing = Packing(key.removesuffix(".parquet"), _ORDER, digests, sums)
        workspace.write_table(key, run.engine.parts(workspace, query.sources, query.sql, query.parameters, packing))
    parts = workspace.read_table([File(key, "", 0, 1)], PARTS)
    rows = parts.select(["part", "digests"]).to_pylist()
    return [(row["part"], row["digests"], place) for row, place in zip(rows, places(parts), strict=True)]


def distinct(run: Run, stage: str = "dedup.unique") -> Selection:
    """All distinct samples, copies included."""
    return Selection({"u": Source("locations", run.records[stage].files("unique"), READ, locations, LOCATED)})


def representatives(run: Run) -> Selection:
    """The representatives of groups."""
    return distinct(run, "dedup").that(
        'u."id" IN (SELECT g."id" FROM g WHERE g."id" = g."representative")',
        g=source(run, "dedup", "groups", GROUPS, ("id", "representative")),
    )


def kept(run: Run) -> Selection:
    """The representatives that the policy kept."""
    decisions = source(run, "filter", "decisions", DECISIONS, ("id", "kept"))
    return distinct(run, "dedup").that('u."id" IN (SELECT d."id" FROM d WHERE d."kept")', d=decisions)


def source(run: Run, stage: str, role: str, schema: pa.Schema, columns: tuple[str, ...]) -> Source:
    """Some columns of a committed table, as they are."""
    some = pa.schema([schema.field(name) for name in columns])
    return Source("", run.records[stage].files(role), some, as_is, some)


def as_is(rows: pa.Table) -> pa.Table:
    return rows
