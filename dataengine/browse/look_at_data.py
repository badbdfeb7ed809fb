"""Looks at data that has no recipe yet: what a folder, table or tar holds, which columns name media and captions, and how large a
few of the files are. Media are decoded in a child that can be killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from dataengine.browse.look_at_folder import caption_form, chosen, excluded
from dataengine.errors import InputError, PartitionError, UsageError
from dataengine.ingest import tar_index
from dataengine.ingest.folder_listing import listing
from dataengine.ingest.listing import folder_of, glob, is_pattern
from dataengine.ingest.parquet_rows import parquet_rows
from dataengine.ingest.reading import opened
from dataengine.ingest.rows import Row, never
from dataengine.ingest.text_rows import csv_rows, json_rows
from dataengine.media.facts import Facts
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Ok, Sandbox

TABLES = {".jsonl": json_rows, ".ndjson": json_rows, ".csv": csv_rows, ".parquet": parquet_rows}
_VIDEOS = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".3gp", ".ogv"}
_MEDIA_COLUMNS: tuple[str, ...] = (
    "path",
    "file_name",
    "filename",
    "file",
    "filepath",
    "image_path",
    "video_path",
    "image",
    "video",
    "media",
    "url",
)
_MEDIA_COLUMNS += ("image_url", "video_url", "img_url", "uri", "link")
_CAPTION_COLUMNS = ("caption", "text", "alt", "alt_text", "description", "title", "prompt", "captions")
_LICENCE_COLUMNS = ("license", "licence", "license_url", "rights")
#: Files of a folder that are counted, rows of a table that are read, and files that are decoded.
_FILES, _ROWS, _DECODED = 200_000, 200, 40
_LIMITS = Limits(bytes=64 << 20, seconds=10.0)
#: Bytes of a tar's members that are held at once.
_HELD = 256 << 20


@dataclass
class Looked:
    """``source``: fields of the recipe's source; ``facts``: width, height, kind, duration of the files that were decoded;
    ``sentences``: what was seen, for a person; ``columns``: other columns of a table, by type."""

    source: dict[str, Any]
    sentences: list[str]
    facts: list[dict[str, Any]] = field(default_factory=list)
    captions: bool = False
    columns: dict[str, str] = field(default_factory=dict)


def look(path: str) -> Looked:
    """Raises UsageError for what is no folder, table or tar, and where there is nothing in it."""
    path = str(Path(path).expanduser()) if path.startswith("~") else path
    if "://" not in path and Path(path).is_dir():
        return _folder(path.rstrip("/"))
    if "://" in path and not is_pattern(path) and not PurePosixPath(path).suffix:
        return _folder(path.rstrip("/"))
    suffix = PurePosixPath(path).suffix.lower()
    if suffix == ".tar":
        return _tars(path)
    if suffix in TABLES:
        return _table(path, suffix)
    known = ", ".join([*TABLES, ".tar"])
    raise UsageError(f"{path}: name a folder, or files that end in {known} (relative paths start at {Path.cwd()})")


def name_of(path: str) -> str:
    """A source's name from its path: ``/data/My Photos`` → ``my-photos``."""
    stem = next((p for p in reversed(path.split("/")) if p and not is_pattern(p)), "data").partition(".")[0]
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in stem.lower()).strip("-_")
    return kept[:40] or "data"


