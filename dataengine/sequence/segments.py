"""Interleaved documents: rows that list texts and media in turn (``segments`` in the Kelix trainer's tables, arXiv 2602.09843)
become one document each; media are samples of a release, found by id, URI or file name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.config.sequence import SegmentsSource
from dataengine.errors import InputError
from dataengine.sequence.chat import end_of_text
from dataengine.sequence.compose import Visuals
from dataengine.sequence.corpus import CorpusFile, rows, text_id
from dataengine.sequence.draft import Draft, Run, Words
from dataengine.sequence.model import Role
from dataengine.storage.workspace import File, Workspace
from dataengine.text.bounded_json import parse_json
from dataengine.text.cleaning import clean_text

_ID = re.compile(r"(sample:)?([0-9a-f]{32})")
_MEDIA = ("image", "video", "image_gen")


@dataclass(frozen=True)
class Inputs:
    """Which input became which sample: the ledger of a finished release, or the tables of the recipe's own run (``samples`` with
    the ``groups`` of its duplicates)."""

    url: str
    ledger: tuple[File, ...] = ()
    samples: tuple[File, ...] = ()
    groups: tuple[File, ...] = ()

    @property
    def digests(self) -> list[str]:
        return [file.sha256 or file.key for file in (*self.ledger, *self.samples, *self.groups)]

    def ids(self, references: set[str]) -> dict[str, str]:
        """The sample of each reference that is an input's URI, or the end of exactly one's."""
        workspace, named = Workspace(self.url), {_name(reference) for reference in references}
        by_uri: dict[str, str] = {}
        for uri, id_ in self._inputs(workspace):
            if uri in references or _name(uri) in named:
                by_uri[uri] = id_
        representative = self._representatives(workspace, set(by_uri.values()))
        out = {}
        for reference in references:
            ends = {id_ for uri, id_ in by_uri.items() if uri == reference or uri.endswith(f"/{reference}")}
            exact = by_uri.get(reference)
            if exact or len(ends) == 1:
                id_ = exact or next(iter(ends))
                out[reference] = representative.get(id_, id_)
        return out

    def _inputs(self, workspace: Workspace) -> Iterator[tuple[str, str]]:
        if self.ledger:
            for table in workspace.batches(self.ledger, contracts.LEDGER):
                for row in table.select(["uri", "id", "representative"]).to_pylist():
                    if row["id"]:
                        yield row["uri"], row["representative"] or row["id"]
            return
        schema = pa.schema([contracts.SAMPLES.field(name) for name in ("uri", "id")])
        for table in workspace.batches(self.samples, schema):
            yield from ((row["uri"], row["id"]) for row in table.to_pylist())

    def _representatives(self, workspace: Workspace, ids: set[str]) -> dict[str, str]:
        if not self.groups:
            return {}
        table = workspace.rows_of(self.groups, contracts.GROUPS, ids)
        return {row["id"]: row["representative"] for row in table.select(["id", "representative"]).to_pylist()}


def documents(file: CorpusFile, source: SegmentsSource) -> Iterator[tuple[str, list[dict[str, Any]] | InputError]]:
    """Id and segments of each row of a table, or what is wrong with it."""
    for place, row in rows(file, [source.column]):
        if isinstance(row, InputError):
            yield text_id(place), row
            continue
        try:
            segments = _segments(row.get(source.column))
            yield text_id(json.dumps(segments, sort_keys=True, ensure_ascii=False)), segments
        except InputError as error:
            yield text_id(place), InputError(error.failure, f"{place}: {error.message}")


def _segments(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except InputError:
            raise InputError("bad_segments", "not a JSON list of segments") from None
    if not isinstance(value, list) or not value:
        raise InputError("bad_segments", "not a list of segments")
    return [_segment(segment) for segment in value]


def _segment(value: Any) -> dict[str, str]:
    """``type`` and what it names of a segment; other fields do not count, nor for the document's id."""
    kind = value.get("type") if isinstance(value, dict) else None
    if kind not in ("text", *_MEDIA) or not isinstance(value.get(kind), str):
        raise InputError("bad_segments", f"{str(value)[:80]} is neither text nor {' nor '.join(_MEDIA)}")
    return {"type": kind, kind: value[kind]}


def references(segments: Sequence[Mapping[str, Any]]) -> set[str]:
    """Names of the media."""
    return {str(s[s["type"]]) for s in segments if s["type"] in _MEDIA}


def samples_of(segments: Sequence[Mapping[str, Any]], known: Mapping[str, str]) -> set[str]:
    """Ids of the media's samples, as far as they are known."""
    named = {match[2] for name in references(segments) if (match := _ID.fullmatch(name))}
    return named | {known[name] for name in references(segments) if name in known}


def sample_of(reference: str, known: Mapping[str, str]) -> str:
    """Id of the sample that a reference means. Raises InputError where there is none."""
    if match := _ID.fullmatch(reference):
        return match[2]
    if reference not in known:
        raise InputError("no_sample", f"{reference} is no input of the release, or the end of several's URI")
    return known[reference]


def segments_draft(
    id_: str, segments: Sequence[Mapping[str, Any]], known: Mapping[str, str], visuals: Visuals, source: SegmentsSource
) -> Draft:
    """The document. Raises InputError for media that the release does not have."""
    runs: list[Run] = []
    for segment in segments:
        if segment["type"] == "text":
            runs.append(Words(clean_text(segment["text"]), Role.TEXT, source.loss.text))
        else:
            runs.append(visuals(f"sample:{sample_of(segment[segment['type']], known)}"))
    return Draft(id_, (*runs, end_of_text()))


def _name(uri: str) -> str:
    return uri.rpartition("/")[2]
