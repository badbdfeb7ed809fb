"""index.align_pairs: pairs of representatives that the tables say belong together: clips of one video, samples with one value.

Of each group neighbours are a pair, so that a group of n gives n - 1 pairs: clips in the order of time, samples in that of ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.annotate import source_columns
from dataengine.config.index_codes import PairSource
from dataengine.config.recipe import Recipe
from dataengine.contracts import GROUPS, UNIQUE
from dataengine.errors import UsageError
from dataengine.index.align.settings import aligning, derived
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import Output, roles
from dataengine.table_engine import Frame

STAGE, ROLE = "index.align_pairs", "pairs"
#: ``a < b`` in the order of their group; ``source``: place among the recipe's derived pairs.
PAIRS = contracts.columns(a=pa.string(), b=pa.string(), source=pa.int32())
_NUMBERED = """
SELECT s."id", s."key", CAST(row_number() OVER (PARTITION BY s."key" ORDER BY s."place", s."id") AS BIGINT) AS n FROM s
"""
_NEIGHBOURS = """
SELECT x."id" AS "a", y."id" AS "b", ? AS "source" FROM n AS x INNER JOIN n AS y ON x."key" = y."key" AND x."n" + 1 = y."n"
"""


class DerivedPairs(TableStage):
    """Pairs by video and by column; those by crops have vectors of their own (``crops_stage``)."""

    name = STAGE
    version = "1"
    needs = ("dedup", source_columns.STAGE)

    def active(self, recipe: Recipe) -> bool:
        return aligning(recipe) and bool(derived(recipe))

    def validate(self, recipe: Recipe) -> None:
        known = source_columns.declared(recipe)
        for source in derived(recipe):
            if source.column is not None and source.column not in known:
                listed = ", ".join(known) or "none"
                raise UsageError(
                    f"index.align.pairs: no source declares a column `{source.column}` (declared: {listed}); declare it under "
                    "the source's `columns`"
                )

    def settings(self, recipe: Recipe) -> Any:
        return [source.model_dump() for source in derived(recipe)]

    def compute(self, run: Run, key: str) -> Output:
        engine, frames = run.engine, dict[str, Frame]()
        for n, source in enumerate(derived(run.recipe)):
            numbered = engine.kept(engine.sql(_NUMBERED, {"s": _keyed(run, source)}))
            frames[f"p{n}"] = engine.sql(_NEIGHBOURS, {"n": numbered}, (n,))
        every = engine.sql(" UNION ALL ".join(f'SELECT "a", "b", "source" FROM {name}' for name in frames), frames)
        files = engine.write(run.workspace, f"index/align-pairs-{key}", every, PAIRS, ("a", "b", "source"))
        return Output(roles(ROLE, files), {"pairs": sum(file.rows for file in files)})


def _keyed(run: Run, source: PairSource) -> Frame:
    """id, key and place: representatives of which the source says something."""
    frames: Mapping[str, Frame] = {"g": run.frame("dedup", "groups", GROUPS, ["id", "representative"])}
    stands = 'u INNER JOIN g ON u."id" = g."id" WHERE g."id" = g."representative"'
    if source.derive == "video":
        unique = run.frame("dedup", "unique", UNIQUE, ["id", "parent", "clip_start"])
        sql = f'SELECT u."id", u."parent" AS "key", u."clip_start" AS "place" FROM {stands} AND u."parent" IS NOT NULL'
        return run.engine.sql(sql, {**frames, "u": unique})
    schema = source_columns.schema(run.recipe)
    columns = run.frame(source_columns.STAGE, source_columns.ROLE, schema, ["id", str(source.column)])
    sql = (
        f'SELECT u."id", u."{source.column}" AS "key", CAST(0 AS DOUBLE) AS "place" FROM {stands} '
        f'AND u."{source.column}" IS NOT NULL'
    )
    return run.engine.sql(sql, {**frames, "u": columns})
