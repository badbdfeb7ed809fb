"""Joins facts and scores of the representatives: the columns that policies decide over and shards carry."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.contracts import GROUPS, UNIQUE
from dataengine.samples.stage import part_name
from dataengine.score.base import AnyScorer
from dataengine.score.factory import build
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


def score_fields(recipe: Recipe) -> list[pa.Field[Any]]:
    """Scalar columns that the recipe's scorers add, in the recipe's order."""
    return [f for scorer in build(recipe.score.scorers) for f in scorer.fields if is_scalar(f)]


def known_columns(recipe: Recipe) -> dict[str, pa.DataType]:
    """What a policy may name."""
    facts = {name: UNIQUE.field(name).type for name in FACT_COLUMNS if name != "id"}
    return facts | {f.name: f.type for f in score_fields(recipe)}


def annotated(run: Run, columns: Collection[str] | None = None) -> Frame:
    """FACT_COLUMNS and scores, or ``id`` and those named, one row a representative that could be scored, in no order."""
    facts = [name for name in FACT_COLUMNS if name == "id" or columns is None or name in columns]
    frames = {
        "f": run.frame("dedup", "unique", UNIQUE, facts),
        "g": run.frame("dedup", "groups", GROUPS, ["id", "representative"]),
    }
    selected, joins, readable = [f'f."{name}"' for name in facts], [], ['g."id" = g."representative"']
    for n, scorer in enumerate(build(run.recipe.score.scorers)):
        scores = [f.name for f in scorer.fields if is_scalar(f) and (columns is None or f.name in columns)]
        frames[f"s{n}"] = run.frame("score", scorer.name, annotation_schema(scorer), ["id", *scores, "failure"])
        selected += [f's{n}."{name}"' for name in scores]
        joins.append(f'LEFT JOIN s{n} ON f."id" = s{n}."id"')
        readable.append(f's{n}."failure" IS NULL')
    joined = f'f INNER JOIN g ON f."id" = g."id" {" ".join(joins)}'
    return run.engine.sql(f"SELECT {', '.join(selected)} FROM {joined} WHERE {' AND '.join(readable)}", frames)


def annotated_rows(run: Run, ids: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of ``annotated`` of a few samples, from the files that hold them alone."""
    groups = run.rows_of("dedup", "groups", GROUPS, ids).to_pylist()
    standing = [row["id"] for row in groups if row["id"] == row["representative"]]
    rows = []
    for facts in run.rows_of("dedup", "unique", UNIQUE, standing).to_pylist():
        row = {name: facts[name] for name in FACT_COLUMNS}
        files = run.records["score"].parts[part_name(facts["media"])].files
        scores = [_scores(run, scorer, files[scorer.name], facts["id"]) for scorer in build(run.recipe.score.scorers)]
        if None not in scores:
            rows.append({name: value for some in (row, *scores) if some for name, value in some.items()})
    return rows


def _scores(run: Run, scorer: AnyScorer, file: File, id_: str) -> dict[str, Any] | None:
    """A sample's scalar scores by a scorer; None where it could not be scored."""
    for row in run.workspace.rows_of([file], annotation_schema(scorer), [id_]).to_pylist():
        return None if row["failure"] else {f.name: row[f.name] for f in scorer.fields if is_scalar(f)}
    return {f.name: None for f in scorer.fields if is_scalar(f)}


def broken(run: Run) -> Frame:
    """Representatives that no later stage could read: id, failure, message; one row each, in no order."""
    schema = contracts.columns(id=pa.string(), failure=pa.string(), message=pa.string())
    frames = {"none": run.engine.frame(schema.empty_table())}
    for n, scorer in enumerate(build(run.recipe.score.scorers)):
        frames[f"s{n}"] = run.frame("score", scorer.name, annotation_schema(scorer), schema.names)
    if "tokenize.encode" in run.records:
        frames["codes"] = run.frame("tokenize.encode", "failures", schema)
    every = " UNION ALL ".join(f"SELECT id, failure, message FROM {name}" for name in frames)
    return run.engine.sql(_FIRST_FAILURE.format(every=every), frames)
