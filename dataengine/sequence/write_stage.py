"""sequence.write: the packed sequences of each set as files of the release, in the formats that the recipe names.

One part a file of packed sequences and format: ``sequences/SET/FORMAT/SET-00000.tar`` and so on. What a set's readers need
besides (``_set.json``, the text tokenizer, metadata) is sequence.describe's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.config.recipe import Recipe
from dataengine.config.sequence import ReleaseSource, SequenceConfig, SetConfig
from dataengine.errors import UsageError
from dataengine.sequence.base import (
    DESCRIBE,
    LEDGER,
    PACK,
    VOCABULARY,
    WRITE,
    Sequencing,
    codebook_sizes,
    releases,
    sources_of,
)
from dataengine.sequence.formats.description import (
    Format,
    SequenceShard,
    SetDescription,
    Summary,
    settings_of,
)
from dataengine.sequence.formats.writer import set_files, write_shard
from dataengine.sequence.ledger_stage import SEQUENCE_LEDGER, ledger_files
from dataengine.sequence.model import PackedSequence, from_row
from dataengine.sequence.pack_stage import set_files as packed_files
from dataengine.sequence.special import family_of
from dataengine.sequence.summary.packed import with_summaries
from dataengine.shards.json_types import plain
from dataengine.stage import Part, RecordStage, Run, TableStage, Worker
from dataengine.storage.release_folder import ReleaseFolder
from dataengine.storage.workspace import File, Output, Workspace, digest

TOKENIZER = "_tokenizer.json"
_SHARD, _ABOUT = "shard", "about"
_ROW_GROUP = 1 << 17
"""Rows of a ledger that are held."""


class SequenceWrite(Sequencing, RecordStage):
    """One part a file of a set in a format."""

    name = WRITE
    version = "1"
    needs = (VOCABULARY, PACK)
    in_place = True

    def settings(self, recipe: Recipe) -> Any:
        return [[one.name, one.formats, one.summary and one.summary.model_dump()] for one in self.config(recipe).sets]

    def plan(self, run: Run) -> list[Part]:
        parts = []
        for about, file, number in _shards(run):
            name = f"{about.name}-{number:05d}"
            key = digest(self.version, file.sha256, plain(about))
            parts.append(Part(f"{about.name}.{about.format.value}-{number:05d}", key, (about, file, name)))
        return parts

    def worker(self, run: Run) -> Worker:
        return SequenceWriter(run.workspace, run.recipe.name)


@dataclass
class SequenceWriter:
    """Holds some sequences at a time, and the file of packed ones that they come from."""

    workspace: Workspace
    release: str

    def setup(self) -> None: ...
    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        about, file, name = part.spec
        release = ReleaseFolder(self.workspace.store, self.release)
        with tempfile.TemporaryDirectory() as folder:
            shard = write_shard(about, Path(folder), name, self._sequences(about, file))
            files = {
                f.path: release.put(
                    f"{_base(about)}/{f.path}", Path(folder, f.path), f.bytes, shard.sequences, f.sha256
                )
                for f in shard.files
            }
        counts = {n: getattr(shard, n) for n in ("sequences", "positions", "padding", "documents")}
        return Output(files, counts, {_SHARD: plain(shard), _ABOUT: [about.name, about.format.value]})

    def _sequences(self, about: SetDescription, file: File) -> Iterator[PackedSequence]:
        settings = settings_of(about)
        data = pa.BufferReader(self.workspace.store.get(file.key, file.sha256))
        table = pq.ParquetFile(data, pre_buffer=False)
        for group in range(table.num_row_groups):
            for row in table.read_row_group(group, use_threads=False).to_pylist():
                sequence = from_row(row)
                yield sequence if settings is None else with_summaries(sequence, settings, about.eob)


class SequenceDescribe(Sequencing, TableStage):
    """What each set's readers need besides its shards."""

    name = DESCRIBE
    version = "3"
    needs = (VOCABULARY, LEDGER, WRITE)
    in_place = True

    def compute(self, run: Run, key: str) -> Output:
        release = ReleaseFolder(run.workspace.store, run.recipe.name)
        [tokenizer] = run.records[VOCABULARY].files("tokenizer")
        data = run.workspace.store.get(tokenizer.key, tokenizer.sha256)
        files: dict[str, File] = {}
        facts: list[dict[str, Any]] = []
        for about in _described(run):
            whole = {TOKENIZER: data, **set_files(about)}
            for path, content in whole.items():
                where = f"{_base(about)}/{path}"
                files[where] = release.put(where, content, len(content))
            facts.append(_facts(about))
        files |= _ledgers(run, release)
        return Output(files, {"sets": len(facts)}, {"sets": facts})


