"""Tars of the recipe's own release, before it is published, and of finished releases: what sequences are made from."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from dataengine import contracts
from dataengine.errors import RunError, UsageError
from dataengine.sequence.segments import Inputs
from dataengine.stage import Run
from dataengine.storage.release_folder import ReleaseFolder
from dataengine.storage.store import Store
from dataengine.storage.workspace import File

#: Files of a ledger.
_LEDGER = re.compile(r"ledger(/[0-9a-f]+)?\.parquet")
#: Stands for the recipe's own release.
OWN = ""


@dataclass(frozen=True)
class Tar:
    """A tar of samples (``shards/…``) or records (``cot/…``). ``keys``: where it may lie, the first that is there counts."""

    url: str
    keys: tuple[str, ...]
    sha256: str
    bytes: int

    @property
    def name(self) -> str:
        return self.keys[-1].rpartition("/")[2].removesuffix(".tar")

    def key(self, store: Store) -> str:
        """The key under which it lies. Raises RunError where it does not."""
        for key in self.keys:
            if store.exists(key):
                return key
        raise RunError(f"{store.uri(self.keys[-1])} does not exist: run the recipe again, or copy the release again")

    @contextmanager
    def local(self) -> Iterator[Path]:
        """The tar as a local file, its checksum checked. Raises RunError."""
        store = Store(self.url)
        key = self.key(store)
        if not store.remote:
            path = Path(store.url, key)
            with path.open("rb") as file:
                self._check(store.uri(key), hashlib.file_digest(file, "sha256").hexdigest())
            yield path
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "shard.tar")
            with path.open("wb") as out:
                for chunk in store.stream(key, self.bytes):
                    out.write(chunk)
            with path.open("rb") as file:
                self._check(store.uri(key), hashlib.file_digest(file, "sha256").hexdigest())
            yield path

    def _check(self, uri: str, sha256: str) -> None:
        if sha256 != self.sha256:
            raise RunError(f"checksum mismatch reading {uri}: got {sha256}, expected {self.sha256}; copy it again")


class _Shard(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(pattern=r"^[^/\\\x00]+$")]
    split: str
    sha256: str
    bytes: int


class _Cot(msgspec.Struct):
    shards: list[_Shard] = []


class _Tokenizer(msgspec.Struct):
    id: str
    codebook_sizes: list[int]


class _File(msgspec.Struct):
    path: str
    sha256: str
    bytes: int


class _Manifest(msgspec.Struct):
    schema_version: str
    name: str
    shards: list[_Shard]
    cot: _Cot
    tokenizer: _Tokenizer | None
    files: list[_File] = []


@dataclass(frozen=True)
class Release:
    """What sequences need to know of a release: its tars by split, and the tokenizer of its codes ("" and () without)."""

    name: str
    samples: dict[str, list[Tar]]
    records: dict[str, list[Tar]]
    tokenizer: str
    codebook_sizes: tuple[int, ...]
    inputs: Inputs

    def tars(self, kind: str, split: str) -> list[Tar]:
        """Of ``samples`` or ``records``. Raises UsageError for a split that there is not."""
        by_split = self.samples if kind == "samples" else self.records
        if split not in self.samples:
            raise UsageError(
                f"sequence: release {self.name} has no split `{split}`, but {', '.join(sorted(self.samples))}"
            )
        return by_split.get(split, [])


def own_release(run: Run) -> Release:
    """The recipe's own release, from the commits of its stages."""
    folder = ReleaseFolder(run.workspace.store, run.recipe.name)

    def tars(stage: str) -> dict[str, list[Tar]]:
        out: dict[str, list[Tar]] = {}
        if stage in run.records:
            for _, part in sorted(run.records[stage].parts.items()):
                if file := part.files.get("tar"):
                    tar = Tar(run.workspace.store.url, (folder.staged(file.key), file.key), file.sha256, file.bytes)
                    out.setdefault(part.facts["split"], []).append(tar)
        return out

    facts = run.records["tokenize.fit"].parts["all"].facts if "tokenize.fit" in run.records else None
    sizes = tuple(facts["codebook_sizes"]) if facts else ()
    tokenizer = facts["id"] if facts else ""
    return Release(run.recipe.name, tars("shard.write"), tars("cot.write"), tokenizer, sizes, _own_inputs(run))


def _own_inputs(run: Run) -> Inputs:
    def files(stage: str, role: str) -> tuple[File, ...]:
        return tuple(run.records[stage].files(role)) if stage in run.records else ()

    return Inputs(run.workspace.store.url, samples=files("ingest", "samples"), groups=files("dedup", "groups"))


def other_release(url: str) -> Release:
    """A finished release. Raises UsageError where there is none of this version."""
    store = Store(url)
    try:
        manifest = msgspec.json.decode(store.get("manifest.json"), type=_Manifest)
    except FileNotFoundError:
        raise UsageError(f"sequence: {url} holds no release (there is no manifest.json)") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"sequence: {url}/manifest.json is not the manifest of a release: {error}") from None
    if manifest.schema_version != contracts.VERSION:
        raise UsageError(
            f"sequence: {url} has schema_version {manifest.schema_version}, this dataengine reads {contracts.VERSION}"
        )

    def tars(folder: str, shards: Sequence[_Shard]) -> dict[str, list[Tar]]:
        out: dict[str, list[Tar]] = {}
        for shard in sorted(shards, key=lambda s: s.name):
            out.setdefault(shard.split, []).append(
                Tar(store.url, (f"{folder}/{shard.name}.tar",), shard.sha256, shard.bytes)
            )
        return out

    made_by = manifest.tokenizer
    return Release(
        manifest.name,
        tars("shards", manifest.shards),
        tars("cot", manifest.cot.shards),
        made_by.id if made_by else "",
        tuple(made_by.codebook_sizes) if made_by else (),
        Inputs(
            store.url,
            ledger=tuple(File(f.path, f.sha256, f.bytes, 1) for f in manifest.files if _LEDGER.fullmatch(f.path)),
        ),
    )
