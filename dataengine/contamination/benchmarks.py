"""Reads benchmark lists through the readers of ingest: an item's media, its questions and its answers.

An item is a row or a file: a question over five pictures is five items, or one with the picture that it names. What is
wrong with an item costs its picture, not its question.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from dataengine.config.contamination import Benchmark, FolderBenchmark, TableBenchmark
from dataengine.config.sources import FolderSource, TableSource, WebDatasetSource
from dataengine.errors import InputError, UsageError
from dataengine.ingest.columns import check_columns, named_columns
from dataengine.ingest.occurrence import CAPTION_KEYS, Occurrence, SourceReader
from dataengine.ingest.rows import Columns, Row
from dataengine.ingest.stage import reader_of
from dataengine.ingest.table import TableReader
from dataengine.media.limits import Limits
from dataengine.stage import Part
from dataengine.text.cleaning import Repairs

_FOLDER_BUCKETS, _TABLE_BUCKETS = 16, 4


@dataclass(frozen=True)
class Reader:
    """One benchmark: its parts, and the items of a part."""

    benchmark: Benchmark
    limits: Limits

    def parts(self) -> list[Part]:
        """Raises UsageError where the list does not exist, is empty, or lacks a column that the recipe names."""
        parts = _source(self.benchmark, self.limits).parts()
        if isinstance(self.benchmark, TableBenchmark):
            check_columns(self.benchmark.path, named_columns(self.benchmark))
        if not parts:
            raise UsageError(f"{self.benchmark.path} holds no files: an empty list protects nothing")
        return parts

    def occurrences(self, spec: Any) -> Iterator[Occurrence]:
        """Items of one part, ordered by uri; those of a list of questions have no media, and that is no error."""
        for item in _source(self.benchmark, self.limits).occurrences(spec):
            yield replace(item, error=None) if self.wordy and item.meta else item

    @property
    def wordy(self) -> bool:
        """True for a list of questions only."""
        return isinstance(self.benchmark, TableBenchmark) and self.benchmark.media is None

    def texts(self, item: Occurrence) -> tuple[list[str], list[str]]:
        """``(questions, answers)``: what the benchmark's columns say, and captions as questions; none of them blank."""
        meta = json.loads(item.meta) if item.meta else {}
        questions = [*_words(meta, self.benchmark.question), *item.captions]
        for key in CAPTION_KEYS if item.error or self.wordy else ():
            questions += _words(meta, key)
        answers = _words(meta, self.benchmark.answer)
        return list(dict.fromkeys(t for t in questions if t)), list(dict.fromkeys(t for t in answers if t))


class _Rows(TableReader):
    """A table's rows. Pictures may stand in the table itself, as bytes or as Hugging Face's ``{bytes, path}``; rows without
    media keep what they say."""

    column_required = False

    def media(self, row: Row) -> str | None:
        data, path = _embedded(row.media)
        return (path or f"row {row.number}") if data is not None else super().media(replace(row, media=path))

    def occurrence(self, table: str, media: str | None, columns: Columns, repairs: Repairs) -> Occurrence:
        data, _ = _embedded(columns.pop(self.source.media, None))
        columns = {k: v for k, v in columns.items() if _plain(v)}
        if data is not None and media is not None:
            return replace(self.described(columns, repairs), data=data)
        try:
            return super().occurrence(table, media, dict(columns), repairs)
        except InputError as error:
            return Occurrence("", meta=json.dumps(columns, sort_keys=True, ensure_ascii=False), error=error)


def _embedded(cell: Any) -> tuple[bytes | None, str | None]:
    """``(bytes, path)`` of a picture's cell."""
    data, path = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, cell)
    return data if isinstance(data, bytes) else None, path if isinstance(path, str) else None


def _plain(value: Any) -> bool:
    """True for what a question or its choices can be."""
    values = value if isinstance(value, list) else [value]
    return all(v is None or isinstance(v, str | int | float) for v in values)


def _source(benchmark: Benchmark, limits: Limits) -> SourceReader:
    name, path = benchmark.name, benchmark.path
    if isinstance(benchmark, FolderBenchmark):
        roots = benchmark.roots
        return reader_of(
            FolderSource(type="folder", name=name, path=path, buckets=_FOLDER_BUCKETS, roots=roots), limits
        )
    if isinstance(benchmark, TableBenchmark):
        # A column that no table has, as names are cleaned: every row is one without media.
        media = "\0" if benchmark.media is None else benchmark.media
        fields = {"caption": None, "buckets": _TABLE_BUCKETS, "roots": benchmark.roots}
        return _Rows(
            TableSource.model_validate({"type": "table", "name": name, "path": path, "media": media, **fields})
        )
    return reader_of(WebDatasetSource(type="webdataset", name=name, path=path), limits)


def _words(meta: Any, key: str | None) -> list[str]:
    """The texts that a column holds: a text, or a list of them (a list of choices)."""
    value = meta.get(key) if isinstance(meta, dict) and key else None
    values = value if isinstance(value, list) else [value]
    return [str(v).strip() for v in values if v is not None and not isinstance(v, dict | list)]