def _ledgers(run: Run, release: ReleaseFolder) -> dict[str, File]:
    """What became of each document, a table a set: ``sequences/SET/ledger.parquet``."""
    files = {}
    for one in run.recipe.sequence.sets if run.recipe.sequence else ():
        rows = run.workspace.batches(ledger_files(run, one.name), SEQUENCE_LEDGER)
        path = f"sequences/{one.name}/ledger.parquet"
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder, "ledger.parquet")
            count = _write(local, rows)
            files[path] = release.put(path, local, local.stat().st_size, count)
    return files


def _write(path: Path, tables: Iterable[pa.Table]) -> int:
    """Write SEQUENCE_LEDGER in row groups of about so many rows; number of rows."""
    count, held = 0, [SEQUENCE_LEDGER.empty_table()]
    with pq.ParquetWriter(path, SEQUENCE_LEDGER, compression="zstd") as writer:
        for table in tables:
            count, held = count + len(table), [*held, table]
            if sum(map(len, held)) >= _ROW_GROUP:
                writer.write_table(pa.concat_tables(held).combine_chunks())
                held = [SEQUENCE_LEDGER.empty_table()]
        if sum(map(len, held)) or not count:
            writer.write_table(pa.concat_tables(held).combine_chunks())
    return count


def files_of(run: Run) -> list[File]:
    """All files of sequences in the release, sets by name."""
    outputs = [out for name in (WRITE, DESCRIBE) if name in run.records for out in run.records[name].parts.values()]
    return sorted((file for out in outputs for file in out.files.values()), key=lambda file: file.key)


def _base(about: SetDescription) -> str:
    return f"sequences/{about.name}/{about.format.value}"


def _shards(run: Run) -> Iterator[tuple[SetDescription, File, int]]:
    """Each set in each of its formats, with its files of packed sequences and their numbers."""
    config = run.recipe.sequence
    assert config is not None
    for one in config.sets:
        for about in _abouts(run, config, one):
            for number, file in enumerate(packed_files(run, one.name)):
                yield about, file, number


def _abouts(run: Run, config: SequenceConfig, one: SetConfig) -> Iterator[SetDescription]:
    """The description of a set in each of its formats, without shards."""
    facts = run.records[VOCABULARY].parts["all"].facts
    known = releases(run, config)
    discrete = family_of(one.layout) == "discrete"
    sizes = list(codebook_sizes(known)) if discrete else []
    special: dict[str, int] = dict(sorted(facts["special"].items()))
    _require_free_ids(one, facts["first_code"] + sum(sizes))
    for form in one.formats:
        yield SetDescription(
            name=one.name,
            format=Format(form),
            layout=one.layout,
            split=_split(config, one),
            length=one.length,
            width=len(sizes) + 1 if one.layout == "blocks" else 1,
            first_code=facts["first_code"],
            end_of_text=special["end_of_text"],
            eob=special.get("eob", special["end_of_text"]),
            special=special,
            codebook_sizes=sizes,
            tokenizer=next(iter(sorted({r.tokenizer for r in known.values() if r.tokenizer})), "") if discrete else "",
            text_tokenizer=TOKENIZER,
            summary=Summary(**one.summary.model_dump()) if one.summary else None,
        )


def _require_free_ids(one: SetConfig, used: int) -> None:
    """Raises UsageError where summaries have ids that text or codes have."""
    if one.summary and not one.summary.independent and one.summary.begin < used:
        raise UsageError(
            f"sequence.sets: {one.name}: summary.begin {one.summary.begin:,} collides with the {used:,} ids of text and codes; "
            f"take {used:,} or more, or `independent: true`"
        )


def _split(config: SequenceConfig, one: SetConfig) -> str:
    """The split that all of the set's sources are of, else ``train``."""
    names = sources_of(config, one)
    splits = {s.split for s in config.sources if s.name in names and isinstance(s, ReleaseSource)}
    return next(iter(splits)) if len(splits) == 1 else "train"


def _described(run: Run) -> Iterator[SetDescription]:
    """Each set in each format, with its shards."""
    import msgspec

    shards: dict[tuple[str, str], list[SequenceShard]] = {}
    for _, out in sorted(run.records[WRITE].parts.items()):
        shards.setdefault(tuple(out.facts[_ABOUT]), []).append(msgspec.convert(out.facts[_SHARD], SequenceShard))
    config = run.recipe.sequence
    assert config is not None
    for one in config.sets:
        for about in _abouts(run, config, one):
            yield msgspec.structs.replace(about, shards=sorted(shards.get((about.name, about.format.value), [])))


def _facts(about: SetDescription) -> dict[str, Any]:
    """For the manifest."""
    totals = {n: sum(getattr(s, n) for s in about.shards) for n in ("sequences", "positions", "padding", "documents")}
    return {
        "name": about.name,
        "format": about.format.value,
        "layout": about.layout,
        "length": about.length,
        "split": about.split,
        "shards": len(about.shards),
        **totals,
        "bytes": sum(file.bytes for shard in about.shards for file in shard.files),
        "summary": about.summary and plain(about.summary),
    }
