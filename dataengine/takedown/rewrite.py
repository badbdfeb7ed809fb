"""Writes a release that continues another, without what was taken down: only files that had some of it are others.

Files are created at the new place, the manifest last, so a call that was killed is repeated and gives the same bytes. Untouched
files are copied where they lie: links in a folder, copies by the server on S3.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dataengine.errors import RunError
from dataengine.release.index_stages import MANIFEST as INDEX
from dataengine.release.manifest_sections import RecordShard, ReleaseFile
from dataengine.release.publish import MANIFEST, of_reader
from dataengine.release.reader import Published, Tar, open_release
from dataengine.shards.json_types import known
from dataengine.shards.manifest import Shard
from dataengine.shards.read import read_members
from dataengine.storage.multipart import create_large
from dataengine.storage.store import Store
from dataengine.storage.tar import write_tar
from dataengine.takedown import described, released_index, released_tables, sequence_sets
from dataengine.takedown.effects import Effects
from dataengine.takedown.needles import Needles

_PARALLEL = 8
_LARGEST_COPY = 5 << 30
Progress = Callable[[int, int], None]


@dataclass
class Written:
    """``files`` of the new release by what became of them: carried, changed, removed; ``already``: it was there before."""

    url: str
    carried: int = 0
    changed: int = 0
    removed: int = 0
    already: bool = False
    dropped: list[str] = field(default_factory=list)
    """Files that the new release has no longer because nobody can tell what of them is left: pictures in pages."""


def require_free(release: Published, to: str, effects: Effects) -> None:
    """Raises RunError where another release, or anything else, is at ``to``."""
    store = Store(to)
    finished(release, store, effects.ids)
    paths = {"deltas.parquet", MANIFEST, *described.FROM_MANIFEST, *(file.path for file in release.manifest.files)}
    strays = sorted(e.key for e in store.list() if e.key not in paths and not of_reader(e.key))
    if strays:
        raise RunError(
            f"{store.uri(strays[0])} would be no file of the new release ({len(strays):,} such objects): name an empty place "
            "with --to"
        )


def rewrite(release: Published, to: str, version: str, effects: Effects, progress: Progress) -> Written:
    """Write it, unless it is there. Raises as ``require_free``."""
    if finished(release, Store(to), effects.ids):
        return Written(to, already=True)
    return _Writer(release, Store(to), effects).write(_digest(release), version, progress)


def _digest(release: Published) -> str:
    return hashlib.sha256(release.store.get(MANIFEST)).hexdigest()


def finished(release: Published, to: Store, ids: frozenset[str]) -> bool:
    """Whether an earlier call has finished: what is there continues this release, without these samples and no others. Raises
    RunError for another release."""
    if not to.exists(MANIFEST):
        return False
    there = open_release(to.url)
    deltas = known(there.manifest.deltas, None)
    if deltas is None or deltas.continues.manifest != _digest(release):
        raise RunError(f"{to.url} holds another release: name another place with --to")
    if released_tables.ids_taken_down(there) - released_tables.ids_taken_down(release) != released_tables.ids_named(
        release, ids
    ):
        raise RunError(
            f"{to.url} is {release.store.url} without other samples: take these down from {to.url}, so that both are gone, or "
            "name another place with --to"
        )
    return True


@dataclass
class _Writer:
    release: Published
    to: Store
    effects: Effects
    written: dict[str, ReleaseFile] = field(default_factory=dict)
    contents: described.Contents = field(default_factory=described.Contents)
    places: dict[str, tuple[int, int]] = field(default_factory=dict)

    def write(self, digest: str, version: str, progress: Progress) -> Written:
        old = {file.path: file for file in self.release.manifest.files}
        progress(0, len(old))
        gone = set(self._shards()) | set(self._cot())
        tables = released_tables.rewrite(self.release, self.effects, self.put)
        sets = sequence_sets.rewrite(self.release, self.effects, self.put)
        if INDEX in old and (self.effects.ids or self.places):
            _, self.contents.vectors = released_index.rewrite(self.release, self.effects.ids, self.places, self.put)
        gone |= sets.replaced - self.written.keys()
        gone |= {path for path in old if path.startswith("deltas") and path not in self.written}
        others = {*self.written, *gone, *described.FROM_MANIFEST}
        rest = [file for path, file in sorted(old.items()) if path not in others]
        dropped = self._carry(rest, progress, len(old))
        files = [*self.written.values(), *(f for f in rest if f.path not in dropped)]
        self.contents.files = [file for file in files if file.path not in described.FROM_MANIFEST]
        manifest = described.manifest_of(self.release, digest, version, self.effects, self.contents, tables, sets)
        data = described.write_described(manifest, described.new_ledger(self.release, self.to.url), self.put)
        self.to.delete(sorted(gone | dropped))  # of a call for other samples that was killed here
        self.to.put(MANIFEST, data)
        changed = sum(path in old and old[path].sha256 != file.sha256 for path, file in self.written.items())
        return Written(self.to.url, len(rest) - len(dropped), changed, len(gone), False, sorted(dropped))

    def put(self, path: str, data: bytes | Path) -> ReleaseFile:
        """Write a file of the new release."""
        sha256 = self.to.put(path, data)
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        self.written[path] = ReleaseFile(path, sha256, size)
        return self.written[path]

    def _shards(self) -> Iterator[str]:
        """Write the shards that lose samples; paths of those that lose all."""
        tars = {tar.path: tar for split in self.release.splits for tar in self.release.shards(split)}
        for shard in self.release.manifest.shards:
            lost = self.effects.shards.get(shard.name, set())
            path = f"shards/{shard.name}.tar"
            if not lost:
                self.contents.shards.append(shard)
            elif len(lost) == shard.samples:
                self.contents.tokens += self._tokens(tars[path], lost)
                yield path
            else:
                self.contents.tokens += self._tokens(tars[path], lost)
                file = self._without(tars[path], lost, placed=True)
                fields = (shard.name, shard.split, shard.family, file.sha256, file.bytes, shard.samples - len(lost))
                self.contents.shards.append(Shard(*fields))

    def _cot(self) -> Iterator[str]:
        """As ``_shards``, of records."""
        for shard in self.release.manifest.cot.shards:
            lost = self.effects.records.get(shard.name, set())
            path = f"cot/{shard.name}.tar"
            if not lost:
                self.contents.cot.append(shard)
            elif len(lost) == shard.records:
                yield path
            else:
                file = self._without(Tar(path, shard.sha256, shard.bytes, shard.records), lost)
                fields = (shard.name, shard.split, shard.family, file.sha256, file.bytes, shard.records - len(lost))
                self.contents.cot.append(RecordShard(*fields))

    def _without(self, tar: Tar, keys: set[str], placed: bool = False) -> ReleaseFile:
        """Write a tar again without the members of these keys, others byte for byte."""
        with tempfile.TemporaryDirectory() as folder, self.release.local(tar) as whole:
            rest = Path(folder, "rest.tar")
            with rest.open("wb") as out:
                write_tar(out, (m for m in read_members(whole) if m[0].partition(".")[0] not in keys))
            if placed:
                self.places |= released_index.places_in(rest)
            return self.put(tar.path, rest)

    def _tokens(self, tar: Tar, keys: set[str]) -> int:
        """Visual tokens of these samples."""
        with self.release.local(tar) as path:
            codes = (data for name, data in read_members(path) if name.endswith(".codes.npy") and name[:32] in keys)
            return sum(len(np.load(io.BytesIO(data), allow_pickle=False)) for data in codes)

    def _carry(self, files: list[ReleaseFile], progress: Progress, total: int) -> set[str]:
        """Copy untouched files; paths of those that are left out: pages with pictures, and files of others that name a sample."""
        needles = Needles(self.effects.ids)

        def carry(file: ReleaseFile) -> str:
            if _is_page(file.path) or (not _checked(file.path) and needles.in_bytes(self.release.store.get(file.path))):
                return file.path
            carried(self.release.store, self.to, file)
            return ""

        dropped = set[str]()
        with ThreadPoolExecutor(_PARALLEL) as pool:
            for number, path in enumerate(pool.map(carry, files)):
                dropped |= {path} if path else set()
                progress(total - len(files) + number + 1, total)
        return dropped


def _is_page(path: str) -> bool:
    return path.endswith((".html", ".jpg", ".png"))


def _checked(path: str) -> bool:
    """Whether all that can name a sample in such a file was looked at when the effects were found."""
    return path.startswith(("shards/", "cot/", "sequences/", "index/")) or path == "lock.yaml"


def carried(source: Store, to: Store, file: ReleaseFile) -> None:
    """Copy a file of a release to another place, where it lies if both are on one disk or in one bucket. Raises RunError."""
    if not source.remote and not to.remote:
        target = Path(to.url, file.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        with suppress(OSError):  # another disk, or one without links
            os.link(Path(source.url, file.path), target)
            return
    bucket = _bucket(source.url)
    if bucket and bucket == _bucket(to.url) and file.bytes <= _LARGEST_COPY:
        root = Store(bucket)
        root.copy(*(f"{url.removeprefix(bucket).strip('/')}/{file.path}".lstrip("/") for url in (source.url, to.url)))
        return
    to.delete([file.path])
    try:
        create_large(to, file.path, source.stream(file.path, file.bytes), file.bytes, file.sha256)
    except FileNotFoundError:
        raise RunError(
            f"{source.uri(file.path)} is in the manifest, but does not exist: restore it, and rerun"
        ) from None


def _bucket(url: str) -> str:
    return "/".join(url.split("/")[:3]) if url.startswith("s3://") else ""


def counts(written: Written) -> Mapping[str, int]:
    """For a table."""
    return {"carried over": written.carried, "changed": written.changed, "removed": written.removed}
