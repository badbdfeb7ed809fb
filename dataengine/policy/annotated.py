"""Joins facts, scores and tracks of the representatives: the columns that policies decide over and shards carry."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.annotate import source_columns
from dataengine.annotate import tracks as annotation_tracks
from dataengine.annotate.track import Track, absent
from dataengine.annotate.worker import TABLE
from dataengine.config.recipe import Recipe
from dataengine.contracts import GROUPS, UNIQUE
from dataengine.errors import UsageError
from dataengine.index import tracks as index_tracks
from dataengine.samples.stage import part_name
from dataengine.score.base import AnyScorer
from dataengine.score.factory import of_recipe
from dataengine.score.worker import annotation_schema
from dataengine.stage import Run
from dataengine.storage.workspace import File
from dataengine.table_engine import Frame

#: Facts that policies may ask about.
FACT_COLUMNS = (
    *("id", "kind", "format", "mode", "bytes", "width", "height", "orientation", "frames", "fps", "duration"),
    *("codec", "audio", "license", "faces", "mentions"),
)
_FIRST_FAILURE = """
SELECT id, failure, message FROM (
  SELECT id, failure, message, CAST(row_number() OVER (PARTITION BY id ORDER BY failure, message) AS BIGINT) AS n
  FROM ({every}) AS every WHERE failure IS NOT NULL
) AS numbered WHERE n = 1
"""


def is_scalar(field: pa.Field[Any]) -> bool:
    """False for embeddings and lists, which neither policies nor sample JSON use."""
    return not pa.types.is_nested(field.type)


def tracks(recipe: Recipe) -> list[Track]:
    """All tracks of the recipe, in the order of the stages that make them."""
    return [*annotation_tracks.tracks(recipe), *index_tracks.tracks(recipe)]


def score_fields(recipe: Recipe) -> list[pa.Field[Any]]:
    """Scalar columns that the recipe's scorers add, in the recipe's order."""
    return [f for scorer in of_recipe(recipe) for f in scorer.fields if is_scalar(f)]


def sample_fields(recipe: Recipe) -> list[pa.Field[Any]]:
    """Columns that samples carry in their ``.json``: scores, and the tracks that the recipe wants there."""
    return [*score_fields(recipe), *(f for track in in_samples(recipe) for f in (*track.columns, *track.details))]


def in_samples(recipe: Recipe) -> list[Track]:
    """The tracks that samples carry."""
    return [track for track in tracks(recipe) if track.in_samples]


def known_columns(recipe: Recipe) -> dict[str, pa.DataType]:
    """What a policy may name. Raises UsageError for a column of a source or a scorer whose name is taken."""
    facts = {name: UNIQUE.field(name).type for name in FACT_COLUMNS if name != "id"}
    facts |= {f.name: f.type for track in tracks(recipe) for f in track.columns}
    scores = {f.name: f.type for f in score_fields(recipe)}
    if twice := sorted(facts.keys() & scores.keys()):
        raise UsageError(
            f"score.scorers: column `{twice[0]}` is there already, as a fact or a track: rename it in the scorer"
        )
    known, declared = facts | scores, source_columns.declared(recipe)
    if taken := sorted(known.keys() & declared.keys()):
        raise UsageError(
            f"sources: column `{taken[0]}` is there already, as a fact, a score or a track: declare it under another name, as in "
            f"`columns: {{source_{taken[0]}: {{field: {taken[0]}, type: …}}}}`"
        )
    return known | declared


def annotated(run: Run, columns: Collection[str] | None = None) -> Frame:
    """FACT_COLUMNS, scores and columns of tracks, or ``id`` and those named (details of tracks, too), one row a representative
    that could be scored, in no order."""
    facts = [name for name in FACT_COLUMNS if name == "id" or columns is None or name in columns]
    frames = {
        "f": run.frame("dedup", "unique", UNIQUE, facts),
        "g": run.frame("dedup", "groups", GROUPS, ["id", "representative"]),
    }
    selected, joins, readable = [f'f."{name}"' for name in facts], [], ['g."id" = g."representative"']
    for n, scorer in enumerate(of_recipe(run.recipe)):
        scores = [f.name for f in scorer.fields if is_scalar(f) and (columns is None or f.name in columns)]
        frames[f"s{n}"] = run.frame("score", scorer.name, annotation_schema(scorer), ["id", *scores, "failure"])
        selected += [f's{n}."{name}"' for name in scores]
        joins.append(f'LEFT JOIN s{n} ON f."id" = s{n}."id"')
        readable.append(f's{n}."failure" IS NULL')
    for n, track in enumerate(tracks(run.recipe)):
        if wanted := _wanted(track, columns):
            frames[f"t{n}"] = run.frame(track.stage, TABLE, track.schema, ["id", *(f.name for f in wanted)])
            selected += [_or_absent(f"t{n}", f) for f in wanted]
            joins.append(f'LEFT JOIN t{n} ON f."id" = t{n}."id"')
    if known := source_columns.declared(run.recipe):
        named = [name for name in known if columns is None or name in columns]
        schema = source_columns.schema(run.recipe)
        frames["c"] = run.frame(source_columns.STAGE, source_columns.ROLE, schema, ["id", *named])
        selected += [f'c."{name}"' for name in named]
        joins.append('LEFT JOIN c ON f."id" = c."id"')
    joined = f'f INNER JOIN g ON f."id" = g."id" {" ".join(joins)}'
    return run.engine.sql(f"SELECT {', '.join(selected)} FROM {joined} WHERE {' AND '.join(readable)}", frames)


def _wanted(track: Track, columns: Collection[str] | None) -> list[pa.Field[Any]]:
    return (
        list(track.columns) if columns is None else [f for f in (*track.columns, *track.details) if f.name in columns]
    )


def _or_absent(table: str, field: pa.Field[Any]) -> str:
    """A column of a track; of samples that are not in its table, ``absent``."""
    column, value = f'{table}."{field.name}"', absent(field)
    if value is None:
        return column
    return f'CASE WHEN {table}."id" IS NULL THEN {str(value).upper()} ELSE {column} END AS "{field.name}"'


def annotated_rows(run: Run, ids: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of ``annotated`` of a few samples, from the files that hold them alone."""
    groups = run.rows_of("dedup", "groups", GROUPS, ids).to_pylist()
    standing = [row["id"] for row in groups if row["id"] == row["representative"]]
    rows = []
    for facts in run.rows_of("dedup", "unique", UNIQUE, standing).to_pylist():
        row = {name: facts[name] for name in FACT_COLUMNS}
        files = run.records["score"].parts[part_name(facts["media"])].files
        scores = [_scores(run, scorer, files[scorer.name], facts["id"]) for scorer in of_recipe(run.recipe)]
        if None not in scores:
            more = [_of_track(run, track, facts) for track in tracks(run.recipe)]
            more.append(_of_sources(run, facts["id"]))
            rows.append({name: value for some in (row, *scores, *more) if some for name, value in some.items()})
    return rows


