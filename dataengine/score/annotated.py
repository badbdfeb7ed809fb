"""Facts and scores of the representatives side by side: what policies decide over and shards carry."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.contracts import UNIQUE
from dataengine.locate import representatives
from dataengine.recipe import Recipe
from dataengine.score.factory import build
from dataengine.score.stage import annotation_schema
from dataengine.stage import Run

#: Facts that policies may ask about.
FACT_COLUMNS = (
    *("id", "kind", "format", "mode", "bytes", "width", "height", "orientation", "frames", "fps", "duration"),
    *("codec", "audio", "license", "faces", "mentions"),
)
_WHY = ("failure", "message")


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


def annotated(run: Run) -> pa.Table:
    """FACT_COLUMNS and scores, one row a representative that could be scored, ordered by id."""
    tables = {"facts": representatives(run, FACT_COLUMNS)}
    columns = [f'f."{name}"' for name in FACT_COLUMNS]
    joins, readable = [], []
    for n, scorer in enumerate(build(run.recipe.score.scorers)):
        schema = annotation_schema(scorer)
        wanted = ["id", *(f.name for f in scorer.fields if is_scalar(f)), "failure"]
        tables[f"s{n}"] = run.table("score", scorer.name, schema, wanted)
        columns += [f's{n}."{name}"' for name in wanted[1:-1]]
        joins.append(f'LEFT JOIN s{n} ON f."id" = s{n}."id"')
        readable.append(f's{n}."failure" IS NULL')
    where = f"WHERE {' AND '.join(readable)}" if readable else ""
    sql = f'SELECT {", ".join(columns)} FROM facts AS f {" ".join(joins)} {where} ORDER BY f."id"'
    return run.engine.query(sql, tables)


def broken(run: Run) -> pa.Table:
    """Representatives that no later stage could read: id, failure, message; one row each, ordered by id."""
    schema = pa.schema([(name, pa.string()) for name in ("id", *_WHY)])
    found = [schema.empty_table()]
    for scorer in build(run.recipe.score.scorers):
        table = run.table("score", scorer.name, annotation_schema(scorer), schema.names)
        found.append(table.filter(pc.is_valid(table["failure"])))
    if "tokenize.encode" in run.records:
        found.append(run.table("tokenize.encode", "failures", schema))
    lost = pa.concat_tables(found).sort_by([("id", "ascending"), ("failure", "ascending"), ("message", "ascending")])
    first = lost.group_by("id", use_threads=False).aggregate([("failure", "first"), ("message", "first")])
    return first.rename_columns(["id", *_WHY]).sort_by("id")
