"""contamination.pictures: samples whose picture a benchmark item has, with that item's question as a vector.

For chain-of-thought questions: their texts are written later, and only those about such a sample have to be compared (Keye-VL,
arXiv 2507.01949, Appendix A: picture and question together).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataengine.config.contamination import QuestionContamination
from dataengine.config.recipe import Recipe
from dataengine.contamination.embed import items_of
from dataengine.contracts import EMBEDDINGS, GROUPS, columns
from dataengine.embed.vectors import lists
from dataengine.embed.worker import PICTURES, VIDEOS
from dataengine.models.encoders import Encoder, encoder_of
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import Output

_PIECE = 1 << 17
"""Vectors of samples that are compared at a time."""
_PAIRS = columns(id=pa.string(), row=pa.int64(), similarity=pa.float64())
_MAPPED = """
SELECT g."representative" AS "id", p."row", max(p."similarity") AS "similarity"
FROM p INNER JOIN g ON p."id" = g."id" GROUP BY g."representative", p."row" ORDER BY g."representative", p."row"
"""


class ContaminationPictures(TableStage):
    """Runs where the recipe builds CoT and names a benchmark that has pictures and questions. A group of near-duplicates has what
    any of its samples has."""

    name = "contamination.pictures"
    version = "1"
    needs = ("dedup", "embed", "contamination.embed")

    def active(self, recipe: Recipe) -> bool:
        return recipe.question_contamination is not None

    def settings(self, recipe: Recipe) -> Any:
        config = recipe.question_contamination
        return [None if config is None else config.image_cosine, encoder_of(recipe).version]

    def compute(self, run: Run, key: str) -> Output:
        config = run.recipe.question_contamination
        least = QuestionContamination().image_cosine if config is None else config.image_cosine
        encoder = encoder_of(run.recipe)
        items = items_of(run)
        matches = pa.concat_tables([_PAIRS.empty_table(), *_pairs(run, encoder, items, least)])
        groups = run.table("dedup", "groups", GROUPS, ["id", "representative"])
        pairs = run.engine.query(_MAPPED, {"p": matches, "g": groups})
        listed = items.take(pairs["row"])
        columns = [pairs["id"], listed["benchmark"], listed["item"], pairs["similarity"], listed["text"]]
        table = pa.table(columns, schema=pictured(encoder))
        file = run.workspace.write_table(f"contamination/pictures-{key}.parquet", table)
        samples = pc.count_distinct(table["id"]).as_py()
        facts = {"samples": samples, "encoder": encoder.name}
        return Output({"pictures": file}, {"samples": samples, "pairs": len(table)}, facts)


def pictured(encoder: Encoder) -> pa.Schema:
    """Pairs of a sample and an item with its picture: ``similarity`` of the pictures, ``text`` is the item's question."""
    text = pa.list_(pa.float16(), encoder.dims[1])
    return columns(id=pa.string(), benchmark=pa.string(), item=pa.string(), similarity=pa.float64(), text=text)


def _pairs(run: Run, encoder: Encoder, items: pa.Table, least: float) -> Iterator[pa.Table]:
    """_PAIRS of all samples: ``row`` of ``items``, of those with a question."""
    from dataengine.contamination.cosines import Embedded, Pictures, cosines, likely, main_axes, shortened

    theirs = Embedded(items)
    if not len(theirs.rows):
        return
    axes = main_axes(theirs.image)
    short = shortened(theirs.image, axes)
    for samples in _samples(run, encoder):
        ours = Pictures(samples)
        for i, j in likely(shortened(ours.image, axes), short, least):
            similarity = cosines(ours.image, theirs.image, i, j)
            hit = np.flatnonzero(similarity > least)
            ids = samples["id"].take(pa.array(ours.rows[i[hit]], pa.int64()))
            yield pa.table([ids, pa.array(theirs.rows[j[hit]]), pa.array(similarity[hit])], schema=_PAIRS)


def _samples(run: Run, encoder: Encoder) -> Iterator[pa.Table]:
    """id and image of all samples, in pieces of whole parts."""
    held: list[Any] = []
    for _, output in sorted(run.records["embed"].parts.items()):
        held += [output.files[role] for role in (PICTURES, VIDEOS) if role in output.files]
        if sum(file.rows for file in held) >= _PIECE:
            yield _piece(run, held, encoder)
            held = []
    if held:
        yield _piece(run, held, encoder)


def _piece(run: Run, files: list[Any], encoder: Encoder) -> pa.Table:
    table = run.workspace.read_table(files, EMBEDDINGS, ("id", "vector"))
    return pa.table([table["id"], lists(table["vector"], encoder.dims[0])], names=["id", "image"])
