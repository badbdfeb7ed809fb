"""contamination.pictures: samples whose picture a benchmark item has, with that item.

For chain-of-thought questions: their texts are written later, and only those about such a sample have to be compared (Keye-VL,
arXiv 2507.01949, Appendix A: picture and question together).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pyarrow as pa

from dataengine.config.recipe import Recipe
from dataengine.contamination.picture_pairs import PAIRS
from dataengine.contracts import GROUPS, columns
from dataengine.models.encoders import encoder_of
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import File, Output, Workspace, roles

#: Pairs of a sample and an item with its picture: ``row``, the item's number among those of contamination.embed, and the
#: ``similarity`` of the pictures.
PICTURED = columns(id=pa.string(), benchmark=pa.string(), item=pa.string(), row=pa.int64(), similarity=pa.float64())
_NAMES = columns(benchmark=pa.string(), item=pa.string())
_MAPPED = """
SELECT g."representative" AS "id", p."row", max(p."similarity") AS "similarity"
FROM p INNER JOIN g ON p."id" = g."id" GROUP BY g."representative", p."row"
"""
_SAMPLES = 'SELECT CAST(count(DISTINCT "id") AS BIGINT) AS "n" FROM p'


class ContaminationPictures(TableStage):
    """Runs where the recipe builds CoT and names a benchmark that has pictures and questions. A group of near-duplicates has what
    any of its samples has."""

    name = "contamination.pictures"
    version = "2"
    needs = ("dedup", "contamination.embed", "contamination.picture_pairs")

    def active(self, recipe: Recipe) -> bool:
        return recipe.question_contamination is not None

    def settings(self, recipe: Recipe) -> Any:
        return encoder_of(recipe).name

    def compute(self, run: Run, key: str) -> Output:
        engine = run.engine
        pairs = {
            "p": run.frame("contamination.picture_pairs", "pairs", PAIRS),
            "g": run.frame("dedup", "groups", GROUPS, ["id", "representative"]),
        }
        items = run.records["contamination.embed"].files("benchmarks")
        mapped = engine.sql(_MAPPED, pairs)
        named = engine.kept(engine.local(mapped, (), partial(_named, run.workspace, items), PICTURED))
        files = engine.write(run.workspace, f"contamination/pictures-{key}", named, PICTURED, ("id", "row"))
        [count] = engine.collect(engine.sql(_SAMPLES, {"p": named})).to_pylist()
        counts = {"samples": count["n"], "pairs": sum(file.rows for file in files)}
        facts = {"samples": count["n"], "encoder": encoder_of(run.recipe).name}
        return Output(roles("pictures", files), counts, facts)


def _named(workspace: Workspace, items: list[File], pairs: pa.Table) -> pa.Table:
    """The pairs with benchmark and name of each item."""
    listed: Any = workspace.read_table(items, _NAMES).take(pairs["row"])
    columns_ = [pairs["id"], listed["benchmark"], listed["item"], pairs["row"], pairs["similarity"]]
    return pa.table(columns_, schema=PICTURED)
