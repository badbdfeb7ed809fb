"""One table of all inputs of a workspace or release: where each came from, what became of it and why, and what is known of it.

Built once by DuckDB from the run's own tables and joins; 10,000,000 rows would spill to disk, none becomes a Python object.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from dataengine import contracts
from dataengine.annotate.track import ANNOTATIONS
from dataengine.browse.session import Session
from dataengine.browse.view_engine import ViewEngine, quoted
from dataengine.contracts import FAILURES, GROUPS, SAMPLES, UNIQUE
from dataengine.index.tracks import INDEXED
from dataengine.policy.annotated import FACT_COLUMNS, annotated, broken, known_columns
from dataengine.release import ledger
from dataengine.stage import Run
from dataengine.table_engine import Frame

#: Columns from the ledger, the kind of a duplicate under a name of its own: ``kind`` is that of the media.
LEDGER = {name: "duplicate_kind" if name == "kind" else name for name in contracts.LEDGER.names}
#: A stage that has not run yet: what becomes of an input is open.
PENDING = "pending"
_LEAVES = contracts.columns(id=pa.string(), leaf=pa.int64())
_CAPTION = """list_extract(list_transform(u."captions", lambda c: c."text"),
  list_position(list_transform(u."captions", lambda c: length(c."text")),
                list_max(list_transform(u."captions", lambda c: length(c."text")))))"""
_GROUP, _PLACE = ("group_id", "group_size"), ("split", "shard", "position")
_KNOWN_FACTS = (*(name for name in FACT_COLUMNS if name != "id"), "ext", "parent", "clip_start", "clip_end")


def inputs(session: Session) -> str:
    """Makes the table ``inputs`` of the session, one row an input; its name. Of a release alone it has the columns of LEDGER."""
    if session.run is None:
        columns = ", ".join(f"l.{quoted(n)} AS {quoted(name)}" for n, name in LEDGER.items())
        session.engine.execute(f"CREATE TABLE inputs AS SELECT {columns} FROM {session.ledger} AS l")
        return "inputs"
    session.engine.execute(f"CREATE TABLE inputs AS {_joined(session.engine, session.needed('ingest'))}")
    return "inputs"


def outcomes(engine: ViewEngine, run: Run) -> str:
    """The ledger of a run: that of its release, else what its stages have decided so far, with outcome PENDING for the rest."""
    if "release" in run.records:
        return _name(run.frame("release", "ledger", contracts.LEDGER))
    empty = contracts.columns(id=pa.string(), failure=pa.string(), message=pa.string()).empty_table()
    frames = {
        "samples": run.frame("ingest", "samples", SAMPLES, ["input_id", "source", "uri", "id"]),
        "failures": run.frame("ingest", "failures", FAILURES, ["input_id", "source", "uri", "failure", "message"]),
        "groups": _table(run, "dedup", "groups", GROUPS),
        "decisions": _table(run, "filter", "decisions", contracts.DECISIONS),
        "broken": broken(run) if "score" in run.records else run.engine.frame(empty),
    }
    built = ledger.build(run.engine, frames)
    columns = ", ".join(
        f'COALESCE("outcome", \'{PENDING}\') AS "outcome"' if n == "outcome" else quoted(n)
        for n in contracts.LEDGER.names
    )
    return _name(run.engine.sql(f"SELECT {columns} FROM l", {"l": built}))


def _table(run: Run, stage: str, role: str, schema: pa.Schema) -> Frame:
    return run.frame(stage, role, schema) if stage in run.records else run.engine.frame(schema.empty_table())


def _name(frame: Frame) -> str:
    return str(frame)


def _joined(engine: ViewEngine, run: Run) -> str:
    """SELECT of all columns of the inputs of a run."""
    tables = {
        "l": outcomes(engine, run),
        "u": _name(_table(run, "dedup.unique", "unique", UNIQUE)),
        "g": _name(_table(run, "dedup", "groups", GROUPS)),
        "a": _name(_table(run, "shard.assign", "assignment", contracts.ASSIGNMENT)),
    }
    columns = {name: f"l.{quoted(n)}" for n, name in LEDGER.items()}
    columns |= {"group_id": 'COALESCE(g."representative", l."representative")', "group_size": 'g."size"'}
    columns |= {name: f"u.{quoted(name)}" for name in _KNOWN_FACTS} | {"caption": _CAPTION}
    columns |= {name: f"a.{quoted(name)}" for name in _PLACE}
    if is_scored(run):
        tables["s"] = _name(annotated(run, list(score_columns(run))))
        columns |= {name: f"s.{quoted(n)}" for n, name in score_columns(run).items()}
    if "index.leaves" in run.records:
        tables["x"] = _name(run.frame("index.leaves", "rows", _LEAVES))
        columns |= {"leaf": 'x."leaf"'} if "leaf" not in columns else {}
    return _select(columns, tables)


def _select(columns: Mapping[str, str], tables: Mapping[str, str]) -> str:
    first, *others = tables
    joins = [f'LEFT JOIN {tables[n]} AS {n} ON {first}."id" = {n}."id"' for n in others]
    selected = ", ".join(f"{expression} AS {quoted(name)}" for name, expression in columns.items())
    return f"SELECT {selected} FROM {tables[first]} AS {first} {' '.join(joins)}"


def is_scored(run: Run) -> bool:
    """Whether all that policies decide over is there: scores and the tracks of the recipe."""
    wanted = ("dedup", "score", *(name for name in (*ANNOTATIONS, *INDEXED) if name in _active(run)))
    return all(stage in run.records for stage in wanted)


def _active(run: Run) -> set[str]:
    from dataengine.policy.annotated import tracks

    return {track.stage for track in tracks(run.recipe)}


def score_columns(run: Run) -> dict[str, str]:
    """Scores, tracks and source columns, facts left out, with their names in the table: another one where it is taken there, or
    is DuckDB's own."""
    names = [name for name in known_columns(run.recipe) if name not in FACT_COLUMNS]
    reserved = {"rowid", *LEDGER.values(), *_GROUP, *_KNOWN_FACTS, "caption", *_PLACE}
    renamed: dict[str, str] = {}
    for name in names:
        column = name
        while column in reserved or (column != name and column in names):
            column = f"score_{column}"
        renamed[name] = column
    return renamed
