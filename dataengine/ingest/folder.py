"""Folder source: every file that is not a sidecar is an input; hidden files are ignored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from dataengine.config.sources import MOST_BUCKETS, FolderSource
from dataengine.errors import InputError, UsageError
from dataengine.ingest.folder_listing import Media, MediaCount, listing, paired, shown, size_of
from dataengine.ingest.occurrence import Occurrence, read_sidecars
from dataengine.ingest.reading import fetch
from dataengine.ingest.spooled_rows import Spool, SpooledRows
from dataengine.media.limits import Limits
from dataengine.stage import Part
from dataengine.storage.workspace import digest

_SIDECAR_LIMITS = Limits(bytes=16 << 20)
_FEWEST_BUCKETS, _STEP, _PART_FILES = 16, 4, 2048
"""``auto`` takes the fewest buckets, or four times as many, or four times those, until a part has at most so many files: steps
so large that a growing folder, which is read again at each of them, seldom takes one."""


def bucket_of(uri: str, buckets: int) -> int:
    """Hash bucket of a uri, from 0."""
    return int.from_bytes(hashlib.sha256(uri.encode()).digest()[:8], "big") % buckets


def buckets_for(files: int) -> int:
    """The number of parts for so many media files."""
    count = _FEWEST_BUCKETS
    while count < MOST_BUCKETS and files > count * _PART_FILES:
        count *= _STEP
    return count


@dataclass(frozen=True)
class FolderReader:
    """Reads a folder or prefix; parts are hash buckets of the files' relative paths."""

    source: FolderSource

    def parts(self) -> list[Part]:
        """Memory grows with the largest part: the listing itself is on disk. Raises UsageError where no file is left."""
        buckets, selection = Spool(), self.source.selection
        files = MediaCount(listing(self.source.path, selection), selection)
        for media in paired(files, selection):
            count = buckets_for(files.media) if self.source.buckets == "auto" else self.source.buckets
            buckets.add(bucket_of(shown(media.name), count), media.row)
        parts = [self._part(n, rows) for n, rows in buckets.bins()]
        if not parts:
            field = "include" if self.source.include else "exclude"
            raise UsageError(f"{field}: the patterns leave no file of {self.source.path}")
        return parts

    def _part(self, bucket: int, rows: SpooledRows) -> Part:
        facts: list[Any] = [(shown(media.name), media.tags) for media in _ordered(rows)]
        load = sum(map(size_of, (tag for _, tags in facts for tag in tags)))
        captions = [self.source.captions] if self.source.captions != "lines" else []
        facts.append((self.source.license or "", list(self.source.roots), *captions))
        return Part(f"{self.source.name}-{bucket:04d}", digest(facts), rows, load)

    def occurrences(self, spec: Iterable[list[Any]]) -> Iterator[Occurrence]:
        for media in _ordered(spec):
            yield from self._occurrences(media)

    def _occurrences(self, media: Media) -> Iterator[Occurrence]:
        """A media file, and a failure for each of its sidecars that cannot be used."""
        uri = shown(media.name)
        if uri.endswith("/"):
            yield Occurrence(uri, error=InputError("unreadable", f"the folder cannot be listed: {media.tags[0]}"))
            return
        if media.orphan:
            yield Occurrence(uri, error=InputError("missing", "a sidecar without an image or video of the same name"))
            return
        text, facts = (self._sidecar(name) for name in (media.text, media.json))
        yield from (Occurrence(side.uri, error=side.error) for side in (text, facts) if side and side.error)
        side = read_sidecars(text.data if text else None, facts.data if facts else None, self.source.captions)
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


def _ordered(rows: Iterable[list[Any]]) -> list[Media]:
    """Media by name, then sidecars without any."""
    return sorted((Media(*row) for row in rows), key=lambda media: (media.orphan, media.name))
