"""Exports the quantitative codes of a recipe's samples as OneRec's open tokenizer writes them: ``pid``, ``codes``."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dataengine.annotate.worker import TABLE
from dataengine.config.recipe import Recipe
from dataengine.contracts import DECISIONS
from dataengine.errors import UsageError
from dataengine.index.codes import stage as codes
from dataengine.index.codes.settings import codes_config, coding
from dataengine.index.vectors_stage import of_samples
from dataengine.pipeline import committed
from dataengine.storage.workspace import Workspace


def schema_of(recipe: Recipe) -> pa.Schema:
    """Of the exported table."""
    vq = [pa.field("vq", pa.list_(pa.int32()))] if codes_config(recipe).vq else []
    fields: list[pa.Field[Any]] = [pa.field("pid", pa.string()), pa.field("codes", pa.list_(pa.int32())), *vq]
    return pa.schema([*fields, pa.field("semantic_id", pa.string())])


@dataclass(frozen=True)
class Exported:
    """Rows of an export; ``quality`` of all codes of the recipe: usage and perplexity by level, error, collision rate."""

    rows: int
    quality: dict[str, Any]


def export(recipe: Recipe, out: str, every: bool = False) -> Exported:
    """Write ``codes.parquet`` below the folder or s3:// prefix ``out`` (a file for each prefix of ids where there are many), of
    kept samples or of ``every`` one that has codes; of a table of items, which no filter drops, of all. Raises UsageError where
    the recipe has no codes, or its stages are not up to date."""
    if not coding(recipe):
        raise UsageError("the recipe has no `index.codes`: add it, and run `dataengine index RECIPE`")
    every = every or not of_samples(recipe)
    with closing(committed(recipe, "index" if every else "filter")) as run:
        frames = {"c": run.frame(codes.STAGE, TABLE, codes.track(recipe).schema)}
        vq = ', c."vq"' if codes_config(recipe).vq else ""
        sql = f'SELECT c."id" AS "pid", c."rq" AS "codes"{vq}, c."semantic_id" FROM c WHERE c."semantic_id" IS NOT NULL'
        if not every:
            frames["d"] = run.frame("filter", "decisions", DECISIONS, ["id", "kept"])
            sql += ' AND c."id" IN (SELECT d."id" FROM d WHERE d."kept")'
        frame = run.engine.sql(sql, frames)
        files = run.engine.write(Workspace(out), "codes", frame, schema_of(recipe), ("pid",))
        return Exported(sum(f.rows for f in files), run.records[codes.STAGE].parts["all"].facts[codes.QUALITY])
