"""What a run would read, before it runs: files, bytes, columns and example captions by source, and what would be trained.

Folders are listed whole. Of tables and tars the first file is opened, and the number of inputs of others is estimated from it, so
``exact`` is False. Nothing is decoded, nothing written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from dataengine.browse.look_at_data import TABLES, first_rows, kind_of
from dataengine.config.partitions import at, is_partitioned
from dataengine.config.recipe import Recipe
from dataengine.config.sources import (
    FolderSource,
    PluginSource,
    RowsSource,
    Source,
    TableSource,
    UrlsSource,
    WebDatasetSource,
)
from dataengine.errors import InputError, PartitionError
from dataengine.ingest import tar_index
from dataengine.ingest.folder_listing import Media, listing, paired, size_of
from dataengine.ingest.listing import folder_of, glob
from dataengine.ingest.occurrence import read_sidecars, texts
from dataengine.ingest.reading import fetch, opened
from dataengine.media.limits import Limits
from dataengine.storage.store import Entry

#: Captions that are shown of a source, bytes of a sidecar and of a table that are read, members of a tar that are looked at.
_CAPTIONS, _SIDECAR, _TABLE, _MEMBERS = 3, 1 << 20, 1 << 20, 2000


@dataclass(frozen=True)
class Seen:
    """What a source holds. ``files``: media files, tables or tars; ``bytes``: of these, without sidecars; ``media_bytes``: of the
    media, None where that is not known; ``pictures`` and ``videos`` by name; ``others``: inputs of no known kind; ``captioned``:
    inputs with a caption or sidecar, None where that is not known."""

    name: str
    type: str
    path: str
    files: int = 0
    bytes: int = 0
    media_bytes: int | None = 0
    pictures: int = 0
    videos: int = 0
    others: int = 0
    captioned: int | None = 0
    exact: bool = True
    columns: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()

    @property
    def inputs(self) -> int:
        return self.pictures + self.videos + self.others


def preview(recipe: Recipe) -> list[Seen]:
    """Each source of a recipe that ``pipeline.stages`` has validated; of partitioned ones the partitions that the run names."""
    sources: list[Source] = []
    for source in recipe.sources:
        partitioned = is_partitioned(source.path)
        sources += [at(source, one) for one in recipe.partitions] if partitioned else [source]
    return [_seen(source) for source in sources]


def _seen(source: Source) -> Seen:
    if isinstance(source, FolderSource):
        return _folder(source)
    if isinstance(source, PluginSource):  # what it holds, only its plugin can tell
        return Seen(source.name, source.type, source.path, media_bytes=None, captioned=None, exact=False)
    return _tars(source) if isinstance(source, WebDatasetSource) else _tables(source)


@dataclass
class _Tally:
    kinds: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    captioned: int = 0

    def of(self, kind: str) -> int:
        return self.kinds[kind]

    @property
    def others(self) -> int:
        return self.kinds.total() - self.kinds["image"] - self.kinds["video"]


def _folder(source: FolderSource) -> Seen:
    tally, captions = _Tally(), list[str]()
    for media in paired(listing(source.path, source.selection), source.selection):
        tally.kinds["orphan" if media.orphan else kind_of(media.name)] += 1
        if not media.orphan:
            tally.bytes += size_of(media.tags[0])
            tally.captioned += bool(media.text or media.json)
            if len(captions) < _CAPTIONS:
                captions += _captions(source, media)[:1]
    return Seen(
        source.name,
        source.type,
        source.path,
        files=tally.kinds.total(),
        bytes=tally.bytes,
        media_bytes=tally.bytes,
        pictures=tally.of("image"),
        videos=tally.of("video"),
        others=tally.others,
        captioned=tally.captioned,
        captions=tuple(captions),
    )


def _captions(source: FolderSource, media: Media) -> list[str]:
    """Captions beside a file, none where they cannot be read."""
    limits, place = Limits(bytes=_SIDECAR), source.path.rstrip("/")
    data: list[bytes | None] = [None, None]
    for number, name in enumerate((media.text, media.json)):
        if name is not None:
            with suppress(InputError, PartitionError):
                data[number] = fetch(f"{place}/{name}", limits, (source.path, *source.roots))
    return list(read_sidecars(data[0], data[1], source.captions).captions)


def _tars(source: WebDatasetSource) -> Seen:
    entries = glob(source.path)
    total = sum(entry.size for entry in entries)
    seen = Seen(source.name, source.type, source.path, len(entries), total, None, captioned=None, exact=False)
    if "://" in entries[0].key:
        return seen
    tally, captioned, captions, length = _Tally(), 0, list[str](), 0
    with suppress(InputError, PartitionError, OSError), opened(entries[0].key) as file:
        for member in islice(tar_index.entries(file), _MEMBERS):
            kind = kind_of(member.name)
            length = member.offset + member.size
            captioned += kind == ".txt"
            if kind in ("image", "video") and not member.refused:
                tally.kinds[kind] += 1
                tally.bytes += member.size
            elif kind == ".txt" and len(captions) < _CAPTIONS and member.size < _SIDECAR:
                file.seek(member.offset)
                captions += list(read_sidecars(file.read(member.size), None).captions)[:1]
    scale = total / length if length else 0.0
    return replace(
        seen,
        media_bytes=round(tally.bytes * scale),
        pictures=round(tally.of("image") * scale),
        videos=round(tally.of("video") * scale),
        captioned=round(captioned * scale),
        captions=tuple(captions),
    )


def _tables(source: TableSource | UrlsSource) -> Seen:
    entries = glob(source.path)
    suffix = PurePosixPath(entries[0].key).suffix.lower()
    rows = first_rows(entries[0].key, suffix) if suffix in TABLES else []
    count, exact = _rows_of(entries, suffix)
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    captions = [text for row in rows for text in _texts(source, row)[:1]]
    kinds = Counter(kind_of(str(row.get(source.column) or "")) for row in rows)
    scale = count / len(rows) if rows else 0.0
    videos = round(kinds["video"] * scale)
    sizes = [] if isinstance(source, UrlsSource) else list(_sizes(source, rows))
    return Seen(
        source.name,
        source.type,
        source.path,
        files=len(entries),
        bytes=sum(entry.size for entry in entries),
        media_bytes=round(sum(sizes) / len(sizes) * count) if sizes else None,
        pictures=count - videos,
        videos=videos,
        captioned=round(len(captions) * scale),
        exact=exact,
        columns=columns,
        captions=tuple(captions[:_CAPTIONS]),
    )


def _texts(source: RowsSource, row: dict[str, Any]) -> list[str]:
    with suppress(InputError):
        return [text for text in texts("caption", row.get(source.caption or "")) if text.strip()]
    return []


def _sizes(source: RowsSource, rows: list[dict[str, Any]]) -> Iterator[int]:
    """Of those files of the rows that are on this disk."""
    folder = folder_of(source.path)
    for row in rows:
        with suppress(OSError, ValueError):
            yield Path(folder, str(row.get(source.column) or "")).stat().st_size


def _rows_of(entries: list[Entry], suffix: str) -> tuple[int, bool]:
    """Rows of all tables, and whether they were counted: of Parquet from metadata, of text by the length of the first ones."""
    if suffix == ".parquet":
        from pyarrow import parquet

        with suppress(InputError, PartitionError, OSError, ValueError):
            with opened(entries[0].key) as file:
                first = parquet.ParquetFile(file).metadata.num_rows
            total = sum(entry.size for entry in entries)
            return round(first * total / max(entries[0].size, 1)), len(entries) == 1
        return 0, False
    with suppress(InputError, PartitionError, OSError):
        with opened(entries[0].key) as file:
            data = file.read(_TABLE)
        lines = data.count(b"\n") + (not data.endswith(b"\n"))
        header = suffix == ".csv"
        whole = len(entries) == 1 and len(data) < _TABLE
        total = sum(entry.size for entry in entries)
        return max(round(lines * total / max(len(data), 1)) - header * len(entries), 0), whole
    return 0, False
