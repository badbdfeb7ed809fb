"""contamination.embed: pictures and texts of all distinct samples and of the benchmarks as vectors, for keye_posttrain.

A part is a media tar, or a part of a benchmark: another list embeds no sample again. All distinct samples are embedded, for
a copy may be the one that is in a benchmark; scores exist only of those that stand for a group.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dataengine.config.recipe import KeyePosttrain, Recipe
from dataengine.contamination.benchmarks import Reader
from dataengine.contamination.read import parts, readers
from dataengine.contracts import UNIQUE
from dataengine.errors import InputError
from dataengine.ingest.items import Item
from dataengine.ingest.stage import limits_of
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Failed, Ok, Sandbox
from dataengine.media.sniff import video_format
from dataengine.models.encoders import Towers, towers_of
from dataengine.samples.decode import Decoder
from dataengine.samples.locate import Located, by_media, chunks, locate
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import Output, Workspace, digest

_CHUNK = 256
_ROWS = 1 << 17  # vectors compared at a time
_PREPARE = "dataengine.score.prepare:prepare"

Row = tuple[tuple[str, ...], Sequence[str]]
"""Names (id, or benchmark and item) and texts."""


class ContaminationEmbed(RecordStage):
    """Runs only for the preset keye_posttrain."""

    name = "contamination.embed"
    version = "1"
    needs = ("dedup", "contamination.read")

    def active(self, recipe: Recipe) -> bool:
        presets = recipe.contamination.presets if recipe.contamination else []
        return any(isinstance(p, KeyePosttrain) for p in presets)

    def validate(self, recipe: Recipe) -> None:
        towers_of(recipe).scorer.validate()

    def settings(self, recipe: Recipe) -> Any:
        return [recipe.limits.model_dump(), towers_of(recipe).version]

    def device(self, recipe: Recipe) -> str:
        return recipe.score.device

    def plan(self, run: Run) -> list[Part]:
        base = digest(self.version, self.settings(run.recipe))
        found = []
        for media, rows in by_media(locate(run.table("dedup", "unique", UNIQUE))).items():
            name = media.removeprefix("media/").removesuffix(".tar")
            found.append(Part(name, digest(base, [(r.id, r.captions) for r in rows]), rows))
        listed = parts(run.recipe, base)
        return found + [Part(f"benchmark-{p.name}", p.key, p.spec) for p in listed]

    def worker(self, run: Run) -> Worker:
        score, recipe = run.recipe.score, run.recipe
        towers = towers_of(recipe)
        return EmbedWorker(towers, score.device, score.threads, limits_of(recipe), run.workspace, readers(recipe))


def schema(towers: Towers, *names: str) -> pa.Schema:
    """``names``, image and text; several rows of one id or item where it has several texts."""
    vectors = zip(("image", "text"), towers.dims, strict=True)
    return pa.schema([*((n, pa.string()) for n in names), *((n, pa.list_(pa.float16(), dim)) for n, dim in vectors)])


def embedded(run: Run) -> tuple[Iterator[pa.Table], pa.Table]:
    """``(samples in pieces, each id in one of them; benchmarks)``: columns as keye_posttrain takes them."""
    towers, record, read = towers_of(run.recipe), run.records["contamination.embed"], run.workspace.read_table
    listed = read(record.files("benchmarks"), schema(towers, "benchmark", "item"))

    def pieces() -> Iterator[pa.Table]:
        mine = schema(towers, "id")
        yield mine.empty_table()
        held, rows = [], 0
        for file in record.files("samples"):
            held.append(file)
            rows += file.rows
            if rows >= _ROWS:
                yield read(held, mine)
                held, rows = [], 0
        yield read(held, mine)

    return pieces(), listed


@dataclass
class EmbedWorker:
    """Models in this process, decoding in a child."""

    towers: Towers
    device: str
    threads: int
    limits: Limits
    workspace: Workspace
    readers: dict[str, Reader]
    _decoder: Decoder | None = None
    _sandbox: Sandbox | None = None

    def setup(self) -> None:
        self.towers.setup(self.device, self.threads)

    def close(self) -> None:
        if self._decoder is not None:
            self._decoder.close()
        if self._sandbox is not None:
            self._sandbox.__exit__(None, None, None)

    def process(self, part: Part) -> Output:
        if isinstance(part.spec, tuple):
            role, rows, layout = "benchmarks", self._items(*part.spec), schema(self.towers, "benchmark", "item")
        else:
            role, rows, layout = "samples", self._samples(part.spec), schema(self.towers, "id")
        made = [self._table(chunk, layout) for chunk in chunks(rows, _CHUNK)]
        table = pa.concat_tables([layout.empty_table(), *made])
        key = f"contamination/embeddings/{part.name}-{part.key[:16]}.parquet"
        return Output({role: self.workspace.write_table(key, table)}, {role: table.num_rows})

    def _samples(self, rows: list[Located]) -> Iterator[tuple[Row, Any]]:
        if self._decoder is None:
            self._decoder = Decoder(_PREPARE, (self.limits, [self.towers.scorer]), self.limits)
        for row, outcome in self._decoder.over(self.workspace.store, rows, lambda r, data: (data, r.kind)):
            yield ((row.id,), row.captions), self._prepared(outcome)

    def _items(self, name: str, spec: Any) -> Iterator[tuple[Row, Any]]:
        if self._sandbox is None:
            given = (self.limits, [self.towers.scorer])
            self._sandbox = Sandbox(_PREPARE, given, workers=1, limits=self.limits).__enter__()
        reader, held, bare = self.readers[name], deque[Item](), list[Item]()
        for outcome in self._sandbox.map(_payloads(reader, spec, held, bare, self.limits)):
            item = held.popleft()
            yield ((name, item.uri), reader.texts(item)[0]), self._prepared(outcome)
        for item in bare:
            yield ((name, item.uri), reader.texts(item)[0]), None

    def _prepared(self, outcome: Ok | Failed) -> Any:
        """None for what cannot be decoded: it counts as not compared."""
        return outcome.value[self.towers.scorer.name] if isinstance(outcome, Ok) else None

    def _table(self, chunk: Sequence[tuple[Row, Any]], layout: pa.Schema) -> pa.Table:
        seen = iter(self._vectors([p for _, p in chunk if p is not None], self.towers.pictures))
        images = [next(seen) if p is not None else None for _, p in chunk]
        said = iter(self._vectors([t for (_, texts), _ in chunk for t in texts], self.towers.texts))
        rows = []
        for ((names, texts), _), image in zip(chunk, images, strict=True):
            rows += [(*names, image, next(said)) for _ in texts] or [(*names, image, None)]
        columns = zip(*rows, strict=True)
        return pa.table([pa.array(list(c), f.type) for c, f in zip(columns, layout, strict=True)], schema=layout)

    def _vectors(self, given: Sequence[Any], call: Any) -> Sequence[Any]:
        return call(given) if given else []


def _payloads(
    reader: Reader, spec: Any, held: deque[Item], bare: list[Item], limits: Limits
) -> Iterator[tuple[bytes, str]]:
    """Media of the items and their kind; items without go to ``bare`` (contamination.read tells why)."""
    for item in reader.items(spec):
        try:
            data = item.read(limits)
        except InputError:
            bare.append(item)
            continue
        held.append(item)
        yield data, "video" if video_format(data) else "image"
