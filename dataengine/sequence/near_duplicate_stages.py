"""sequence.signatures and sequence.duplicates: near-duplicate texts; signatures a part a file, clusters a part a corpus."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa

from dataengine.config.recipe import Recipe
from dataengine.config.sequence import TextSource
from dataengine.contracts import columns
from dataengine.sequence import datatrove_steps
from dataengine.sequence.base import DUPLICATES, SIGNATURES, Sequencing, corpora
from dataengine.sequence.corpus import Text, files, texts
from dataengine.sequence.near_duplicates import Signatures, duplicates, sign
from dataengine.sequence.tables import write_rows, write_tables
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import File, Output, Workspace, digest

#: Texts with what became of them before near-duplicates are looked for.
SPOOL = columns(
    id=pa.string(), text=pa.large_string(), weight=pa.float64(), failure=pa.string(), message=pa.string(), outcome=pa.string()
)  # fmt: skip
#: Numbers of the texts of a file, of those without an outcome, that have an earlier near-duplicate.
NUMBERS = columns(number=pa.int64())


@dataclass(frozen=True)
class Spooled:
    """A file of a corpus after sequence.signatures: its ``texts`` (SPOOL), and ``numbers`` of near-duplicates."""

    texts: File
    numbers: File


class NearDuplicates(Sequencing):
    """Left out where no corpus is near-deduplicated."""

    def active(self, recipe: Recipe) -> bool:
        return super().active(recipe) and any(map(is_deduplicated, corpora(self.config(recipe))))


class SequenceSignatures(NearDuplicates, RecordStage):
    name = SIGNATURES
    version = "1"

    def validate(self, recipe: Recipe) -> None:
        for source in corpora(self.config(recipe)):
            datatrove_steps.check(source.pipeline)

    def plan(self, run: Run) -> list[Part]:
        parts = []
        for source in filter(is_deduplicated, corpora(self.config(run.recipe))):
            before, step, _ = datatrove_steps.parted(source.pipeline)
            read = [
                source.column,
                source.weight_column,
                [one.model_dump() for one in (*before, step) if one is not None],
            ]
            for n, file in enumerate(files(source)):
                parts.append(Part(f"{source.name}-{n:05d}", digest(self.version, read, asdict(file)), (source, file)))
        return parts

    def key(self, run: Run) -> str:
        """The files of corpora are inputs."""
        return digest(super().key(run), [part.key for part in self.plan(run)])

    def worker(self, run: Run) -> Worker:
        return SignatureWorker(run.workspace)


@dataclass
class SignatureWorker:
    """Reads a file through the filters before near-deduplication, and signs what is left."""

    workspace: Workspace

    def setup(self) -> None: ...
    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        source, file = part.spec
        before, step, _ = datatrove_steps.parted(source.pipeline)
        if step is None:
            raise ValueError(f"{source.name} is not near-deduplicated")
        base = f"sequence/signatures/{part.name}-{part.key}"
        outcomes = datatrove_steps.run(texts(file, source), before)
        spool = write_rows(
            self.workspace, f"{base}.parquet", ({**asdict(t), "outcome": outcome} for t, outcome in outcomes), SPOOL
        )
        hashed, count = hashlib.sha256(), 0
        with self.workspace.store.new_file() as path:
            with path.open("wb") as out:

                def write(data: bytes) -> None:
                    out.write(data)
                    hashed.update(data)

                sizes = sign(self._kept(spool), step, write)
            count = path.stat().st_size
            self.workspace.store.move(path, f"{base}.bin", hashed.hexdigest())
        blob = File(f"{base}.bin", hashed.hexdigest(), count)
        facts = {"source": source.name, "sizes": sizes}
        return Output({"texts": spool, "signatures": blob}, {"texts": spool.rows}, facts)

    def _kept(self, spool: File) -> Iterator[str]:
        return (text.text for text, outcome in spooled(self.workspace, spool) if not outcome)


class SequenceDuplicates(NearDuplicates, RecordStage):
    name = DUPLICATES
    version = "1"
    needs = (SIGNATURES,)

    def plan(self, run: Run) -> list[Part]:
        """``spec`` is (step, signatures of each part of sequence.signatures by its name)."""
        parts = []
        for source in filter(is_deduplicated, corpora(self.config(run.recipe))):
            _, step, _ = datatrove_steps.parted(source.pipeline)
            signed = signatures(run, source)
            key = digest(
                self.version, step and step.model_dump(), [out.files["signatures"].sha256 for out in signed.values()]
            )
            blobs = {name: (out.files["signatures"], out.facts["sizes"]) for name, out in signed.items()}
            parts.append(Part(source.name, key, (step, blobs)))
        return parts

    def worker(self, run: Run) -> Worker:
        return ClusterWorker(run.workspace)


@dataclass
class ClusterWorker:
    """Holds the numbers of a corpus' texts that have near-duplicates; signatures of a bucket are on its disk."""

    workspace: Workspace

    def setup(self) -> None: ...
    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        step, blobs = part.spec
        store, names = self.workspace.store, list(blobs)
        read = [Signatures(sizes, partial(store.get_range, file.key)) for file, sizes in blobs.values()]
        numbers: dict[int, list[int]] = {}
        for file, number in duplicates(read, step):
            numbers.setdefault(file, []).append(number)
        base = f"sequence/duplicates/{part.name}-{part.key}"
        written = {
            name: write_tables(self.workspace, f"{base}/{n:05d}.parquet", _table(numbers.get(n, [])), NUMBERS)
            for n, name in enumerate(names)
        }
        return Output(written, {"duplicates": sum(map(len, numbers.values()))})


def _table(numbers: list[int]) -> Iterator[pa.Table]:
    yield pa.table({"number": pa.array(sorted(numbers), pa.int64())}, schema=NUMBERS)


def is_deduplicated(source: TextSource) -> bool:
    return datatrove_steps.parted(source.pipeline)[1] is not None


def signatures(run: Run, source: TextSource) -> dict[str, Output]:
    """The parts of sequence.signatures of a corpus, in the order of its files."""
    return {n: out for n, out in sorted(run.records[SIGNATURES].parts.items()) if out.facts["source"] == source.name}


def spooled(workspace: Workspace, spool: File) -> Iterator[tuple[Text, str]]:
    """Texts with their outcomes so far, in order."""
    for table in workspace.batches([spool], SPOOL):
        for row in table.to_pylist():
            outcome: Any = row.pop("outcome")
            yield Text(**row), outcome


def without_duplicates(
    workspace: Workspace, outcomes: Iterator[tuple[Text, str]], numbers: File
) -> Iterator[tuple[Text, str]]:
    """The same, of which near-duplicates have that outcome."""
    gone = (n for table in workspace.batches([numbers], NUMBERS) for n in table["number"].to_pylist())
    number, first = -1, next(gone, None)
    for text, outcome in outcomes:
        number += not outcome
        if outcome or number != first:
            yield text, outcome
            continue
        yield replace(text, failure="minhash"), datatrove_steps.DUPLICATE
        first = next(gone, None)
