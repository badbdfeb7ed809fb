"""contamination.embed: embeds pictures and questions of benchmark items, for the preset keye_posttrain.

A part is a part of a benchmark. The vectors of samples are those of the stage ``embed``: another list embeds no sample
again. Items go through the same encoder and the same decode.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dataengine.config.contamination import KeyePosttrain
from dataengine.config.recipe import Recipe
from dataengine.contamination.benchmarks import Reader
from dataengine.contamination.read import parts, readers
from dataengine.contracts import CAPTION_EMBEDDINGS, EMBEDDINGS
from dataengine.embed import views
from dataengine.embed.vectors import captioned, lists
from dataengine.embed.worker import CAPTIONS, PICTURES, VIDEOS
from dataengine.errors import InputError
from dataengine.ingest.occurrence import Occurrence
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Ok, Sandbox
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
    """Runs only for the preset keye_posttrain."""

    name = "contamination.embed"
    version = "2"
    needs = ("contamination.read",)

    def active(self, recipe: Recipe) -> bool:
        presets = recipe.contamination.presets if recipe.contamination else []
        return any(isinstance(p, KeyePosttrain) for p in presets)

    def settings(self, recipe: Recipe) -> Any:
        return [views.VERSION, recipe.limits.model_dump(), encoder_of(recipe).version]

    def device(self, recipe: Recipe) -> str:
        return recipe.score.device

    def plan(self, run: Run) -> list[Part]:
        return parts(run.recipe, digest(self.version, self.settings(run.recipe)))

    def worker(self, run: Run) -> Worker:
        score, recipe = run.recipe.score, run.recipe
        return ItemWorker(
            encoder_of(recipe), score.device, score.threads, recipe.limits.to_limits(), run.workspace, readers(recipe)
        )


def schema(encoder: Encoder, *names: str) -> pa.Schema:
    """``names``, image and text; several rows of one id or item where it has several texts."""
    vectors = zip(("image", "text"), encoder.dims, strict=True)
    return pa.schema([*((n, pa.string()) for n in names), *((n, pa.list_(pa.float16(), dim)) for n, dim in vectors)])


def embedded(run: Run) -> tuple[Iterator[pa.Table], pa.Table]:
    """``(samples in pieces, each id in one of them; benchmarks)``: columns as keye_posttrain takes them."""
    encoder, record = encoder_of(run.recipe), run.records["contamination.embed"]
    items = run.workspace.read_table(record.files("benchmarks"), schema(encoder, "benchmark", "item"))
    return _samples(run, encoder), items


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
class ItemWorker:
    """Model in this process, decoding in a child, which gets no weights."""

    encoder: Encoder
    device: str
    threads: int
    limits: Limits
    workspace: Workspace
    readers: dict[str, Reader]
    _sandbox: Sandbox | None = None

    def setup(self) -> None:
        self._model = copy(self.encoder)
        self._model.setup(self.device, self.threads)

    def close(self) -> None:
        if self._sandbox is not None:
            self._sandbox.__exit__(None, None, None)

    def process(self, part: Part) -> Output:
        layout = schema(self.encoder, "benchmark", "item")
        tables = [self._table(chunk, layout) for chunk in chunks(self._items(*part.spec), _CHUNK)]
        table = pa.concat_tables([layout.empty_table(), *tables])
        key = f"contamination/embeddings/{part.name}-{part.key[:16]}.parquet"
        return Output({"benchmarks": self.workspace.write_table(key, table)}, {"benchmarks": table.num_rows})

    def _items(self, name: str, spec: Any) -> Iterator[tuple[Row, Any]]:
        """Each item and its prepared view; None where it cannot be decoded, and counts as not compared."""
        if self._sandbox is None:
            context = (self.limits, self.encoder, False)
            self._sandbox = Sandbox(
                "dataengine.embed.views:prepare", context, workers=1, limits=self.limits
            ).__enter__()
        reader, held, bare = self.readers[name], deque[Occurrence](), list[Occurrence]()
        for outcome in self._sandbox.map(_payloads(reader, spec, held, bare, self.limits)):
            item = held.popleft()
            yield (name, item.uri, reader.texts(item)[0]), outcome.value[0] if isinstance(outcome, Ok) else None
        for item in bare:
            yield (name, item.uri, reader.texts(item)[0]), None

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


def _payloads(
    reader: Reader, spec: Any, held: deque[Occurrence], bare: list[Occurrence], limits: Limits
) -> Iterator[tuple[bytes, str]]:
    """Media of the items and their kind; items without go to ``bare`` (contamination.read tells why)."""
    for item in reader.occurrences(spec):
        try:
            data = item.read(limits)
        except InputError:
            bare.append(item)
            continue
        held.append(item)
        yield data, "video" if video_format(data) else "image"
