"""Folder source: every file that is not a sidecar is an input; hidden files are ignored."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dataengine.config.sources import FolderSource
from dataengine.errors import InputError, UsageError
from dataengine.ingest.occurrence import Occurrence, read_sidecars
from dataengine.ingest.reading import fetch
from dataengine.media.limits import Limits
from dataengine.stage import Part
from dataengine.storage.store import Store
from dataengine.storage.workspace import digest

_SIDECARS = (".txt", ".json")
_SIDECAR_LIMITS = Limits(bytes=16 << 20)


def bucket_of(uri: str, buckets: int) -> int:
    """Hash bucket of a uri, from 0."""
    return int.from_bytes(hashlib.sha256(uri.encode()).digest()[:8], "big") % buckets


def shown(name: str) -> str:
    """A file name as text: bytes that are not UTF-8 (Python keeps them as surrogates) are written ``\\xNN``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class _Media:
    name: str
    text: str | None
    json: str | None
    orphan: bool = False


@dataclass(frozen=True)
class FolderReader:
    """Reads a folder or prefix; parts are hash buckets of the files' relative paths."""

    source: FolderSource

    def parts(self) -> list[Part]:
        tags = dict(_listing(self.source.path))
        buckets: dict[int, list[_Media]] = defaultdict(list)
        for media in _pair(sorted(tags)):
            buckets[bucket_of(shown(media.name), self.source.buckets)].append(media)
        return [self._part(n, files, tags) for n, files in sorted(buckets.items())]

    def _part(self, bucket: int, files: list[_Media], tags: dict[str, str]) -> Part:
        facts = [(shown(m.name), [tags[f] for f in (m.name, m.text, m.json) if f]) for m in files]
        facts.append((self.source.license or "", list(self.source.roots)))
        return Part(f"{self.source.name}-{bucket:04d}", digest(facts), files)

    def occurrences(self, spec: list[_Media]) -> Iterator[Occurrence]:
        for media in spec:
            yield from self._occurrences(media)

    def _occurrences(self, media: _Media) -> Iterator[Occurrence]:
        """A media file, and a failure for each of its sidecars that cannot be used."""
        uri = shown(media.name)
        if media.orphan:
            yield Occurrence(uri, error=InputError("missing", "a sidecar without an image or video of the same name"))
            return
        text, facts = (self._sidecar(name) for name in (media.text, media.json))
        yield from (Occurrence(side.uri, error=side.error) for side in (text, facts) if side and side.error)
        side = read_sidecars(text.data if text else None, facts.data if facts else None)
        if side.error and facts:
            yield Occurrence(facts.uri, error=side.error)
        license_ = side.license or self.source.license
        yield Occurrence(uri, self._at(media.name), side.captions, license_, side.meta, within=self._within)

    def _sidecar(self, name: str | None) -> Occurrence | None:
        """A sidecar with its bytes, or why they cannot be read."""
        if name is None:
            return None
        try:
            data = fetch(self._at(name), _SIDECAR_LIMITS, self._within)
            return Occurrence(shown(name), data=data)
        except InputError as error:
            return Occurrence(shown(name), error=error)

    @property
    def _within(self) -> tuple[str, ...]:
        return (self.source.path, *self.source.roots)

    def _at(self, name: str) -> str:
        return f"{self.source.path.rstrip('/')}/{name}"


def _listing(path: str) -> Iterator[tuple[str, str]]:
    if "://" in path:
        objects = [(e.key, f"{e.size}:{e.tag}") for e in Store(path).list() if not _hidden(e.key)]
        if not objects:
            raise UsageError(f"{path} is empty or does not exist (hidden files do not count)")
        yield from objects
        return
    root = Path(path)
    if not root.is_dir():
        raise UsageError(f"folder {path} does not exist (relative paths start at {Path.cwd()})")
    empty = True
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith(".")]
        for name in files:
            full = Path(folder, name)
            relative = full.relative_to(root).as_posix()
            if not _hidden(relative):
                stat, empty = full.lstat(), False
                yield relative, f"{stat.st_size}:{stat.st_mtime_ns}"
    if empty:
        raise UsageError(f"folder {path} holds no files (hidden ones do not count)")


def _hidden(name: str) -> bool:
    return any(p.startswith(".") for p in PurePosixPath(name).parts)


def _pair(names: list[str]) -> Iterator[_Media]:
    """Each media file with its sidecars (``a.txt``, ``a.jpg.txt`` or ``a.info.txt`` for ``a.jpg``), then the sidecars without
    media."""
    existing = set(names)
    used: set[str] = set()
    for name in names:
        if name.lower().endswith(_SIDECARS):
            continue
        stem = str(PurePosixPath(name).with_suffix(""))
        sidecars = {
            s: next((c for c in (f"{stem}{s}", f"{name}{s}", f"{stem}.info{s}") if c in existing), None)
            for s in _SIDECARS
        }
        used.update(s for s in sidecars.values() if s)
        yield _Media(name, sidecars[".txt"], sidecars[".json"])
    for name in names:
        if name.lower().endswith(_SIDECARS) and name not in used:
            yield _Media(name, None, None, orphan=True)
