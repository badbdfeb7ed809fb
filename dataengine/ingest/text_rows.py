"""Rows of JSONL and CSV tables, a line or record at a time; text is decoded by its byte order mark."""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator
from typing import Any, BinaryIO

from dataengine.errors import InputError
from dataengine.ingest.rows import Columns, Row, Skip, failed, listed, never
from dataengine.text.bounded_json import SIZE, parse_uncleaned
from dataengine.text.cleaning import Repairs, clean_text, clean_value, encoding_of


def json_rows(file: BinaryIO, column: str, _required: bool, skip: Skip = never) -> Iterator[Row]:
    """Rows of a JSONL file; empty lines count, but are none."""
    for number, line in enumerate(_lines(file), 1):
        if skip(number):
            continue
        if isinstance(line, InputError):
            yield failed(number, line)
        elif line.strip():
            yield _json_row(number, line.rstrip("\r\n"), column)


def _json_row(number: int, line: str, column: str) -> Row:
    """A row that is parsed, but cleaned only when it is loaded."""
    try:
        value = parse_uncleaned(line)
    except InputError as error:
        return failed(number, InputError("bad_row", error.message))
    if not isinstance(value, dict):
        return failed(number, InputError("bad_row", "not a JSON object"))

    def load() -> tuple[Columns, Repairs]:
        repairs = Repairs()
        return clean_value(value, repairs), repairs

    media = value.get(column)
    return Row(number, clean_text(media) if isinstance(media, str) else media, load)


def csv_rows(file: BinaryIO, column: str, required: bool, skip: Skip = never) -> Iterator[Row]:
    """Rows of a CSV file; its first row is the header, a field may have 16 Mi characters. Raises InputError for the whole table
    where the header cannot be read, or lacks ``column`` and it is ``required``."""
    records = _records(file)
    header = csv_header(records)
    if required and column not in header:
        raise InputError("bad_table", f"no column `{column}` in its header: {listed(header)}")
    for number, record in enumerate(records, 2):
        if skip(number):
            continue
        if isinstance(record, InputError):
            yield failed(number, record)
        elif record:
            yield _csv_row(number, record, header, column)


def _csv_row(number: int, record: list[str], header: list[str], column: str) -> Row:
    if len(record) != len(header):
        return failed(number, InputError("bad_row", f"it has {len(record)} fields, the header {len(header)}"))
    fields = dict(zip(header, record, strict=True))

    def load() -> tuple[Columns, Repairs]:
        repairs = Repairs()
        return clean_value(fields, repairs), repairs

    return Row(number, clean_text(fields.get(column, "")), load)


def csv_header(records: Iterator[list[str] | InputError]) -> list[str]:
    """The column names in a CSV's first record. Raises InputError ``bad_table``."""
    header = next(records, [])
    if isinstance(header, InputError) or not header:
        raise InputError(
            "bad_table", f"no header: {header.message if isinstance(header, InputError) else 'it is empty'}"
        )
    names = [clean_text(name) for name in header]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError("bad_table", f"its header has the column `{twice[0]}` twice: {listed(names)}")
    return names


def _records(file: BinaryIO) -> Iterator[list[str] | InputError]:
    """Records of a CSV file. Where one cannot be read, the next line is taken to begin another."""
    csv.field_size_limit(SIZE)
    lines = _RecordLines(_lines(file))
    reader = csv.reader(lines, strict=True)
    while True:
        lines.record.clear()
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines.again.extendleft(reversed(lines.record[1:]))
            yield InputError("bad_row", f"not CSV: {error}")
        except InputError as error:
            lines.again.extendleft(reversed(lines.record[1:]))
            yield error


class _RecordLines:
    """Lines for a CSV reader; those of the record in progress are in ``record``, those to be read ``again`` come first."""

    def __init__(self, lines: Iterator[str | InputError]) -> None:
        self.lines = lines
        self.record: list[str] = []
        self.again: deque[str] = deque()

    def __iter__(self) -> _RecordLines:
        return self

    def __next__(self) -> str:
        line = self.again.popleft() if self.again else next(self.lines)
        if isinstance(line, InputError):
            raise line
        self.record.append(line)
        return line


def _lines(file: BinaryIO) -> Iterator[str | InputError]:
    """Lines of a text file; an InputError for one that is longer than ``SIZE``."""
    encoding = encoding_of(file.peek(4)[:4])  # type: ignore[attr-defined]
    text = io.TextIOWrapper(file, encoding, "replace", newline="")
    while line := text.readline(SIZE + 1):
        if len(line) <= SIZE:
            yield line
            continue
        while line and not line.endswith(("\n", "\r")):
            line = text.readline(SIZE)
        yield InputError("bad_row", f"a line of more than {SIZE:,} characters")


def json_columns(file: BinaryIO, rows: int) -> list[str]:
    """The keys of the first rows of a JSONL file, in order."""
    keys: dict[str, Any] = {}
    for row in json_rows(file, "", False):
        if row.number > rows:
            break
        try:
            keys |= row.load()[0]
        except InputError:
            continue
    return list(keys)


def csv_columns(file: BinaryIO) -> list[str]:
    """The column names of a CSV file. Raises InputError."""
    return csv_header(_records(file))
