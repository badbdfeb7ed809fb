"""index.codes: columns of quantitative codes, with how many samples share each; usage and perplexity of every level."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine import contracts
from dataengine.annotate.track import Track
from dataengine.annotate.worker import FAILURES, TABLE, VALUES
from dataengine.config.recipe import Recipe
from dataengine.index.codes.encode_stage import ENCODED, ENCODED_ROLE
from dataengine.index.codes.fit_stage import STAGE as FIT
from dataengine.index.codes.quality import collision_rate, level
from dataengine.index.codes.settings import codes_config, coding, fit_settings
from dataengine.index.codes.text import to_text
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import Output, digest, roles
from dataengine.table_engine import Frame

STAGE = "index.codes"
#: Facts of the stage: quality of the codes.
QUALITY = "quality"
_MICRO = 1_000_000
_USED = contracts.columns(level=pa.int32(), code=pa.int32())
_NAMED = contracts.columns(id=pa.string(), semantic_id=pa.string(), micro=pa.int64())
_SHARING = 'SELECT n."shared" AS "shared", CAST(count(*) AS BIGINT) AS codes FROM n GROUP BY n."shared"'
_SHARED = """
SELECT s."semantic_id", CAST(count(*) AS BIGINT) AS "shared" FROM s WHERE s."semantic_id" IS NOT NULL GROUP BY s."semantic_id"
"""
_JOINED = """
SELECT e.*, s."semantic_id", n."shared" AS "rq_shared" FROM e INNER JOIN s ON e."id" = s."id"
LEFT JOIN n ON s."semantic_id" = n."semantic_id"
"""


def track(recipe: Recipe) -> Track:
    """Columns ``rq_1``, … (codes from 0), ``rq_error`` and ``rq_shared``; lists ``rq`` and ``vq``, and ``semantic_id``."""
    levels, _ = codes_config(recipe).shape
    vq = [pa.field("vq", pa.list_(pa.int32()))] if codes_config(recipe).vq else []
    return Track(
        name="codes",
        version=digest(fit_settings(recipe))[:16],
        columns=(
            *(pa.field(f"rq_{n + 1}", pa.int32()) for n in range(levels)),
            pa.field("rq_error", pa.float64()),
            pa.field("rq_shared", pa.int64()),
        ),
        details=(pa.field("semantic_id", pa.string()), pa.field("rq", pa.list_(pa.int32())), *vq),
        models=(),
        in_samples=recipe.index is not None and recipe.index.in_samples,
        of_samples="with codes",
        wing="index",
    )


class Codes(TableStage):
    """One row a representative or item."""

    name = STAGE
    version = "1"
    needs = (FIT, "index.encode")

    def active(self, recipe: Recipe) -> bool:
        return coding(recipe)

    def settings(self, recipe: Recipe) -> Any:
        return list(codes_config(recipe).shape)

    def compute(self, run: Run, key: str) -> Output:
        engine, schema = run.engine, track(run.recipe).schema
        encoded = engine.kept(run.frame("index.encode", ENCODED_ROLE, ENCODED))
        named = engine.kept(engine.local(encoded, (), named_codes, _NAMED))
        shared = engine.kept(engine.sql(_SHARED, {"s": named}))
        joined = engine.sql(_JOINED, {"e": encoded, "s": named, "n": shared})
        rows = engine.local(joined, (), partial(columns_of, schema), schema)
        files = engine.write(run.workspace, f"annotations/codes-{key}", rows, schema, ("id",))
        counts = run.records["index.encode"].counts
        facts = {QUALITY: self._quality(run, encoded, named, shared), VALUES: {}, FAILURES: _failures(run, encoded)}
        totals = {
            "samples": counts["samples"] + counts["failed"],
            "with": counts["samples"],
            "failed": counts["failed"],
        }
        return Output(roles(TABLE, files), totals, facts)

    def _quality(self, run: Run, encoded: Frame, named: Frame, shared: Frame) -> dict[str, Any]:
        engine = run.engine
        used = engine.local(encoded, (), used_codes, _USED)
        by_code = 'SELECT c."level", c."code", CAST(count(*) AS BIGINT) AS n FROM c GROUP BY c."level", c."code"'
        counts = defaultdict[int, dict[int, int]](dict)
        for row in engine.collect(engine.sql(by_code, {"c": used})).to_pylist():
            counts[row["level"]][row["code"]] = row["n"]
        sharing = {r["shared"]: r["codes"] for r in engine.collect(engine.sql(_SHARING, {"n": shared})).to_pylist()}
        total = 'SELECT CAST(sum(s."micro") AS BIGINT) AS micro, CAST(count(s."micro") AS BIGINT) AS n FROM s'
        [errors] = engine.collect(engine.sql(total, {"s": named})).to_pylist()
        sizes = run.records[FIT].parts["all"].facts["sizes"]
        return {
            "levels": [asdict(level(counts[n], size)) for n, size in enumerate(sizes)],
            "error": round(errors["micro"] / _MICRO / errors["n"], 4) if errors["n"] else None,
            "distinct": sum(sharing.values()),
            "collision_rate": collision_rate(sharing),
        }


def named_codes(encoded: pa.Table) -> pa.Table:
    """_NAMED: the text form of each sample's codes, and its error in millionths, whose sum does not depend on order."""
    texts = [None if codes is None else to_text(codes) for codes in encoded["rq"].to_pylist()]
    errors = encoded["rq_error"].to_numpy(zero_copy_only=False)
    known = np.isfinite(errors)
    micro = pa.array(np.rint(np.where(known, errors, 0) * _MICRO).astype(np.int64), mask=~known)
    return pa.table([encoded["id"], pa.array(texts, pa.string()), micro], schema=_NAMED)


def used_codes(encoded: pa.Table) -> pa.Table:
    """_USED: a row for each code of each sample."""
    lists: Any = encoded["rq"].drop_null().combine_chunks()
    codes = lists.flatten().to_numpy()
    levels = np.arange(len(codes)) % (len(codes) // len(lists)) if len(codes) else codes
    return pa.table([pa.array(levels.astype(np.int32)), pa.array(codes, pa.int32())], schema=_USED)


def columns_of(schema: pa.Schema, rows: pa.Table) -> pa.Table:
    """Rows of the track: the list ``rq`` in columns, too."""
    levels = sum(name.startswith("rq_") and name[3:].isdigit() for name in schema.names)
    for n in range(levels):
        codes = [None if code is None else code[n] for code in rows["rq"].to_pylist()]
        rows = rows.append_column(f"rq_{n + 1}", pa.array(codes, pa.int32()))
    return rows.select(schema.names).cast(schema)


def _failures(run: Run, encoded: Frame) -> dict[str, int]:
    sql = 'SELECT e."failure", CAST(count(*) AS BIGINT) AS n FROM e WHERE e."failure" IS NOT NULL GROUP BY e."failure"'
    counted = run.engine.collect(run.engine.sql(sql, {"e": encoded})).to_pylist()
    return {row["failure"]: row["n"] for row in sorted(counted, key=lambda row: str(row["failure"]))}
