"""Table and URL-list sources: JSONL, CSV or Parquet, one row an input. Rows are read on the workers, not on the driver."""

from __future__ import annotations

import csv
import io
import json
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.config.sources import RowsSource, TableSource, UrlsSource
from dataengine.errors import InputError, UsageError
from dataengine.ingest.download import host_of
from dataengine.ingest.folder import bucket_of
from dataengine.ingest.listing import glob, part_name, relative
from dataengine.ingest.occurrence import Occurrence, fetch, sidecar
from dataengine.media.limits import Limits
from dataengine.stage import Part
from dataengine.storage.workspace import digest

_FORMATS = (".jsonl", ".ndjson", ".csv", ".parquet")
_TABLE_LIMITS = Limits(bytes=8 << 30)


@dataclass(frozen=True)
class _Slice:
    path: str
    bucket: int


@dataclass(frozen=True)
class RowsReader(ABC):
    """Reads tables; parts are hash buckets of each table's rows."""

    source: RowsSource

    @abstractmethod
    def bucket(self, occurrence: Occurrence) -> int:
        """Hash bucket of an occurrence within its table."""

    @abstractmethod
    def location(self, table: str, media: str) -> str:
        """Path or URL of a row's ``media``. Raises InputError."""

    def parts(self) -> list[Part]:
        parts = []
        for entry in glob(self.source.path):
            name = relative(self.source.path, entry.key)
            if PurePosixPath(name).suffix not in _FORMATS:
                raise UsageError(f"{entry.key} is not a table; known: {', '.join(_FORMATS)}")
            settings = self.source.model_dump(exclude={"path"})
            for b in range(self.source.buckets):
                key = digest(settings, name, entry.tag, entry.size, b)
                parts.append(Part(f"{part_name(self.source.name, name)}-{b:04d}", key, _Slice(entry.key, b)))
        return parts

    def occurrences(self, spec: _Slice) -> Iterator[Occurrence]:
        seen: dict[str, int] = defaultdict(int)
        occurrences = []
        for row, value in _rows(spec.path):
            occurrence = self._occurrence(spec.path, row, value)
            if self.bucket(occurrence) != spec.bucket:
                continue
            seen[occurrence.uri] += 1
            again = f"#{seen[occurrence.uri]}" if seen[occurrence.uri] > 1 else ""
            occurrences.append(Occurrence(**{**occurrence.__dict__, "uri": occurrence.uri + again}))
        yield from sorted(occurrences, key=lambda i: i.uri)

    def _occurrence(self, table: str, row: int, value: dict[str, Any] | str) -> Occurrence:
        name = relative(self.source.path, table)
        if isinstance(value, str):
            return Occurrence(f"{name}#row {row}", error=InputError("bad_row", f"row {row} of {name}: {value}"))
        media = value.pop(self.source.column, None)
        if not isinstance(media, str) or not media:
            message = f"row {row} of {name} has no path or URL in column `{self.source.column}`; its columns: {', '.join(value)}"
            return Occurrence(f"{name}#row {row}", error=InputError("bad_row", message))
        captions = value.pop(self.source.caption, None) if self.source.caption else None
        texts = [str(c) for c in (captions if isinstance(captions, list) else [captions]) if c is not None]
        side = sidecar(texts, value, self.source.license_column or "license")
        license_ = side.license or self.source.license
        return Occurrence(f"{name}#{media}", self.location(table, media), side.captions, license_, side.meta)


@dataclass(frozen=True)
class TableReader(RowsReader):
    """Paths relative to the table, or URLs; buckets by path or URL."""

    source: TableSource

    def bucket(self, occurrence: Occurrence) -> int:
        return bucket_of(occurrence.uri, self.source.buckets)

    def location(self, table: str, media: str) -> str:
        if "://" in media or media.startswith("/"):
            return media
        return f"{table.rpartition('/')[0] or '.'}/{media}"


@dataclass(frozen=True)
class UrlsReader(RowsReader):
    """URLs; buckets by host, so that per-host limits hold on a cluster, where one worker reads a part."""

    source: UrlsSource

    def bucket(self, occurrence: Occurrence) -> int:
        return bucket_of(host_of(occurrence.location) or occurrence.uri, self.source.buckets)

    def location(self, table: str, media: str) -> str:
        return media


def _rows(path: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """``(row number from 1, row or why it cannot be read)``."""
    data = fetch(path, _TABLE_LIMITS)
    if path.endswith(".parquet"):
        table = pq.ParquetFile(io.BytesIO(data))
        rows = (row for batch in table.iter_batches(8192) for row in pa.Table.from_batches([batch]).to_pylist())
        yield from enumerate(rows, 1)
    elif path.endswith(".csv"):
        yield from enumerate(csv.DictReader(io.StringIO(data.decode("utf-8-sig", "replace"), newline="")), 1)
    else:
        for number, line in enumerate(data.splitlines(), 1):
            if line.strip():
                yield number, _json_row(line)


def _json_row(line: bytes) -> dict[str, Any] | str:
    try:
        row = json.loads(line)
    except ValueError as error:
        return f"not JSON: {error}"
    return row if isinstance(row, dict) else "not a JSON object"
