"""sequence.corpora and sequence.samples: texts of corpora, filtered, and samples of releases, as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from dataengine.config.recipe import Recipe
from dataengine.config.sequence import TextSource
from dataengine.sequence import datatrove_steps
from dataengine.sequence.base import (
    CORPORA,
    DUPLICATES,
    SAMPLES,
    SIGNATURES,
    Sequencing,
    corpora,
    releases,
    splits,
)
from dataengine.sequence.corpus import TEXTS, CorpusFile, Text, files, texts
from dataengine.sequence.material import MATERIAL, material
from dataengine.sequence.near_duplicate_stages import (
    Spooled,
    is_deduplicated,
    signatures,
    spooled,
    without_duplicates,
)
from dataengine.sequence.releases import Tar
from dataengine.sequence.tables import write_rows
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import Output, Workspace, digest


class SequenceCorpora(Sequencing, RecordStage):
    """Texts of the corpora: a part a file."""

    name = CORPORA
    version = "3"
    needs = (SIGNATURES, DUPLICATES)

    def active(self, recipe: Recipe) -> bool:
        return super().active(recipe) and bool(corpora(self.config(recipe)))

    def validate(self, recipe: Recipe) -> None:
        for source in corpora(self.config(recipe)):
            datatrove_steps.check(source.pipeline)

    def plan(self, run: Run) -> list[Part]:
        parts = []
        for source in corpora(self.config(run.recipe)):
            parts += _deduplicated(run, self.version, source) if is_deduplicated(source) else self._plain(source)
        return parts

    def _plain(self, source: TextSource) -> list[Part]:
        return [
            Part(f"{source.name}-{n:05d}", digest(self.version, reading(source), [asdict(file)]), (source, file))
            for n, file in enumerate(files(source))
        ]

    def key(self, run: Run) -> str:
        """The files of corpora are inputs."""
        return digest(super().key(run), [part.key for part in self.plan(run)])

    def worker(self, run: Run) -> Worker:
        return CorpusWorker(run.workspace)


def _deduplicated(run: Run, version: str, source: TextSource) -> list[Part]:
    """``spec`` is (source, texts with their signatures' outcomes, numbers of near-duplicates)."""
    numbers = run.records[DUPLICATES].parts[source.name].files
    parts = []
    for name, out in signatures(run, source).items():
        key = digest(version, reading(source), out.files["texts"].sha256, numbers[name].sha256)
        parts.append(Part(name, key, (source, Spooled(out.files["texts"], numbers[name]))))
    return parts


def reading(source: TextSource) -> Any:
    """What of a source decides its texts."""
    return [source.column, source.weight_column, [step.model_dump() for step in source.pipeline]]


@dataclass
class CorpusWorker:
    """Reads a file through the source's steps of datatrove."""

    workspace: Workspace

    def setup(self) -> None: ...
    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        source, read = part.spec
        counts: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        rows = _counted(self._outcomes(source, read), counts, reasons)
        file = write_rows(self.workspace, f"sequence/texts/{part.name}-{part.key}.parquet", rows, TEXTS)
        facts = {"source": source.name, "reasons": dict(sorted(reasons.items()))}
        return Output({"texts": file}, dict(sorted(counts.items())), facts)

    def _outcomes(self, source: TextSource, read: CorpusFile | Spooled) -> Iterator[tuple[Text, str]]:
        before, _, after = datatrove_steps.parted(source.pipeline)
        if isinstance(read, CorpusFile):
            return datatrove_steps.run(texts(read, source), before)
        known = without_duplicates(self.workspace, spooled(self.workspace, read.texts), read.numbers)
        return datatrove_steps.filtered(known, after)


def _counted(
    outcomes: Iterator[tuple[Text, str]], counts: Counter[str], reasons: Counter[str]
) -> Iterator[dict[str, Any]]:
    for text, outcome in outcomes:
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
    version = "2"
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
