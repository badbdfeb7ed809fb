"""Readers of sources, and what becomes of their inputs, for tests without a run."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from dataengine.config.sources import FolderSource, TableSource
from dataengine.errors import InputError
from dataengine.ingest.folder import FolderReader
from dataengine.ingest.occurrence import Occurrence, SourceReader
from dataengine.ingest.table import TableReader
from dataengine.media.limits import Limits

LIMITS = Limits(bytes=1000)


def table(path: Path | str, **changes: object) -> TableReader:
    fields = {"type": "table", "name": "t", "path": str(path), "buckets": 2}
    return TableReader(TableSource.model_validate({**fields, **changes}))


def folder(path: Path | str, **changes: object) -> FolderReader:
    fields = {"type": "folder", "name": "f", "path": str(path), "buckets": 2}
    return FolderReader(FolderSource.model_validate({**fields, **changes}))


def items(reader: SourceReader) -> dict[str, Occurrence]:
    occurrences = [item for part in reader.parts() for item in reader.occurrences(part.spec)]
    for item in occurrences:
        assert pa.array([item.uri, item.meta, item.license, *item.captions], pa.string()).validate(full=True) is None
        json.loads(item.meta or "{}", parse_constant=lambda name: pytest.fail(name))
    assert len({item.uri for item in occurrences}) == len(occurrences)
    return {item.uri: item for item in occurrences}


def failure(item: Occurrence) -> InputError:
    with pytest.raises(InputError) as raised:
        item.read(LIMITS)
    return raised.value


def ends(reader: SourceReader) -> dict[str, str | tuple[str, ...]]:
    """The captions of each input that can be read, the failure class of each other."""
    outcomes: dict[str, str | tuple[str, ...]] = {}
    for uri, item in items(reader).items():
        try:
            item.read(LIMITS)
            outcomes[uri] = item.captions
        except InputError as error:
            outcomes[uri] = error.failure
    return outcomes
