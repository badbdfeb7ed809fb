"""Tables of a run or release as views of one DuckDB database: read where they lie, column by column, when something asks for
rows."""

from __future__ import annotations

import atexit
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dataengine.browse import inputs, stats
from dataengine.browse.session import Session
from dataengine.browse.view_engine import ViewEngine, literal, quoted
from dataengine.config.recipe import Recipe
from dataengine.config.yaml_loader import did_you_mean
from dataengine.contracts import ASSIGNMENT, LEDGER
from dataengine.cot.mix.shards import COT_ASSIGNMENT
from dataengine.errors import UsageError
from dataengine.policy.annotated import annotated
from dataengine.stage import Run
from dataengine.storage.workspace import File, Record, Workspace

if TYPE_CHECKING:
    from dataengine.release.reader import Published

#: Order of the rows of ``Tables.table`` where a table is joined; others come as they are stored.
_ORDER = {"ledger": '"source", "uri", "input_id"', "inputs": '"source", "uri", "input_id"', "scores": '"id"'}
#: What a release has of a run's tables.
_RELEASED = {"ledger": LEDGER, "assignment": ASSIGNMENT, "cot_assignment": COT_ASSIGNMENT}


class Tables:
    """``frames``: makes the view of each table by its name, when it is first asked for. Open until ``close`` or the end of the
    process, so that a relation stays good when nothing else of a run is held. Not for several threads."""

    def __init__(self, engine: ViewEngine, frames: Mapping[str, Callable[[], object]], place: str) -> None:
        self._engine, self._frames, self._place = engine, frames, place
        self._views: set[str] = set()
        atexit.register(engine.close)

    @property
    def names(self) -> list[str]:
        return sorted(self._frames)

    def scan(self, name: str) -> Any:
        """The table as a DuckDB relation: nothing is read before its rows are. Raises UsageError for one that is not there."""
        self._open(name)
        return self._engine.connection.sql(f"SELECT * FROM {quoted(name)}")

    def table(self, name: str) -> pa.Table:
        """The rows, in memory. Raises as ``scan``."""
        relation = self.scan(name)
        rows: pa.Table = (relation.order(_ORDER[name]) if name in _ORDER else relation).to_arrow_table()
        return rows

    def sql(self, query: str) -> Any:
        """A query over the tables by their names, as a DuckDB relation. Raises UsageError for one that DuckDB cannot answer."""
        import duckdb

        for name in self.names:
            if re.search(rf"\b{name}\b", query, re.IGNORECASE):
                self._open(name)
        try:
            return self._engine.connection.sql(query)
        except duckdb.Error as error:
            raise UsageError(f"{error}\nThe tables of {self._place}: {', '.join(self.names)}") from None

    def close(self) -> None:
        """Free what the database holds; relations end with it."""
        atexit.unregister(self._engine.close)
        self._engine.close()

    def _open(self, name: str) -> None:
        if name not in self._frames:
            raise UsageError(f"{self._place} has no table `{name}`, or not yet; {did_you_mean(name, self._frames)}")
        if name in self._views:
            return
        frame = self._frames[name]()
        if frame != name:
            self._engine.execute(f"CREATE TEMP VIEW {quoted(name)} AS SELECT * FROM {frame}")
        self._views.add(name)


def tables_of_run(recipe: Recipe, records: Mapping[str, Record]) -> Tables:
    """Tables of the stages with these commits, by the names of ``dataengine stats``; ``ledger``: what has become of each input so
    far; ``scores``: one row a representative; ``inputs``: all that is known of each input, made when it is asked for."""
    engine = ViewEngine()
    run = Run(recipe, engine.table_engine)
    run.records = dict(records)
    frames: dict[str, Callable[[], object]] = {
        name: partial(_stored, engine, run.workspace, files, stats.SCHEMAS.get(name))
        for name, (_, files) in stats.committed_files(run).items()
    }
    if "ingest" in run.records:
        frames["ledger"] = partial(inputs.outcomes, engine, run)
        frames["inputs"] = partial(inputs.inputs, Session(engine, run, place=recipe.name))
    if inputs.is_scored(run):
        frames["scores"] = partial(annotated, run)
    return Tables(engine, frames, f"the run of {recipe.name}")


def tables_of_release(release: Published) -> Tables:
    """``ledger``, and where the release has them ``assignment`` (the shard of each sample) and ``cot_assignment``."""
    engine, workspace = ViewEngine(), Workspace(release.store.url)
    files = {name: files_of(release, name) for name in _RELEASED}
    frames = {name: partial(_stored, engine, workspace, files[name], _RELEASED[name]) for name in files if files[name]}
    return Tables(engine, frames, release.store.url)


def files_of(release: Published, name: str) -> list[File]:
    """Files of a table of a release, ``NAME.parquet`` or ``NAME/PREFIX.parquet``."""
    pattern = re.compile(rf"{name}(/[0-9a-f]+)?\.parquet")
    return [File(f.path, f.sha256, f.bytes, 1) for f in release.manifest.files if pattern.fullmatch(f.path)]


def _stored(engine: ViewEngine, workspace: Workspace, files: Sequence[File], schema: pa.Schema | None) -> str:
    """A view of Parquet files; without a schema of all columns that they have."""
    if schema is not None:
        return engine.scan(workspace, files, schema)
    paths = engine.local_paths(workspace, [f for f in files if f.rows] or [replace(files[0], rows=1)])
    return engine.sql(f"SELECT * FROM read_parquet([{', '.join(map(literal, paths))}], union_by_name = true)", {})
