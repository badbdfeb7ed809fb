"""Table and URL-list sources: JSONL, CSV or Parquet, one row an input. Rows are read on the workers, not on the driver."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, BinaryIO, ClassVar

from dataengine.config.sources import RowsSource, TableSource, UrlsSource
from dataengine.errors import InputError, UsageError
from dataengine.ingest.folder import bucket_of
from dataengine.ingest.folder_listing import shown
from dataengine.ingest.listing import folder_of, glob, is_pattern, part_name, relative
from dataengine.ingest.occurrence import Occurrence, sidecar, texts, unforeseen
from dataengine.ingest.parquet_rows import parquet_rows
from dataengine.ingest.reading import joined, local_path, opened, scheme_of
from dataengine.ingest.rows import Columns, Row, Skip, failed, listed
from dataengine.ingest.text_rows import csv_rows, json_rows
from dataengine.ingest.web_url import host_of
from dataengine.stage import Part
from dataengine.storage.workspace import digest
from dataengine.text.cleaning import Repairs
from dataengine.text.uris import without_secrets

_FORMATS: dict[str, Callable[[BinaryIO, str, bool, Skip], Iterator[Row]]] = {
    ".jsonl": json_rows,
    ".ndjson": json_rows,
    ".csv": csv_rows,
    ".parquet": parquet_rows,
}
#: Characters of a path or URL, and of the captions and metadata of all rows of a part.
_PATH, _HELD = 8192, 1 << 30
_UNKNOWN = 0xFFFF
_INDEXED = 1 << 24
"""Rows of a table whose buckets are remembered, at two bytes each."""


@dataclass(frozen=True)
class _Slice:
    path: str
    bucket: int


class _RowIndex:
    """Hash buckets of a table's rows, so that a worker parses each row once and again for its own part only."""

    def __init__(self) -> None:
        self._table, self._buckets = "", array("H")

    def skip(self, table: str, bucket: int) -> Skip:
        """Whether the row of a number is known to be in another bucket."""
        if table != self._table:
            self._table, self._buckets = table, array("H")
        known = self._buckets
        return lambda number: number < len(known) and known[number] not in (bucket, _UNKNOWN)

    def add(self, number: int, bucket: int) -> None:
        if len(self._buckets) <= number < _INDEXED:
            self._buckets.extend([_UNKNOWN] * (number + 1 - len(self._buckets)))
        if number < len(self._buckets):
            self._buckets[number] = bucket


