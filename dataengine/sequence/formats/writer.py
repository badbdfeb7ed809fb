"""Writes a set of packed sequences in any format, a shard at a time: shards may be made by different workers in any order.

``write_shard`` makes the files of one shard in a folder, ``set_files`` those of the whole set from what is known of its shards.
Both give the same bytes for the same sequences.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from dataengine.errors import RunError
from dataengine.sequence.formats import arrow_files, megatron, tars, token_stream
from dataengine.sequence.formats.description import FILE, Format, SequenceFile, SequenceShard, SetDescription
from dataengine.sequence.model import PackedSequence


@dataclass
class _Counted:
    """Sequences as they go by, keyed by shard and number, and what they add up to."""

    name: str
    rows: Iterable[PackedSequence]
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("sequences", "positions", "padding", "documents"), 0)
    )

    def __iter__(self) -> Iterator[tuple[str, PackedSequence]]:
        for number, sequence in enumerate(self.rows):
            self.counts["sequences"] += 1
            self.counts["positions"] += len(sequence)
            self.counts["padding"] += sequence.padding
            self.counts["documents"] += len(sequence.documents)
            yield f"{self.name}-{number:06d}", sequence


def write_shard(about: SetDescription, folder: Path, name: str, rows: Iterable[PackedSequence]) -> SequenceShard:
    """Write the files of one shard of the set ``about`` into ``folder``, in the set's format. Raises UsageError for sequences
    that the format cannot hold."""
    counted = _Counted(name, rows)
    match about.format:
        case Format.webdataset:
            files = tars.write(folder, name, counted)
        case Format.energon:
            files = tars.write(folder, name, counted, index=True)
        case Format.parquet:
            files = arrow_files.write_parquet(folder, name, counted)
        case Format.datasets:
            files = arrow_files.write_datasets(folder, name, counted)
        case Format.megatron:
            files = megatron.write(folder, name, counted)
        case Format.stream:
            files = token_stream.write(folder, name, counted, about.length, about.end_of_text)
    return SequenceShard(name=name, **counted.counts, files=tuple(_file(Path(folder, path)) for path in files))


def set_files(about: SetDescription) -> Mapping[str, bytes]:
    """Files of the whole set by path, ``about`` naming all its shards: metadata of its readers, and _set.json last."""
    shards = sorted(about.shards)
    files: dict[str, bytes] = {}
    match about.format:
        case Format.energon:
            files |= tars.energon_metadata(shards, about.split)
        case Format.datasets:
            files |= arrow_files.datasets_metadata(shards, about.split)
        case Format.stream:
            files[token_stream.MIXTURE] = token_stream.mixture(shards, about.name)
    return {**files, FILE: msgspec.structs.replace(about, shards=shards).to_bytes()}


def write_set(about: SetDescription, folder: Path, shards: Mapping[str, Iterable[PackedSequence]]) -> SetDescription:
    """Write a whole set into ``folder``: its shards by name. Raises as ``write_shard``."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [write_shard(about, folder, name, rows) for name, rows in sorted(shards.items())]
    whole = msgspec.structs.replace(about, shards=written)
    for path, data in set_files(whole).items():
        target = Path(folder, path)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(data)
    return whole


def _file(path: Path) -> SequenceFile:
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return SequenceFile(path=path.name, sha256=sha256, bytes=path.stat().st_size)


def check_file(path: Path, listed: SequenceFile) -> None:
    """Raises RunError where a file is not the one that its set lists."""
    if not path.is_file():
        raise RunError(f"{path} is in the set's description, but does not exist")
    if _file(path).sha256 != listed.sha256:
        raise RunError(f"checksum mismatch reading {path}: it is not the file that the set's description lists")