def _scores(run: Run, scorer: AnyScorer, file: File, id_: str) -> dict[str, Any] | None:
    """A sample's scalar scores by a scorer; None where it could not be scored."""
    for row in run.workspace.rows_of([file], annotation_schema(scorer), [id_]).to_pylist():
        return None if row["failure"] else {f.name: row[f.name] for f in scorer.fields if is_scalar(f)}
    return {f.name: None for f in scorer.fields if is_scalar(f)}


def _of_track(run: Run, track: Track, facts: dict[str, Any]) -> dict[str, Any]:
    """A sample's columns of a track."""
    record = run.records[track.stage]
    part = record.parts.get(part_name(facts["media"]))
    files = [part.files[TABLE]] if part else record.parts["all"].files.values() if "all" in record.parts else []
    for row in run.workspace.rows_of(list(files), track.schema, [facts["id"]]).to_pylist():
        return {f.name: row[f.name] for f in track.columns}
    return {f.name: absent(f) for f in track.columns}


def _of_sources(run: Run, id_: str) -> dict[str, Any]:
    """A sample's columns of what its sources say."""
    columns = source_columns.declared(run.recipe)
    if not columns:
        return {}
    table = run.rows_of(source_columns.STAGE, source_columns.ROLE, source_columns.schema(run.recipe), [id_])
    return (
        dict(zip(columns, (table[name][0].as_py() for name in columns), strict=True))
        if table
        else dict.fromkeys(columns)
    )


def broken(run: Run) -> Frame:
    """Representatives that no later stage could read: id, failure, message; one row each, in no order. That a track could not be
    made is no such failure."""
    schema = contracts.columns(id=pa.string(), failure=pa.string(), message=pa.string())
    frames = {"none": run.engine.frame(schema.empty_table())}
    for n, scorer in enumerate(of_recipe(run.recipe)):
        frames[f"s{n}"] = run.frame("score", scorer.name, annotation_schema(scorer), schema.names)
    if "tokenize.encode" in run.records:
        frames["codes"] = run.frame("tokenize.encode", "failures", schema)
    every = " UNION ALL ".join(f"SELECT id, failure, message FROM {name}" for name in frames)
    return run.engine.sql(_FIRST_FAILURE.format(every=every), frames)
