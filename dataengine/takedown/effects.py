"""What a take-down changes in a release: the shards of its samples, the records about them, the sequences that have either."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute

from dataengine.release.reader import Published
from dataengine.sequence.formats.description import FILE, SetDescription, description_of
from dataengine.sequence.formats.reader import READERS, SequenceSet
from dataengine.sequence.model import PackedSequence
from dataengine.storage.store import Store
from dataengine.storage.workspace import parquet
from dataengine.takedown.needles import Needles
from dataengine.takedown.targets import Targets, shards_of

pc: Any = pyarrow.compute  # whose stubs admit less than its functions do


class _Record(msgspec.Struct):
    mode: str


@dataclass(frozen=True)
class SequenceFolder:
    """A set in one format, below ``base`` in the release. ``read``: the same set in a format that keeps whole sequences, None
    where the release has none."""

    base: str
    about: SetDescription
    read: SequenceSet | None


@dataclass
class Effects:
    """``shards``: by name, the samples that go; ``records``: by CoT shard, the records; ``sequences``: by set, the names of its
    files in which documents go, and how many sequences these are."""

    ids: frozenset[str]
    shards: dict[str, set[str]] = field(default_factory=dict)
    records: dict[str, set[str]] = field(default_factory=dict)
    modes: Counter[str] = field(default_factory=Counter)
    sets: list[SequenceFolder] = field(default_factory=list)
    sequences: dict[str, Counter[str]] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    """Folders of sets that have such a document, and keep tokens alone: nobody can tell where it is."""

    @property
    def gone(self) -> frozenset[str]:
        """Ids of samples and records: what documents of sequences are made of."""
        return self.ids | frozenset(record for records in self.records.values() for record in records)

    @property
    def samples(self) -> int:
        return sum(map(len, self.shards.values()))

    def rows(self) -> list[tuple[str, str]]:
        """For a person."""
        documents = sum(sum(one.values()) for one in self.sequences.values())
        rows = [
            ("inputs by content", f"{len(self.ids):,}"),
            ("samples", f"{self.samples:,} in {len(self.shards):,} shards"),
            ("CoT records", f"{sum(self.modes.values()):,} in {len(self.records):,} shards"),
            ("sequences", f"{documents:,} in {sum(map(len, self.sequences.values())):,} files"),
        ]
        return rows + [("left out, packs tokens alone", base) for base in sorted(self.unreadable)]


def effects(release: Published, targets: Targets) -> Effects:
    """Reads the assignment, all CoT records and all sequences."""
    result = Effects(frozenset(targets.ids), shards_of(release, targets.ids))
    needles = Needles(result.ids)
    for split in sorted({shard.split for shard in release.manifest.cot.shards}):
        for tar in release.cot(split):
            if not release.store.exists(tar.path):  # deleted by this take-down, before it was interrupted
                continue
            for key, members in release.read(tar):
                data = bytes(members["json"])
                if needles.named_in(data):
                    name = tar.path.removeprefix("cot/").removesuffix(".tar")
                    result.records.setdefault(name, set()).add(key)
                    result.modes[msgspec.json.decode(data, type=_Record).mode] += 1
    result.sets = list(_sets(release))
    for one in {folder.about.name: folder.read for folder in result.sets if folder.read is not None}.values():
        result.sequences[one.about.name] = _touched(one, result.gone)
    result.unreadable = {
        one.base for one in result.sets if one.read is None and _listed(release, one.about.name, result.gone)
    }
    return result


def _sets(release: Published) -> Iterator[SequenceFolder]:
    bases = sorted(
        f.path.removesuffix(f"/{FILE}")
        for f in release.manifest.files
        if f.path.startswith("sequences/") and f.path.endswith(f"/{FILE}")
    )
    described = [(base, description_of(Store(release.store.uri(base)))) for base in bases]
    readable = {
        about.name: SequenceSet(Store(release.store.uri(base)), about)
        for base, about in described
        if about.format in READERS
    }
    for base, about in described:
        yield SequenceFolder(base, about, readable.get(about.name))


def _listed(release: Published, name: str, gone: frozenset[str]) -> bool:
    """Whether the ledger of a set has one of these documents."""
    wanted = pa.array(sorted(gone), pa.string())
    paths = [f.path for f in release.manifest.files if f.path.startswith(f"sequences/{name}/ledger")]
    ids: list[Any] = [parquet(release.store.get(path), ["id"])["id"] for path in paths]
    return any(pc.any(pc.is_in(column, value_set=wanted)).as_py() for column in ids)


def _touched(one: SequenceSet, gone: frozenset[str]) -> Counter[str]:
    """Sequences by the name of their file that have a document which goes."""
    counted: Counter[str] = Counter()
    for shard in one.about.shards:
        if n := sum(has(sequence, gone) for sequence in one.read(shard)):
            counted[shard.name] = n
    return counted


def has(sequence: PackedSequence, gone: frozenset[str]) -> bool:
    """Whether a document of the sequence goes, or shows a picture that does."""
    return any(span.id in gone for span in sequence.documents) or any(span.sample in gone for span in sequence.media)
