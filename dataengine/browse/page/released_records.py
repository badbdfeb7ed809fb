"""Chain-of-thought records of a release that is named without its recipe: the first ones of each shard, by one ranged read a
shard, on disk or S3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from dataengine.browse.session import Session
from dataengine.contracts import columns
from dataengine.cot.core.record import Record
from dataengine.errors import InputError, RunError
from dataengine.release.manifest_sections import RecordShard
from dataengine.release.reader import Published
from dataengine.shards.read import read_header
from dataengine.storage.tar import BLOCK, member_size

_SHARDS, _BYTES = 64, 64 << 20
"""Shards that are read, and bytes of all of them."""
_LARGEST = 8 << 20
"""Bytes of one shard, and of a picture of a record."""
ROW = (
    "rid",
    "sample",
    "mode",
    "style",
    "task",
    "family",
    "difficulty",
    "split",
    "teacher",
    "outcome",
    "step",
    "reason",
)
"""Columns of a record in the list."""
_SCHEMA = columns(**dict.fromkeys((*ROW, "grade", "answer"), pa.string()), agreement=pa.float64())


@dataclass
class ReleasedRecords:
    """Holds the records that it has read."""

    session: Session
    published: Published
    note: str = ""
    _records: dict[str, Record] = field(default_factory=dict)
    _pictures: dict[tuple[str, str], tuple[str, int, int]] = field(default_factory=dict)

    def make(self) -> None:
        """Make the table ``cot_records``."""
        cot = self.published.manifest.cot
        shards = sorted(cot.shards)[:_SHARDS]
        each = min(_LARGEST, _BYTES // max(1, len(shards)))
        rows = [_row(shard, record) for shard in shards for record in self._read(shard, each)]
        rows.sort(key=lambda row: (row["mode"], row["task"], row["rid"]))
        total = sum(shard.records for shard in cot.shards)
        if len(rows) < total:
            self.note = f"the first records of each shard: {len(rows):,} of {total:,}; browse the recipe to see all"
        with self.session.lock, self.session.engine.passing():
            frame = self.session.engine.frame(pa.Table.from_pylist(rows, _SCHEMA))
            self.session.engine.execute(f"CREATE TABLE cot_records AS SELECT * FROM {frame}")

    def details(self, rids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Of each record its question and reply as blocks, and its paths without their texts, which a release has not."""
        return {rid: _details(self._records[rid]) for rid in rids if rid in self._records}

    def picture(self, rid: str, name: str) -> bytes:
        """A picture of a record, a PNG. Raises KeyError."""
        key, offset, size = self._pictures[rid, name]
        return self.published.store.get_range(key, offset, size)

    def _read(self, shard: RecordShard, most: int) -> Iterator[Record]:
        """The records that lie wholly in the first bytes of a shard, up to one that is damaged."""
        key = f"cot/{shard.name}.tar"
        try:
            data = self.published.store.get_range(key, 0, min(most, shard.bytes))
        except (FileNotFoundError, RunError):
            return
        for name, offset, size in _members(data, key):
            rid, _, ext = name.partition(".")
            if ext.endswith(".png") and size <= _LARGEST:
                self._pictures[rid, ext] = (key, offset, size)
            elif ext == "json" and offset + size <= len(data):
                try:
                    record = Record.from_bytes(data[offset : offset + size])
                except InputError:
                    continue
                self._records[record.id] = record
                yield record


def _members(data: bytes, key: str) -> Iterator[tuple[str, int, int]]:
    """Name, offset and bytes of the members whose headers lie in the beginning of a tar."""
    at = 0
    while at + BLOCK <= len(data):
        try:
            name, size = read_header(data[at : at + BLOCK], key, at)
        except RunError:
            return
        yield name, at + BLOCK, size
        at += member_size(size)


def _row(shard: RecordShard, record: Record) -> dict[str, Any]:
    same = ("mode", "style", "task", "family", "difficulty", "teacher", "answer")
    chosen = next((path for path in record.paths if path.index == record.path), None)
    scores = {fact.name: fact.value for fact in record.scores}
    return {
        **{name: getattr(record, name) for name in same},
        "rid": record.id,
        "sample": record.parents[0] if record.parents else record.id,
        "split": shard.split,
        "outcome": "kept",
        "grade": chosen.grade if chosen else None,
        "agreement": scores.get("agreement"),
    }


def _details(record: Record) -> dict[str, Any]:
    asked, reply = record.messages[0], record.messages[-1]
    return {
        "question": [block.model_dump(mode="json") for block in asked.content],
        "reply": [block.model_dump(mode="json") for block in reply.content],
        "paths": [
            {
                "index": path.index,
                "teacher": path.teacher,
                "grade": path.grade,
                "answer": path.answer,
                "reasons": path.reasons,
                "injected": None,
                "text": "",
            }
            for path in record.paths
        ],
    }