@dataclass(frozen=True)
class RowsReader(ABC):
    """Reads tables; parts are hash buckets of each table's rows."""

    source: RowsSource
    _index: _RowIndex = field(default_factory=_RowIndex, init=False, repr=False, compare=False)
    column_required: ClassVar[bool] = True
    """Whether a table without the column of paths or URLs is a failure as a whole."""

    @abstractmethod
    def bucketed(self, media: str | None) -> str:
        """What decides a row's hash bucket within its table; "": its uri."""

    @abstractmethod
    def place(self, table: str, media: str) -> Occurrence:
        """An occurrence, without a uri yet, at a row's path or URL. Raises InputError for one that the recipe does not allow."""

    def parts(self) -> list[Part]:
        parts = []
        for entry in glob(self.source.path):
            name = shown(relative(self.source.path, entry.key))
            if PurePosixPath(name).suffix not in _FORMATS:
                raise UsageError(f"{entry.key} is not a table; known: {', '.join(_FORMATS)}")
            settings = self.source.model_dump(exclude={"path"})
            for b in range(self.source.buckets):
                key = digest(settings, name, entry.tag, entry.size, b)
                parts.append(Part(f"{part_name(self.source.name, name)}-{b:04d}", key, _Slice(entry.key, b)))
        return parts

    def occurrences(self, spec: _Slice) -> Iterator[Occurrence]:
        name, held = shown(relative(self.source.path, spec.path)), 0
        seen: dict[str, int] = defaultdict(int)
        occurrences = []
        for row in self._rows(spec.path, self._index.skip(spec.path, spec.bucket)):
            media = self.media(row)
            bucketed = self.bucketed(media)
            uri = "" if bucketed else _uri(name, row, media)
            bucket = bucket_of(bucketed or uri, self.source.buckets)
            self._index.add(row.number, bucket)
            if bucket != spec.bucket:
                continue
            uri = uri or _uri(name, row, media)
            seen[uri] += 1
            occurrence = self._occurrence(spec.path, name, row, media)
            held += sum(map(len, occurrence.captions)) + len(occurrence.meta or "")
            if held > _HELD:
                message = f"row {row.number} of {name}: more than {_HELD:,} characters in a part; use more `buckets`"
                occurrence = Occurrence("", error=InputError("too_many_bytes", message))
            occurrences.append(replace(occurrence, uri=f"{uri}#{seen[uri]}" if seen[uri] > 1 else uri))
        yield from sorted(occurrences, key=lambda i: i.uri)

    def media(self, row: Row) -> str | None:
        """What a row is named by: its path or URL, None where it has none."""
        return row.media if isinstance(row.media, str) and 0 < len(row.media) <= _PATH else None

    def _rows(self, table: str, skip: Skip) -> Iterator[Row]:
        try:
            within = (folder_of(self.source.path), *self._roots) if is_pattern(self.source.path) else ()
            with opened(table, within) as file:
                yield from _FORMATS[PurePosixPath(table).suffix](file, self.source.column, self.column_required, skip)
        except InputError as error:
            yield failed(0, error)
        except Exception as error:  # what a library raises for a table that it cannot read
            yield failed(0, unforeseen(error, "the table"))

    @property
    def _roots(self) -> tuple[str, ...]:
        return ()

    def _occurrence(self, table: str, name: str, row: Row, media: str | None) -> Occurrence:
        """A row's occurrence, without its uri; with an error where it cannot be used."""
        where = f"row {row.number} of {name}" if row.number else name
        try:
            return self.occurrence(table, media, *row.load())
        except InputError as error:
            return Occurrence("", error=InputError(error.failure, f"{where}: {error.message}"))
        except Exception as error:  # the one place that accounts for what a row can raise
            return Occurrence("", error=unforeseen(error, where))

    def occurrence(self, table: str, media: str | None, columns: Columns, repairs: Repairs) -> Occurrence:
        """The occurrence of a row that could be read. Raises InputError."""
        value = columns.pop(self.source.column, None)
        if media is None:
            raise _unnamed(self.source.column, value, columns)
        located = self.place(table, media)
        described = self.described(columns, repairs)
        return replace(described, location=located.location, within=located.within)

    def described(self, columns: Columns, repairs: Repairs) -> Occurrence:
        """Captions, licence and metadata of a row, from its columns without that of paths or URLs. Raises InputError."""
        captions = texts(self.source.caption, columns.pop(self.source.caption, None)) if self.source.caption else []
        side = sidecar(captions, columns, repairs, self.source.license_column or "license")
        if side.error:
            raise side.error
        return Occurrence("", "", side.captions, side.license or self.source.license, side.meta)


def _uri(table: str, row: Row, media: str | None) -> str:
    return f"{table}#{without_secrets(media) if media else f'row {row.number}' if row.number else ''}"


def _unnamed(column: str, value: Any, others: Columns) -> InputError:
    if isinstance(value, str) and value:
        return InputError("bad_row", f"a path or URL of {len(value):,} characters, limit {_PATH:,}")
    return InputError("bad_row", f"no path or URL in column `{column}`; its other columns: {listed(list(others))}")


@dataclass(frozen=True)
class TableReader(RowsReader):
    """Paths below the table's folder, URLs, and what ``roots`` allows; buckets by path or URL."""

    source: TableSource

    def bucketed(self, media: str | None) -> str:
        return ""

    def place(self, table: str, media: str) -> Occurrence:
        folder, scheme = table.rpartition("/")[0] or ".", scheme_of(media)
        if scheme in ("http", "https"):
            return Occurrence("", _lowered(media))
        if scheme not in ("", "file", "s3"):
            raise InputError("bad_url", f"{scheme}:// is not supported; use a path, s3:// or http(s)://")
        if scheme == "s3":
            location = joined(_lowered(media), "")
        elif scheme == "file":
            location = local_path(media)
        else:
            location = media if media.startswith("/") else joined(folder, media)
        return Occurrence("", location, within=(folder, *self._roots))

    @property
    def _roots(self) -> tuple[str, ...]:
        return tuple(self.source.roots)


@dataclass(frozen=True)
class UrlsReader(RowsReader):
    """URLs; buckets by host, so that per-host limits hold on a cluster, where one worker reads a part."""

    source: UrlsSource

    def bucketed(self, media: str | None) -> str:
        return host_of(media or "")

    def place(self, table: str, media: str) -> Occurrence:
        if scheme_of(media.lstrip()) not in ("http", "https"):
            raise InputError("bad_url", "not an http:// or https:// URL")
        return Occurrence("", _lowered(media.strip()))


def _lowered(url: str) -> str:
    """A URL with its scheme in lower case."""
    scheme, mark, rest = url.partition("://")
    return f"{scheme.lower()}{mark}{rest}"
