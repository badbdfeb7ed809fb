"""contamination.embed: embeds pictures and questions of benchmark items, for the preset keye_posttrain and for CoT questions.

A part is a part of a benchmark. The vectors of samples are those of the stage ``embed``: another list embeds no sample
again. Items go through the same encoder and the same decode.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dataengine.config.contamination import KeyePosttrain
from dataengine.config.recipe import Recipe
from dataengine.contamination.read import parts, readers
from dataengine.contamination.worker import ItemWorker
from dataengine.contracts import CAPTION_EMBEDDINGS, EMBEDDINGS
from dataengine.embed.prepared import VERSION, Prepared
from dataengine.embed.vectors import captioned, lists
from dataengine.embed.worker import CAPTIONS, PICTURES, VIDEOS
from dataengine.media.sandbox.pool import Ok
from dataengine.media.sniff import video_format
from dataengine.models.encoders import Encoder, encoder_of, picture_vectors, text_vectors
from dataengine.samples.locate import chunks
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import File, Output, Workspace, digest

_CHUNK = 256
_ROWS = 1 << 17  # vectors compared at a time

Row = tuple[str, str, Sequence[str]]
"""Benchmark, item and texts."""


class ContaminationEmbed(RecordStage):
    """Runs only for the preset keye_posttrain, and for CoT questions."""

    name = "contamination.embed"
    version = "2"
    needs = ("contamination.read",)

    def active(self, recipe: Recipe) -> bool:
        presets = recipe.contamination.presets if recipe.contamination else []
        return any(isinstance(p, KeyePosttrain) for p in presets) or recipe.question_contamination is not None

    def settings(self, recipe: Recipe) -> Any:
        return [VERSION, recipe.limits.model_dump(), encoder_of(recipe).version]

    def device(self, recipe: Recipe) -> str:
        return recipe.score.device

    def plan(self, run: Run) -> list[Part]:
        return parts(run.recipe, digest(self.version, self.settings(run.recipe)))

    def worker(self, run: Run) -> Worker:
        score, recipe = run.recipe.score, run.recipe
        limits, encoder = recipe.limits.to_limits(), encoder_of(recipe)
        return ItemEmbedder(limits, run.workspace, readers(recipe), encoder, score.device, score.threads)


def schema(encoder: Encoder, *names: str) -> pa.Schema:
    """``names``, image and text; several rows of one id or item where it has several texts."""
    vectors = zip(("image", "text"), encoder.dims, strict=True)
    return pa.schema([*((n, pa.string()) for n in names), *((n, pa.list_(pa.float16(), dim)) for n, dim in vectors)])


def embedded(run: Run) -> tuple[Iterator[pa.Table], pa.Table]:
    """``(samples in pieces, each id in one of them; benchmarks)``: columns as keye_posttrain takes them."""
    return _samples(run, encoder_of(run.recipe)), items_of(run)


def items_of(run: Run) -> pa.Table:
    """benchmark, item, image and text of all items, in the order of their parts; several rows of one with several questions."""
    layout = schema(encoder_of(run.recipe), "benchmark", "item")
    return run.workspace.read_table(run.records["contamination.embed"].files("benchmarks"), layout)


def _samples(run: Run, encoder: Encoder) -> Iterator[pa.Table]:
    layout = schema(encoder, "id")
    yield layout.empty_table()
    held: list[dict[str, File]] = []
    for _, output in sorted(run.records["embed"].parts.items()):
        held.append(output.files)
        if sum(files[CAPTIONS].rows for files in held) >= _ROWS:
            yield _piece(run.workspace, held, encoder, layout)
            held = []
    yield _piece(run.workspace, held, encoder, layout)


def _piece(workspace: Workspace, parts_: Sequence[dict[str, File]], encoder: Encoder, layout: pa.Schema) -> pa.Table:
    whole = [files[role] for files in parts_ for role in (PICTURES, VIDEOS)]
    texts = [files[CAPTIONS] for files in parts_]
    views_ = workspace.read_table(whole, EMBEDDINGS, ("id", "vector"))
    table = captioned(views_, workspace.read_table(texts, CAPTION_EMBEDDINGS, ("id", "vector")))
    vectors = [lists(table[name], dim) for name, dim in zip(("image", "text"), encoder.dims, strict=True)]
    return pa.table([table["id"], *vectors], schema=layout)


@dataclass
class ItemEmbedder(ItemWorker):
    """Model in this process, decoding in a child, which gets no weights."""

    encoder: Encoder
    device: str
    threads: int

    function = "dataengine.embed.views:prepare"

    def answer(self) -> Any:
        return Prepared

    def setup(self) -> None:
        self._model = copy(self.encoder)
        self._model.setup(self.device, self.threads)

    def context(self) -> Any:
        return self.limits, self.encoder, False

    def payload(self, data: bytes) -> tuple[bytes, str]:
        return data, "video" if video_format(data) else "image"

    def process(self, part: Part) -> Output:
        layout = schema(self.encoder, "benchmark", "item")
        tables = [self._table(chunk, layout) for chunk in chunks(self._items(*part.spec), _CHUNK)]
        table = pa.concat_tables([layout.empty_table(), *tables])
        key = f"contamination/embeddings/{part.name}-{part.key[:16]}.parquet"
        return Output({"benchmarks": self.workspace.write_table(key, table)}, {"benchmarks": table.num_rows})

    def _items(self, name: str, spec: Any) -> Iterator[tuple[Row, Any]]:
        """Each item and its prepared view; None where there is none, which counts as not compared."""
        for item, outcome in self.decoded(name, spec):
            views_ = outcome.value if isinstance(outcome, Ok) else None
            yield (name, item.uri, self.readers[name].texts(item)[0]), views_[0] if views_ else None

    def _table(self, chunk: Sequence[tuple[Row, Any]], layout: pa.Schema) -> pa.Table:
        prepared = [p for _, p in chunk if p is not None]
        pictures = iter(picture_vectors(self._model, prepared) if prepared else ())
        images = [next(pictures) if p is not None else None for _, p in chunk]
        every = [text for (_, _, texts), _ in chunk for text in texts]
        vectors = iter(text_vectors(self._model, every) if every else ())
        rows: list[tuple[Any, ...]] = []
        for ((name, item, texts), _), image in zip(chunk, images, strict=True):
            rows += [(name, item, image, next(vectors)) for _ in texts] or [(name, item, image, None)]
        columns = zip(*rows, strict=True)
        return pa.table([pa.array(list(c), f.type) for c, f in zip(columns, layout, strict=True)], schema=layout)
