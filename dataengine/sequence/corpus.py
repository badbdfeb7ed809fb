"""Reads text corpora: rows of JSONL and Parquet files and whole text files, cleaned, named by their content."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.config.sequence import SegmentsSource, TextSource
from dataengine.errors import InputError, UsageError
from dataengine.storage.object_file import open_object
from dataengine.storage.store import Entry, Store
from dataengine.text.bounded_json import SIZE, parse_json
from dataengine.text.cleaning import clean_text, decode_text

_TEXT = (".txt", ".md")
_ROWS = (".jsonl", ".jsonl.gz", ".ndjson", ".parquet")
_FIELDS: list[pa.Field[Any]] = [
    pa.field("id", pa.string(), False),
    pa.field("text", pa.string()),
    pa.field("weight", pa.float64(), False),
    pa.field("outcome", pa.string(), False),
    pa.field("reason", pa.string(), False),
]
#: One row a text. ``outcome``: empty, or why it is left out (filtered, duplicate, failed), with the reason; then it has no text.
TEXTS = pa.schema(_FIELDS)


MOST_WEIGHT = 1000
_ROWS_AT_ONCE = 1_000
_BUFFER = 1 << 20


@dataclass(frozen=True)
class CorpusFile:
    """A file of a corpus; ``tag`` changes with its bytes."""

    url: str
    key: str
    size: int
    tag: str


@dataclass(frozen=True)
class Text:
    """A text with its weight, or (``failure``) why it could not be read."""

    id: str
    text: str
    weight: float = 1.0
    failure: str = ""
    message: str = ""


def files(source: TextSource | SegmentsSource) -> list[CorpusFile]:
    """All files of a corpus, by name. Raises UsageError where there are none."""
    kinds = (*_ROWS, *_TEXT) if isinstance(source, TextSource) else _ROWS
    store, entries = _listing(source.path)
    listed = [CorpusFile(store.url, e.key, e.size, e.tag) for e in entries if e.key.endswith(kinds)]
    if not listed:
        raise UsageError(f"sequence source {source.name}: {source.path} has no file {', '.join(kinds)}")
    return listed


def _listing(path: str) -> tuple[Store, list[Entry]]:
    """All files below a folder or prefix, or the one file; keys are below the folder, wherever it lies."""
    place = path.removeprefix("file://").rstrip("/")
    folder, _, name = place.rpartition("/")
    if "://" in place or not Path(place).is_dir():
        parent = Store(folder or ("/" if place.startswith("/") else "."))
        alone = parent.head(name)
        if alone is not None or not parent.remote:
            return parent, [alone] if alone is not None else []
    store = Store(place or "/")
    return store, [*store.list()]


def texts(file: CorpusFile, source: TextSource) -> Iterator[Text]:
    """Texts of a file in order; a row that cannot be read is one with a ``failure``."""
    if file.key.endswith(_TEXT):
        if file.size > SIZE:
            yield _failed(file.key, "too_large", f"a text of {file.size:,} bytes; at most {SIZE:,} are read as one")
        else:
            yield _text(decode_text(Store(file.url).get(file.key)), 1.0)
        return
    for place, row in rows(file, [name for name in (source.column, source.weight_column) if name]):
        if isinstance(row, InputError):
            yield _failed(place, row.failure, row.message)
        else:
            yield _of_row(place, row, source)


def rows(file: CorpusFile, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, Any] | InputError]]:
    """Rows of a JSONL or Parquet file in order, each with the place where it stands, or what is wrong with it. Pieces of the
    file are held, never all of it."""
    with open_object(Store(file.url), file.key, file.size) as opened:
        if file.key.endswith(".parquet"):
            yield from _parquet(file, opened, columns)
        elif file.key.endswith(".gz"):
            with gzip.GzipFile(fileobj=opened) as lines:
                yield from _lines(file, cast(BinaryIO, lines))
        else:
            yield from _lines(file, opened)


def _lines(file: CorpusFile, lines: BinaryIO) -> Iterator[tuple[str, dict[str, Any] | InputError]]:
    """Of a line that is longer than may be read no more is held than that; the rest of it is passed over."""
    number = 0
    try:
        while line := lines.readline(SIZE + 1):
            number += 1
            end = line
            while len(end) > SIZE and not end.endswith(b"\n"):
                end = lines.readline(SIZE + 1)
            if line.strip():
                yield f"{file.key}:{number}", _line(line)
    except (OSError, EOFError, zlib.error) as error:  # a damaged gzip
        yield f"{file.key}:{number + 1}", InputError("damaged_file", str(error))


def _line(line: bytes) -> dict[str, Any] | InputError:
    try:
        row = parse_json(line)
    except InputError as error:
        return InputError("bad_row", error.message)
    return row if isinstance(row, dict) else InputError("bad_row", "not a JSON object")


def _parquet(
    file: CorpusFile, opened: BinaryIO, columns: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any] | InputError]]:
    try:
        table = pq.ParquetFile(opened, pre_buffer=False, buffer_size=_BUFFER)  # pages, not whole row groups
        names = [name for name in columns if name in table.schema_arrow.names]
        number = 0
        for batch in table.iter_batches(_ROWS_AT_ONCE, columns=names, use_threads=False):
            for row in _batch_rows(batch):
                number += 1
                yield f"{file.key}:{number}", row
    except (pa.ArrowException, OSError) as error:
        yield file.key, InputError("damaged_file", str(error))


def _batch_rows(batch: pa.RecordBatch) -> list[dict[str, Any] | InputError]:
    """Parquet does not check that its strings are UTF-8; a row whose are not is a failed one."""
    try:
        return [*batch.to_pylist()]
    except UnicodeDecodeError as error:
        if len(batch) == 1:
            return [InputError("bad_row", f"not UTF-8: {error.reason} at byte {error.start}")]
        return [row for n in range(len(batch)) for row in _batch_rows(batch.slice(n, 1))]


def _of_row(place: str, row: dict[str, Any], source: TextSource) -> Text:
    text = row.get(source.column)
    if not isinstance(text, str):
        return _failed(place, "bad_row", f"no text in `{source.column}`: {str(text)[:80]}")
    weight = row.get(source.weight_column, 1.0) if source.weight_column else 1.0
    try:
        return _text(text, checked_weight(weight))
    except InputError as error:
        return _failed(place, error.failure, error.message)


def _text(text: str, weight: float) -> Text:
    clean = clean_text(text)
    if not clean.strip():
        return Text(text_id(clean), "", weight, "empty", "it has no text")
    return Text(text_id(clean), clean, weight)


def checked_weight(weight: Any) -> float:
    """How often a document is used. Raises InputError for what is no number from 0 to 1,000: more is a mistake of its writer, and
    would make that many rows of one."""
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= MOST_WEIGHT:
        raise InputError("bad_weight", f"weight {str(weight)[:40]} is no number from 0 to {MOST_WEIGHT:,}")
    return float(weight)


def text_id(text: str) -> str:
    """128 bits of a text's SHA-256 in hex: equal texts are one."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _failed(place: str, failure: str, message: str) -> Text:
    return Text(text_id(place), "", 1.0, failure, f"{place}: {message}")
