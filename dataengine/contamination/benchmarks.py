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
from dataengine.errors import UsageError
from dataengine.ingest.occurrence import CAPTION_KEYS, Occurrence, SourceReader
from dataengine.ingest.stage import reader_of
from dataengine.ingest.table import TableReader
from dataengine.media.limits import Limits
from dataengine.stage import Part

_FOLDER_BUCKETS, _TABLE_BUCKETS = 16, 4


@dataclass(frozen=True)
class Reader:
    """One benchmark: its parts, and the items of a part."""

    benchmark: Benchmark
    limits: Limits

    def parts(self) -> list[Part]:
        """Raises UsageError where the list does not exist or is empty."""
        parts = _source(self.benchmark, self.limits).parts()
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

    def _occurrence(self, table: str, row: int, value: dict[str, Any] | str) -> Occurrence:
        if isinstance(value, str):
            return super()._occurrence(table, row, value)
        media = value.get(self.source.media)
        data, path = (media.get("bytes"), media.get("path")) if isinstance(media, dict) else (media, None)
        meta = {str(k): v for k, v in value.items() if _plain(v) and k != self.source.media}
        if isinstance(data, bytes):
            item = super()._occurrence(table, row, {**meta, self.source.media: path or f"row {row}"})
            return replace(item, location="", data=data)
        item = super()._occurrence(table, row, {**meta, self.source.media: media})
        return replace(item, meta=json.dumps(meta, sort_keys=True, ensure_ascii=False)) if item.error else item


def _plain(value: Any) -> bool:
    """True for what a question or its choices can be."""
    values = value if isinstance(value, list) else [value]
    return all(v is None or isinstance(v, str | int | float) for v in values)


def _source(benchmark: Benchmark, limits: Limits) -> SourceReader:
    name, path = benchmark.name, benchmark.path
    if isinstance(benchmark, FolderBenchmark):
        return reader_of(FolderSource(type="folder", name=name, path=path, buckets=_FOLDER_BUCKETS), limits)
    if isinstance(benchmark, TableBenchmark):
        # A column that no table has: every row is one without media.
        media = "\0" if benchmark.media is None else benchmark.media
        return _Rows(TableSource(type="table", name=name, path=path, media=media, caption=None, buckets=_TABLE_BUCKETS))
    return reader_of(WebDatasetSource(type="webdataset", name=name, path=path), limits)


def _words(meta: Any, key: str | None) -> list[str]:
    """The texts that a column holds: a text, or a list of them (a list of choices)."""
    value = meta.get(key) if isinstance(meta, dict) and key else None
    values = value if isinstance(value, list) else [value]
    return [str(v).strip() for v in values if v is not None and not isinstance(v, dict | list)]
