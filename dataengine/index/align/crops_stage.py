"""index.crops: embeddings of two crops of a sample of the representatives, as pairs for the alignment of their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.embed.prepared import Prepared
from dataengine.index.align.settings import align_config, aligning
from dataengine.media.sandbox.pool import Ok
from dataengine.models.encoders import Encoder, encoder_of, picture_vectors
from dataengine.samples.decode import Decoded
from dataengine.samples.draws import draws, shares
from dataengine.samples.locate import Located
from dataengine.samples.selection import Selection, representatives
from dataengine.samples.stage import PlannedStage
from dataengine.samples.worker import ONCE, DecodingWorker
from dataengine.stage import Part, Run, Worker
from dataengine.storage.workspace import Output, digest

STAGE, ROLE = "index.crops", "crops"
_VERSION = "1"
#: Vectors of both views of a sample, by id: float16, little-endian, of unit length.
CROPS = contracts.columns(id=pa.string(), first=pa.binary(), second=pa.binary())
#: Samples whose prepared arrays are held at once; fixed, so that batches never depend on the machine.
_CHUNK = 256


class Crops(PlannedStage):
    """A sample that cannot be decoded again has no row."""

    name = STAGE
    version = _VERSION
    needs = ("dedup", "index.vectors")

    def active(self, recipe: Recipe) -> bool:
        return aligning(recipe) and align_config(recipe).crops

    def settings(self, recipe: Recipe) -> Any:
        return [recipe.limits.model_dump(), encoder_of(recipe).version, recipe.seed]

    def base(self, run: Run) -> str:
        return digest(super().base(run), self._share(run))

    def device(self, recipe: Recipe) -> str:
        return recipe.score.device

    def selection(self, run: Run) -> Selection:
        return representatives(run)

    def worker(self, run: Run) -> Worker:
        recipe, score = run.recipe, run.recipe.score
        limits, encoder = recipe.limits.to_limits(), encoder_of(recipe)
        return CropWorker(limits, run.workspace, encoder, recipe.seed, self._share(run), score.device, score.threads)

    def _share(self, run: Run) -> float:
        """Of the samples that are cropped: a power of two, so that few new inputs change none of the others."""
        share, samples = 1.0, run.records["index.vectors"].counts.get("samples", 0)
        while share * samples > align_config(run.recipe).crop_samples:
            share /= 2
        return share


@dataclass
class CropWorker(DecodingWorker):
    """Model in this process, decoding in children."""

    encoder: Encoder
    seed: int
    share: float
    device: str
    threads: int
    _model: Encoder | None = field(default=None, init=False, repr=False)

    function = "dataengine.index.align.crop_views:prepare"
    overlaps = True

    def answer(self) -> Any:
        return Prepared

    def context(self) -> Any:
        return self.limits, self.encoder, self.seed

    def process(self, part: Part) -> Output:
        samples = self.samples(part.spec)
        drawn = shares(draws(self.seed, [row.id for row in samples], "crops"))
        chosen = [row for row, place in zip(samples, drawn, strict=True) if place < self.share]
        rows = [row for some in self.computed(chosen, _CHUNK, self._embedded, _with_id) for row in some]
        table = pa.Table.from_pylist(sorted(rows, key=lambda row: str(row["id"])), CROPS)
        file = self.workspace.write_table(f"index/crops/{part.name}-{part.key[:16]}.parquet", table)
        return Output({ROLE: file}, {"samples": len(table), "failed": len(chosen) - len(table)})

    def _embedded(self, chunk: Sequence[Decoded]) -> list[dict[str, Any]]:
        good = [(row.id, out.value) for row, out in chunk if isinstance(out, Ok) and len(out.value) == 2]
        if not good:
            return []
        views = [
            [
                vector.astype("<f2").tobytes()
                for vector in picture_vectors(self._loaded(), [value[n] for _, value in good])
            ]
            for n in range(2)
        ]
        return [{"id": id_, "first": a, "second": b} for (id_, _), a, b in zip(good, *views, strict=True)]

    def _loaded(self) -> Encoder:
        with ONCE:
            if self._model is None:
                model = copy(self.encoder)
                model.setup(self.device, self.threads)
                self._model = model
            return self._model


def _with_id(row: Located, data: bytes) -> tuple[bytes, str, str]:
    return data, row.kind, row.id
