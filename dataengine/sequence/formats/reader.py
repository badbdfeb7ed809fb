"""Reads sets of packed sequences, in the formats that keep all of a sequence: tars, Parquet and Arrow files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dataengine.errors import RunError, UsageError
from dataengine.sequence.formats import arrow_files, tars
from dataengine.sequence.formats.description import Format, SequenceShard, SetDescription, description_of
from dataengine.sequence.formats.writer import check_file
from dataengine.sequence.model import PackedSequence
from dataengine.storage.store import Store

#: Readers of the first file of a shard, by format.
READERS = {
    Format.webdataset: tars.read,
    Format.energon: tars.read,
    Format.parquet: arrow_files.read_parquet,
    Format.datasets: arrow_files.read_datasets,
}


@dataclass(frozen=True)
class SequenceSet:
    """A set in a folder or on S3; sequences are numbered through its shards in order."""

    store: Store
    about: SetDescription
    checked: bool = True
    """Whether the SHA-256 of each file is compared before it is read: of a local file that stays as it is the first time, of one
    that is fetched from S3 every time."""
    _seen: dict[str, tuple[int, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return self.about.sequences

    def __iter__(self) -> Iterator[PackedSequence]:
        """All sequences in order. Raises RunError for a file that is missing or another than listed."""
        for shard in self.about.shards:
            yield from self.read(shard)

    def read(self, shard: SequenceShard) -> Iterator[PackedSequence]:
        """Sequences of one shard in order. Raises as ``__iter__``."""
        with self._files(shard) as paths:
            yield from (sequence for _, sequence in READERS[self.about.format](paths[0]))

    def at(self, number: int) -> tuple[str, PackedSequence]:
        """Key and sequence of that number, from 0. Raises UsageError where there are fewer."""
        left = number
        for shard in self.about.shards:
            if 0 <= left < shard.sequences:
                return self._nth(shard, left)
            left -= shard.sequences
        raise UsageError(f"{self.store.url} has {len(self):,} sequences, numbered from 0: there is no {number}")

    def _nth(self, shard: SequenceShard, number: int) -> tuple[str, PackedSequence]:
        with self._files(shard) as paths:
            for at, row in enumerate(READERS[self.about.format](paths[0])):
                if at == number:
                    return row
        raise RunError(f"{self.store.url}: shard {shard.name} has fewer sequences than {shard.sequences}")

    @contextmanager
    def _files(self, shard: SequenceShard) -> Iterator[list[Path]]:
        """As ``local_files``, of which files that were checked and have not been touched since are not read once more for it."""
        now = {} if self.store.remote else {f.path: _touched(Path(self.store.url, f.path)) for f in shard.files}
        known = bool(now) and all(self._seen.get(path) == state != () for path, state in now.items())
        with local_files(self.store, shard, self.checked and not known) as paths:
            self._seen.update(now)
            yield paths


def _touched(path: Path) -> tuple[int, ...]:
    """Changes whenever a file may have been written; () where there is none."""
    try:
        state = path.stat()
    except OSError:
        return ()
    return state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


@contextmanager
def local_files(store: Store, shard: SequenceShard, checked: bool = True) -> Iterator[list[Path]]:
    """The files of a shard in one folder, ``checked`` against their SHA-256; fetched to a temporary one from S3. Raises
    RunError."""
    if not store.remote:
        paths = [Path(store.url, file.path) for file in shard.files]
        if checked:
            _check(shard, paths)
        yield paths
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, file.path) for file in shard.files]
        for file, path in zip(shard.files, paths, strict=True):
            with path.open("wb") as out:
                for piece in store.stream(file.path, file.bytes):
                    out.write(piece)
        if checked:
            _check(shard, paths)
        yield paths


def _check(shard: SequenceShard, paths: list[Path]) -> None:
    for file, path in zip(shard.files, paths, strict=True):
        check_file(path, file)


def open_set(url: str, *, checked: bool = True) -> SequenceSet:
    """The set in a folder or s3:// prefix. Without ``checked`` files are read as they are: for a set that has been verified.

    Raises UsageError where there is none, and for formats that keep only tokens."""
    store = Store(url)
    about = description_of(store)
    if about.format not in READERS:
        raise UsageError(
            f"{url} is a set in the format {about.format.value}, which keeps tokens and losses alone; open it in another format: "
            f"{', '.join(READERS)}"
        )
    return SequenceSet(store, about, checked)
