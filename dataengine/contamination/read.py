"""contamination.read: decodes benchmark lists into items with texts and hashes, and failures.

The media of a benchmark is decoded as that of a source, bounded and in a child that can be killed; it is not kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from dataengine.config.recipe import Recipe
from dataengine.contamination.benchmarks import Reader
from dataengine.contamination.worker import ItemWorker
from dataengine.contracts import BENCHMARK_ITEMS, FAILURES, input_id
from dataengine.errors import UsageError
from dataengine.ingest.listing_stage import ListingStage
from dataengine.ingest.occurrence import Occurrence
from dataengine.media.facts import Facts
from dataengine.media.sandbox.pool import Failed
from dataengine.stage import Part, Run, Worker
from dataengine.storage.workspace import Output, digest


def readers(recipe: Recipe) -> dict[str, Reader]:
    """A reader for each benchmark of the recipe, by name."""
    config = recipe.contamination
    return {b.name: Reader(b, recipe.limits.to_limits()) for b in (config.benchmarks if config else ())}


def parts(recipe: Recipe, base: str) -> list[Part]:
    """The parts of all benchmarks, ordered by name; ``spec`` is (benchmark, the reader's own). Raises UsageError naming
    every list that is not there."""
    listed, mistakes = [], []
    for number, (name, reader) in enumerate(readers(recipe).items()):
        settings = reader.benchmark.model_dump(exclude={"path"})
        try:
            listed += [Part(p.name, digest(base, settings, p.key), (name, p.spec)) for p in reader.parts()]
        except UsageError as error:
            line = recipe.line("contamination", "benchmarks", number, "path")
            mistakes.append(f"{line}benchmark `{name}`: {error}")
    if mistakes:
        raise UsageError("\n".join(mistakes))
    return sorted(listed, key=lambda p: p.name)


class ContaminationRead(ListingStage):
    """One part a hash bucket of a folder or table, or a tar."""

    name = "contamination.read"
    version = "2"

    def active(self, recipe: Recipe) -> bool:
        return recipe.contamination is not None

    def listed(self, recipe: Recipe, base: str) -> list[Part]:
        return parts(recipe, base)

    def worker(self, run: Run) -> Worker:
        return ReadWorker(run.recipe.limits.to_limits(), run.workspace, readers(run.recipe))


class ReadWorker(ItemWorker):
    """Serves any part of any benchmark."""

    function = "dataengine.media.inspect:inspect"

    def answer(self) -> Any:
        return Facts

    def process(self, part: Part) -> Output:
        name, spec = part.spec
        rows = _Rows(self.readers[name])
        for item, outcome in self.decoded(name, spec):
            if isinstance(outcome, Failed):
                rows.fail(item, outcome.failure, outcome.message)
            else:
                rows.add(item, outcome.value or {})
        return self._publish(part, rows)

    def _publish(self, part: Part, rows: _Rows) -> Output:
        files = {}
        name = f"{part.name}-{part.key[:16]}.parquet"
        tables = (
            ("items", rows.items, "item", BENCHMARK_ITEMS),
            ("failures", rows.failures, "uri", FAILURES),
        )
        for role, some, order, schema in tables:
            if some:
                table = pa.Table.from_pylist(sorted(some, key=lambda r: str(r[order])), schema)
                files[role] = self.workspace.write_table(f"contamination/{role}/{name}", table)
        counts = {"items": len(rows.items), "unreadable": len(rows.failures)}
        return Output(files, counts, {"benchmark": rows.reader.benchmark.name})


@dataclass
class _Rows:
    """Rows of a part while it is made: every mention is an item, and a failure where its media could not be read."""

    reader: Reader
    items: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)

    def add(self, item: Occurrence, facts: dict[str, Any]) -> None:
        questions, answers = self.reader.texts(item)
        row = {"benchmark": self.reader.benchmark.name, "item": item.uri, "questions": questions, "answers": answers}
        hashed = {k: facts.get(k) for k in ("kind", "phash")}
        self.items.append(row | hashed | {"frame_hashes": facts.get("frame_hashes", [])})

    def fail(self, item: Occurrence, failure: str, message: str) -> None:
        name = self.reader.benchmark.name
        where = {"input_id": input_id(name, item.uri), "source": name, "uri": item.uri}
        self.failures.append(where | {"failure": failure, "message": message, "bytes": None})
        self.add(item, {})
