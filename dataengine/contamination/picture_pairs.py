"""contamination.picture_pairs: pairs of a sample and a benchmark item with its picture, by embeddings; a part a media tar."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine.config.contamination import QuestionContamination
from dataengine.config.recipe import Recipe
from dataengine.contamination.embed import schema
from dataengine.contracts import EMBEDDINGS, columns
from dataengine.embed.reader import EMBED, ReadsEmbeddings
from dataengine.embed.vectors import lists
from dataengine.embed.worker import PICTURES, VIDEOS
from dataengine.models.encoders import Encoder, encoder_of
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import File, Output, Workspace, digest

#: Sample, number of the item among all of contamination.embed that have a question, and cosine of the pictures.
PAIRS = columns(id=pa.string(), row=pa.int64(), similarity=pa.float64())


class ContaminationPicturePairs(ReadsEmbeddings, RecordStage):
    """All distinct samples are compared, copies included, as in contamination.find."""

    name = "contamination.picture_pairs"
    version = "1"
    needs = ("embed", "contamination.embed")

    def active(self, recipe: Recipe) -> bool:
        return recipe.question_contamination is not None

    def embeddings(self, recipe: Recipe) -> list[str]:
        return [PICTURES, VIDEOS]

    def settings(self, recipe: Recipe) -> Any:
        return [_least(recipe), encoder_of(recipe).version]

    def plan(self, run: Run) -> list[Part]:
        """``spec`` is the files of a part's embeddings."""
        items = [file.sha256 for file in run.records["contamination.embed"].files("benchmarks")]
        base = digest(self.version, self.settings(run.recipe), items)
        parts = []
        for name, output in sorted(run.records[EMBED].parts.items()):
            files = [output.files[role] for role in (PICTURES, VIDEOS) if role in output.files]
            parts.append(Part(name, digest(base, [file.sha256 for file in files]), files))
        return parts

    def worker(self, run: Run) -> Worker:
        items = run.records["contamination.embed"].files("benchmarks")
        return PictureComparer(run.workspace, encoder_of(run.recipe), _least(run.recipe), items)


def _least(recipe: Recipe) -> float:
    return (recipe.question_contamination or QuestionContamination()).image_cosine


@dataclass
class PictureComparer:
    """Holds the embeddings of all items, and those of a part. ``least``: cosine above which two pictures are one."""

    workspace: Workspace
    encoder: Encoder
    least: float
    items: list[File]
    _theirs: Any = field(default=None, init=False, repr=False)

    def setup(self) -> None: ...

    def close(self) -> None:
        self._theirs = None

    def process(self, part: Part) -> Output:
        from dataengine.contamination.cosines import Pictures, cosines, likely, shortened

        views = self.workspace.read_table(part.spec, EMBEDDINGS, ("id", "vector"))
        theirs, axes, short = self._loaded()
        pairs = [PAIRS.empty_table()]
        if len(views) and len(theirs.rows):
            ours = Pictures(pa.table([lists(views["vector"], self.encoder.dims[0])], names=["image"]))
            for i, j in likely(shortened(ours.image, axes), short, self.least):
                similarity = cosines(ours.image, theirs.image, i, j)
                hit = np.flatnonzero(similarity > self.least)
                ids = views["id"].take(pa.array(ours.rows[i[hit]], pa.int64()))
                pairs.append(pa.table([ids, pa.array(theirs.rows[j[hit]]), pa.array(similarity[hit])], schema=PAIRS))
        table = pa.concat_tables(pairs).sort_by([("id", "ascending"), ("row", "ascending")])
        key = f"contamination/picture-pairs/{part.name}-{part.key[:16]}.parquet"
        return Output({"pairs": self.workspace.write_table(key, table)}, {"pairs": len(table)})

    def _loaded(self) -> Any:
        """The items, their main axes, and the items along these."""
        from dataengine.contamination.cosines import Embedded, main_axes, shortened

        if self._theirs is None:
            theirs = Embedded(self.workspace.read_table(self.items, schema(self.encoder, "benchmark", "item")))
            axes = main_axes(theirs.image) if len(theirs.rows) else None
            self._theirs = theirs, axes, None if axes is None else shortened(theirs.image, axes)
        return self._theirs
