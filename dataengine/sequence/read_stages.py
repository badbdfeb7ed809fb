"""sequence.corpora and sequence.samples: texts of corpora, filtered, and samples of releases, as tables."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.config.recipe import Recipe
from dataengine.config.sequence import MinhashStep, TextSource
from dataengine.sequence import datatrove_steps
from dataengine.sequence.base import CORPORA, SAMPLES, Sequencing, corpora, releases, splits
from dataengine.sequence.corpus import TEXTS, CorpusFile, Text, files, texts
from dataengine.sequence.material import MATERIAL, material
from dataengine.sequence.releases import Tar
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import File, Output, Workspace, digest

_ROWS = 4_096


class SequenceCorpora(Sequencing, RecordStage):
    """Texts of the corpora: a part a file, or all files of a corpus that is near-deduplicated."""

    name = CORPORA
    version = "3"

    def active(self, recipe: Recipe) -> bool:
        return super().active(recipe) and bool(corpora(self.config(recipe)))

    def validate(self, recipe: Recipe) -> None:
        for source in corpora(self.config(recipe)):
            datatrove_steps.check(source.pipeline)

    def plan(self, run: Run) -> list[Part]:
        parts = []
        for source in corpora(self.config(run.recipe)):
            listed = files(source)
            whole = any(isinstance(step, MinhashStep) for step in source.pipeline)
            for n, group in enumerate([listed] if whole else [[file] for file in listed]):
                key = digest(self.version, reading(source), [asdict(file) for file in group])
                parts.append(Part(f"{source.name}-{n:05d}", key, (source, group)))
        return parts

    def key(self, run: Run) -> str:
        """The files of corpora are inputs."""
        return digest(super().key(run), [part.key for part in self.plan(run)])

    def worker(self, run: Run) -> Worker:
        return CorpusWorker(run.workspace)


def reading(source: TextSource) -> Any:
    """What of a source decides its texts."""
    return [source.column, source.weight_column, [step.model_dump() for step in source.pipeline]]


@dataclass
class CorpusWorker:
    """Reads the files of a part through the source's steps of datatrove."""

    workspace: Workspace

    def setup(self) -> None: ...
    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        source, group = part.spec
        counts: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        rows = self._rows(source, group, counts, reasons)
        file = write_rows(self.workspace, f"sequence/texts/{part.name}-{part.key}.parquet", rows, TEXTS)
        facts = {"source": source.name, "reasons": dict(sorted(reasons.items()))}
        return Output({"texts": file}, dict(sorted(counts.items())), facts)

    def _rows(
        self, source: TextSource, group: list[CorpusFile], counts: Counter[str], reasons: Counter[str]
    ) -> Iterator[dict[str, Any]]:
        every = (text for file in group for text in texts(file, source))
        for text, outcome in datatrove_steps.run(every, source.pipeline):
            counts.update({"texts": 1, outcome or "kept": 1})
            if outcome:
                reasons[f"{outcome}: {text.failure}"] += 1
            yield _row(text, outcome)


def _row(text: Text, outcome: str) -> dict[str, Any]:
    reason = text.failure if not text.message else f"{text.failure}: {text.message}"
    kept = text.text if not outcome else None
    return {"id": text.id, "text": kept, "weight": text.weight, "outcome": outcome, "reason": reason if outcome else ""}


class SequenceSamples(Sequencing, RecordStage):
    """Captions, sizes and places of codes of the samples in the releases' tars, one part each."""

    name = SAMPLES
    version = "1"
    needs = ("tokenize.fit", "shard.write")

    def active(self, recipe: Recipe) -> bool:
        return super().active(recipe) and bool(splits(self.config(recipe)))

    def settings(self, recipe: Recipe) -> Any:
        return splits(self.config(recipe))

    def plan(self, run: Run) -> list[Part]:
        return [Part(name, digest(self.version, tar.sha256), tar) for name, tar in sample_tars(run, self).items()]

    def key(self, run: Run) -> str:
        """Tars of other releases are inputs."""
        return digest(super().key(run), [part.key for part in self.plan(run)])

    def worker(self, run: Run) -> Worker:
        return SamplesWorker(run.workspace)


def sample_tars(run: Run, stage: Sequencing) -> dict[str, Tar]:
    """Tars of samples that sources read, by the name of their part: number of the release, split and tar."""
    config = stage.config(run.recipe)
    known = releases(run, config)
    places = sorted(known)
    return {
        f"{places.index(url)}-{tar.name}": tar
        for url, split in splits(config)
        for tar in known[url].tars("samples", split)
    }


@dataclass
class SamplesWorker:
    """Reads a tar of samples."""

    workspace: Workspace

    def setup(self) -> None: ...
    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        tar: Tar = part.spec
        with tar.local() as path:
            table = material(path)
        file = self.workspace.write_table(f"sequence/material/{part.name}-{part.key}.parquet", table, MATERIAL)
        return Output({"material": file}, {"samples": len(table)})


def write_rows(
    workspace: Workspace, key: str, rows: Iterator[dict[str, Any]], schema: pa.Schema, at_once: int = _ROWS
) -> File:
    """Publish rows as Parquet, some thousand of which are held at a time."""
    return write_tables(workspace, key, _tables(rows, schema, at_once), schema)


def _tables(rows: Iterator[dict[str, Any]], schema: pa.Schema, at_once: int) -> Iterator[pa.Table]:
    while some := list(islice(rows, at_once)):
        yield pa.Table.from_pylist(some, schema)


def write_tables(workspace: Workspace, key: str, tables: Iterable[pa.Table], schema: pa.Schema) -> File:
    """Publish tables as one Parquet file, a row group each; one of which is held at a time."""
    count = 0
    with workspace.store.new_file() as path:
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for table in tables:
                count += len(table)
                writer.write_table(table)
            if not count:
                writer.write_table(schema.empty_table())
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
        workspace.store.move(path, key, sha256)
    return File(key, sha256, size, count)