def kind_of(name: str) -> str:
    """image, video, or the ending in lower case."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in _VIDEOS:
        return "video"
    return "image" if suffix in Image.registered_extensions() else suffix


def _folder(path: str) -> Looked:
    names = [name for name, _ in islice(listing(path), _FILES)]
    kinds = Counter(map(kind_of, names))
    media = [name for name in names if kind_of(name) in ("image", "video")]
    tables = [name for name in names if PurePosixPath(name).suffix.lower() in TABLES]
    tars = [name for name in names if name.lower().endswith(".tar")]
    if not media and tars:
        return _tars(f"{path}/**/*.tar" if any("/" in name for name in tars) else f"{path}/*.tar")
    if tables and (not media or _beside(tables[0], media)):
        suffix = PurePosixPath(tables[0]).suffix
        one = [t for t in tables if PurePosixPath(t).suffix == suffix]
        return _table(f"{path}/{one[0]}" if len(one) == 1 else f"{path}/**/*{suffix}", suffix.lower())
    if not media:
        listed = ", ".join(f"{n:,} {kind or 'without ending'}" for kind, n in kinds.most_common(5))
        raise UsageError(f"{path}: no pictures, videos, tables or tars in it ({listed})")
    texts = _texts(names, media)
    more = " or more" if len(names) == _FILES else ""
    seen = [
        f"{path}: {kinds['image']:,} pictures{more}, {kinds['video']:,} videos, {len(texts):,} of them with captions beside them"
    ]
    source: dict[str, Any] = {"type": "folder", "name": name_of(path), "path": path}
    patterns, count = excluded(names, kind_of)
    if patterns:
        source["exclude"] = patterns
        seen.append(f"  {count:,} other files are left out: {', '.join(patterns)}")
    form, several = caption_form(Path(path), texts) if "://" not in path else ("lines", 0)
    if several:
        source["captions"] = form
        how = "one caption goes on from line to line" if form == "whole" else "each line is taken as a caption"
        seen.append(f"  {several:,} of the texts that were read have several lines: {how}")
    facts = [] if "://" in path else _decoded(Path(path, name) for name in chosen(media, _DECODED))
    return Looked(source, seen, facts, bool(texts))


def _texts(names: list[str], media: list[str]) -> list[str]:
    """Sidecars of the media: `a.txt`, `a.jpg.txt` or `a.json`."""
    stems = {*media, *(name.rpartition(".")[0] for name in media)}
    return [name for name in names if kind_of(name) in (".txt", ".json") and name.rpartition(".")[0] in stems]


def _beside(table: str, media: list[str]) -> bool:
    """Whether a table of many media lies with them, as in ``images/…`` and ``captions.jsonl``: it has what sidecars would say."""
    folder = table.rpartition("/")[0]
    return not folder or all(name.startswith(f"{folder}/") for name in media)


def _tars(path: str) -> Looked:
    entries = glob(path)
    members: Counter[str] = Counter()
    files: list[bytes] = []
    if "://" not in path:
        with suppress(InputError, PartitionError, OSError), opened(entries[0].key) as file:
            for member in islice(tar_index.entries(file), 2000):
                kind = kind_of(member.name)
                members[kind] += 1
                held = sum(map(len, files))
                wanted = kind in ("image", "video") and not member.refused
                if wanted and len(files) < _DECODED and member.size <= _HELD - held:
                    file.seek(member.offset)
                    files.append(file.read(member.size))
    counted = ", ".join(f"{n:,} {kind}" for kind, n in members.most_common(6))
    seen = f"{path}: {len(entries):,} tars{f'; the first holds {counted}' if counted else ''}"
    captions = bool(members[".txt"] or members[".json"])
    source = {"type": "webdataset", "name": name_of(folder_of(path) if is_pattern(path) else path), "path": path}
    return Looked(source, [seen], _inspected(files), captions)


def _table(path: str, suffix: str) -> Looked:
    entries = glob(path)
    rows = first_rows(entries[0].key, suffix)
    if not rows:
        raise UsageError(f"{entries[0].key}: no row of it can be read")
    names = list(dict.fromkeys(name for row in rows for name in row))
    media = _media_column(rows, names)
    if media is None:
        raise UsageError(f"{entries[0].key}: no column names files or URLs; it has {', '.join(names)}")
    caption = _one_of(_CAPTION_COLUMNS, names)
    licence = _one_of(_LICENCE_COLUMNS, names)
    values = [str(row[media]) for row in rows if row.get(media)]
    urls = bool(values) and all(value.startswith(("http://", "https://")) for value in values)
    source: dict[str, Any] = {"type": "urls" if urls else "table", "name": name_of(path), "path": path}
    source["url" if urls else "media"] = media
    source |= {"caption": caption} if caption != "caption" else {}
    source |= {"license_column": licence} if licence and licence != "license" else {}
    seen = [
        f"{path}: {len(entries):,} {'table' if len(entries) == 1 else 'tables'} with the columns {', '.join(names)}"
    ]
    seen.append(
        f"  {'URLs' if urls else 'files'} from `{media}`, captions from {f'`{caption}`' if caption else 'no column'}"
    )
    facts = []
    if not urls and "://" not in path:
        there = [p for value in values if _is_file(p := Path(folder_of(path), value))]
        seen.append(f"  {len(there):,} of the first {len(values):,} files exist")
        facts = _decoded(there[:_DECODED])
    others = {n: t for n in names if n not in (media, caption, licence) and (t := _type(rows, n))}
    return Looked(source, seen, facts, caption is not None, others)


def first_rows(path: str, suffix: str) -> list[dict[str, Any]]:
    """The first rows of a table that can be read, at most 200."""
    rows = []
    with suppress(InputError, PartitionError), opened(path) as file:
        for row in islice(TABLES[suffix](file, "", False, never), _ROWS):
            if (columns := _loaded(row)) is not None:
                rows.append(columns)
    return rows


def _loaded(row: Row) -> dict[str, Any] | None:
    try:
        return row.load()[0]
    except InputError:
        return None


def _one_of(wanted: Iterable[str], names: list[str]) -> str | None:
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[name] for name in wanted if name in lower), None)


def _media_column(rows: list[dict[str, Any]], names: list[str]) -> str | None:
    """The column whose values look most like files or URLs; of equal ones the one with the commonest name."""

    def share(name: str) -> float:
        return sum(_is_media(row.get(name)) for row in rows) / len(rows)

    order = {name: n for n, name in enumerate(_MEDIA_COLUMNS)}
    best = min(names, key=lambda name: (-share(name), order.get(name.lower(), len(order))))
    return best if share(best) > 0.5 else None


def _is_media(value: Any) -> bool:
    if not isinstance(value, str) or len(value) > 4000:
        return False
    return value.startswith(("http://", "https://", "s3://")) or (
        kind_of(value) in ("image", "video") and " " not in value[:1]
    )


def _type(rows: list[dict[str, Any]], name: str) -> str:
    """What the recipe calls the type of a column; "" for lists, structures and empty ones."""
    values = [row[name] for row in rows if row.get(name) is not None]
    for type_, kinds in (("boolean", bool), ("integer", int), ("double", (int, float)), ("string", str)):
        if values and all(isinstance(v, kinds) and (type_ == "boolean" or not isinstance(v, bool)) for v in values):
            return type_
    return ""


def _is_file(path: Path) -> bool:
    """False also for what can be no name of a file, such as one that is too long."""
    try:
        return path.is_file()
    except OSError:
        return False


def _decoded(paths: Iterable[Path]) -> list[dict[str, Any]]:
    return _inspected(_bytes(paths))


def _bytes(paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        with suppress(OSError):
            if path.stat().st_size <= _LIMITS.bytes:
                yield path.read_bytes()


def _inspected(files: Iterable[bytes]) -> list[dict[str, Any]]:
    """Facts of the files that can be decoded, those that cannot as {}."""
    remaining = iter(files)
    if (first := next(remaining, None)) is None:
        return []
    with Sandbox("dataengine.media.inspect:inspect", _LIMITS, workers=1, limits=_LIMITS, answer=Facts) as children:
        return [
            dict(outcome.value) if isinstance(outcome, Ok) else {}
            for outcome in children.map(chain([first], remaining))
        ]
