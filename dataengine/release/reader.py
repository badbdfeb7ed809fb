"""Reads a finished release from a folder or S3; every tar is checked against its checksum before a member of it is used."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from dataengine import contracts
from dataengine.errors import RunError, UsageError
from dataengine.release.ledger import is_ledger
from dataengine.release.manifest import Manifest
from dataengine.shards.read import Sample, read_members, read_shard
from dataengine.shards.sample import SampleMetadata
from dataengine.storage.store import Store
from dataengine.storage.tar import BLOCK, member_size
from dataengine.storage.workspace import File, Workspace

_AT_ONCE = 16 << 20
_METADATA = msgspec.json.Decoder(SampleMetadata)


class _Version(msgspec.Struct):
    schema_version: str


@dataclass(frozen=True)
class Tar:
    """One tar of a release; ``entries`` are its samples or records."""

    path: str
    sha256: str
    bytes: int
    entries: int


@dataclass(frozen=True)
class Place:
    """Where the members of a sample lie: its tar, and ``(offset, bytes)`` by extension; ``metadata`` is its ``.json``."""

    path: str
    members: dict[str, tuple[int, int]]
    metadata: SampleMetadata


@dataclass(frozen=True)
class Published:
    """A finished release: its store and manifest."""

    store: Store
    manifest: Manifest

    @property
    def splits(self) -> list[str]:
        return sorted({shard.split for shard in self.manifest.shards})

    def inputs(self, where: Callable[[pa.Table], Any]) -> pa.Table:
        """Rows of the ledger for which ``where`` is true; other rows are not held. Raises as ``Store.get``."""
        listed = sorted(file.path for file in self.manifest.files if is_ledger(file.path))
        tables = Workspace(self.store.url).batches([File(path, "", 0, 1) for path in listed], contracts.LEDGER)
        return pa.concat_tables([contracts.LEDGER.empty_table(), *(table.filter(where(table)) for table in tables)])

    def shards(self, split: str) -> list[Tar]:
        """Shards of samples, by name."""
        shards = sorted(shard for shard in self.manifest.shards if shard.split == split)
        return [Tar(f"shards/{s.name}.tar", s.sha256, s.bytes, s.samples) for s in shards]

    def cot(self, split: str) -> list[Tar]:
        """Shards of chain-of-thought records, by name."""
        shards = sorted(shard for shard in self.manifest.cot.shards if shard.split == split)
        return [Tar(f"cot/{s.name}.tar", s.sha256, s.bytes, s.records) for s in shards]

    def read(self, tar: Tar) -> Iterator[Sample]:
        """``(key, {extension: bytes})`` of each entry. Raises RunError for a tar that is missing or has another
        checksum than listed."""
        with self.local(tar) as path:
            yield from read_shard(path)

    def cot_places(self, splits: Collection[str], parents: Callable[[bytes], Iterable[str]]) -> dict[str, Place]:
        """Places of all samples that the CoT records of these splits are about, in one pass over all shards. ``parents`` reads
        them from a record's JSON."""
        records = (members for split in splits for tar in self.cot(split) for _, members in self.read(tar))
        ids = {parent for members in records for parent in parents(members.get("json", b""))}
        return self.locate([tar for split in self.splits for tar in self.shards(split)], ids)

    def locate(self, tars: Collection[Tar], wanted: Collection[str]) -> dict[str, Place]:
        """Places of the samples with these ids. Raises RunError as ``read``, for a sample that is in none of the tars, and for
        one whose ``.json`` is not as this version writes it."""
        places: dict[str, Place] = {}
        for tar in tars:
            for key, members, data in self._members(tar, wanted):
                try:
                    places[key] = Place(tar.path, members, _METADATA.decode(data))
                except (ValueError, RecursionError) as error:
                    raise RunError(f"{self.store.uri(tar.path)}: {key}.json: {error}") from None
        if missing := sorted(set(wanted) - places.keys()):
            raise RunError(f"{self.store.url}: sample {missing[0]} is in no shard")
        return places

    def _members(self, tar: Tar, wanted: Collection[str]) -> Iterator[tuple[str, dict[str, tuple[int, int]], bytes]]:
        """Of each wanted sample in a tar ``(offset, bytes)`` by extension, and its ``.json``."""
        members: dict[str, dict[str, tuple[int, int]]] = {}
        metadata: dict[str, bytes] = {}
        offset = 0
        with self.local(tar) as path:
            for name, data in read_members(path):
                key, _, ext = name.partition(".")
                if key in wanted:
                    members.setdefault(key, {})[ext] = (offset + BLOCK, len(data))
                    metadata |= {key: data} if ext == "json" else {}
                offset += member_size(len(data))
        for key, extents in members.items():
            yield key, extents, metadata.get(key, b"")

    def member(self, place: Place, ext: str) -> bytes:
        """Bytes of one member of a sample."""
        return self.store.get_range(place.path, *place.members[ext])

    @contextmanager
    def local(self, tar: Tar) -> Iterator[Path]:
        """The tar as a local file, its checksum checked; fetched to a temporary file from S3. Raises RunError."""
        if not self.store.remote:
            path = Path(self.store.url, tar.path)
            if not path.is_file():
                raise RunError(f"{path} is in the manifest, but does not exist")
            with path.open("rb") as file:
                self._check(tar, hashlib.file_digest(file, "sha256").hexdigest())
            yield path
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "shard.tar")
            self._check(tar, self._fetch(tar, path))
            yield path

    def _fetch(self, tar: Tar, path: Path) -> str:
        digest = hashlib.sha256()
        with path.open("wb") as file:
            for start in range(0, tar.bytes, _AT_ONCE):
                data = self.store.get_range(tar.path, start, min(_AT_ONCE, tar.bytes - start))
                digest.update(data)
                file.write(data)
        return digest.hexdigest()

    def _check(self, tar: Tar, sha256: str) -> None:
        if sha256 != tar.sha256:
            raise RunError(
                f"checksum mismatch reading {self.store.uri(tar.path)}: got {sha256}, expected {tar.sha256}; copy it again"
            )


def open_release(url: str) -> Published:
    """Raises UsageError where there is no finished release, RunError for a manifest that is damaged or of another version."""
    store, data = manifest_of(url)
    try:
        return Published(store, Manifest.from_bytes(data))
    except ValueError as error:
        raise RunError(
            f"{store.uri('manifest.json')} is not the manifest of a release: {error}; `dataengine verify` tells the rest"
        ) from None


def manifest_of(url: str) -> tuple[Store, bytes]:
    """The release's store, and its manifest of this version, not decoded. Raises as ``open_release``."""
    store = Store(url)
    if not store.remote and not Path(store.url).is_dir():
        raise UsageError(f"{url}: no such folder; a release is the folder WORKSPACE/releases/NAME")
    try:
        data = store.get("manifest.json")
        version = msgspec.json.decode(data, type=_Version).schema_version
    except FileNotFoundError:
        raise UsageError(_unfinished(store)) from None
    except msgspec.ValidationError as error:
        raise RunError(f"{store.uri('manifest.json')} is not the manifest of a release: {error}") from None
    except (ValueError, RecursionError) as error:
        raise RunError(f"{store.uri('manifest.json')} is damaged: {error}") from None
    if version != contracts.VERSION:
        raise RunError(
            f"{store.uri('manifest.json')}: schema_version is {version}, this dataengine reads {contracts.VERSION}; use the "
            "version that made the release, or a newer one"
        )
    return store, data


def _unfinished(store: Store) -> str:
    keys = [entry.key for entry in store.list()]
    names = sorted({key.split("/")[1] for key in keys if key.startswith("releases/") and key.count("/") > 1})
    if names:
        return f"{store.url} is a workspace; its releases are {', '.join(f'{store.url}/releases/{n}' for n in names)}"
    if any(key.endswith(".tar") for key in keys):
        return (
            f"{store.url} has shards, but no manifest.json: the run is not finished; run `dataengine run RECIPE` again"
        )
    return f"{store.url} holds no release (there is no manifest.json)"
