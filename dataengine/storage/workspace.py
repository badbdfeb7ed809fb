"""Workspace of a run: Parquet tables, packed media and stage commits, in a folder or on S3.

Files are immutable (releases apart): a file's name holds the digest of its inputs and settings, so a file that exists is valid,
two recipes can share a workspace, and returning to an old threshold recomputes nothing.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataengine.errors import RunError
from dataengine.storage.store import Store

#: Objects read or checked concurrently.
_PARALLEL = 16
#: Rows of a batch.
_BATCH = 1 << 16


def canonical_json(value: Any) -> bytes:
    """Canonical JSON: sorted keys, no spaces, so that equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(*values: Any) -> str:
    """128 bits of SHA-256 over the canonical JSON of ``values``, in hex."""
    return hashlib.sha256(canonical_json(values)).hexdigest()[:32]


@dataclass(frozen=True)
class File:
    """One stored file, with digest and size; ``rows`` of a table."""

    key: str
    sha256: str
    bytes: int
    rows: int = 0


@dataclass(frozen=True)
class Output:
    """Result of one part of a stage: files by role, counts that add up over parts, and facts."""

    files: dict[str, File] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Output:
        return cls({k: File(**v) for k, v in data["files"].items()}, data["counts"], data["facts"])


@dataclass(frozen=True)
class Record:
    """Commit of a stage: written last, so that if it exists, all of its files do."""

    stage: str
    key: str
    parts: dict[str, Output]

    @cached_property
    def digest(self) -> str:
        """Digest of the stage's result: content, counts and facts, not the keys that it was computed under."""
        content = [
            (name, {role: f.sha256 for role, f in out.files.items()}, out.counts, out.facts)
            for name, out in sorted(self.parts.items())
        ]
        return digest(content)

    @property
    def counts(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for out in self.parts.values():
            for name, n in out.counts.items():
                total[name] = total.get(name, 0) + n
        return total

    def files(self, role: str) -> list[File]:
        """Files of one role, by part name; those of a table in several files are called ``role/0``, ``role/1``, …"""
        return [
            file
            for _, out in sorted(self.parts.items())
            for name, file in sorted(out.files.items())
            if name == role or name.startswith(f"{role}/")
        ]

    def to_bytes(self) -> bytes:
        parts = {name: asdict(out) for name, out in self.parts.items()}
        return canonical_json({"stage": self.stage, "key": self.key, "parts": parts})

    @classmethod
    def from_bytes(cls, data: bytes) -> Record:
        raw = json.loads(data)
        return cls(raw["stage"], raw["key"], {k: Output.from_json(v) for k, v in raw["parts"].items()})


def parquet(data: bytes, columns: Sequence[str]) -> pa.Table:
    """Read columns of a Parquet file in memory, in this thread alone. Raises pa.ArrowInvalid.

    Arrow's own threads, where they call back into a Python file while the interpreter ends, take the process down with
    them ("terminate called without an active exception"); so they get bytes, and a short command does without them.
    """
    return pq.ParquetFile(pa.BufferReader(data), pre_buffer=False).read(list(columns), use_threads=False)


def roles(role: str, files: Sequence[File]) -> dict[str, File]:
    """Roles of the files of one table, for an Output."""
    if len(files) == 1:
        return {role: files[0]}
    return {f"{role}/{n:06d}": file for n, file in enumerate(files)}


class Workspace:
    """Tables and commits in a Store; pickles as its URL."""

    def __init__(self, url: str) -> None:
        self.store = Store(url)

    def write_table(self, key: str, table: pa.Table, schema: pa.Schema | None = None, group: int | None = None) -> File:
        """Write a table as Parquet, cast to ``schema`` if one is given, in row groups of ``group`` rows (None: a million)."""
        if schema is not None:
            table = table.cast(schema)
        sink = io.BytesIO()
        pq.write_table(table, sink, compression="zstd", store_schema=True, row_group_size=group)
        data = sink.getvalue()
        return File(key, self.store.put(key, data), len(data), table.num_rows)

    def read_table(self, files: Iterable[File], schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
        """Rows of Parquet files, in order; an empty table of ``schema`` without files. Nullable columns that an older file lacks
        are null."""
        wanted = pa.schema([schema.field(c) for c in columns]) if columns else schema

        def read(file: File) -> pa.Table:
            data = self._parquet(file)
            return _shaped(data.read(_stored(data, wanted)), wanted)

        return pa.concat_tables([wanted.empty_table(), *self.each(read, [f for f in files if f.rows])])

    def batches(self, files: Iterable[File], schema: pa.Schema) -> Iterator[pa.Table]:
        """As ``read_table``, some ten thousand rows at a time: memory grows with a file, not with the table."""
        for file in files:
            data = self._parquet(file)
            for batch in data.iter_batches(_BATCH, columns=_stored(data, schema), use_threads=False):
                yield _shaped(pa.Table.from_batches([batch]), schema)

    def rows_of(self, files: Sequence[File], schema: pa.Schema, ids: Collection[str]) -> pa.Table:
        """Rows whose ``id`` is one of a few. Of a table in several files, each named by the prefix of the ids in it, only those
        are read that can have one."""
        if len(files) > 1:
            files = [f for f in files if _may_hold(f.key, ids)]
        wanted = pa.array(sorted(ids), pa.string())
        tables = (table.filter(pc.is_in(table["id"], value_set=wanted)) for table in self.batches(files, schema))
        return pa.concat_tables([schema.empty_table(), *tables])

    def _parquet(self, file: File) -> pq.ParquetFile:
        return pq.ParquetFile(pa.BufferReader(self.store.get(file.key, file.sha256)))

    def each(self, call: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        """``[call(i) for i in items]``, with concurrent calls."""
        if len(items) < 2:
            return [call(i) for i in items]
        with ThreadPoolExecutor(_PARALLEL) as pool:
            return list(pool.map(call, items))

    def record(self, path: str) -> Record | None:
        """The commit at ``path``, None if there is none."""
        try:
            return Record.from_bytes(self.store.get(path))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{self.store.uri(path)} is not a commit of this version ({error}); delete it to redo the stage"
            ) from None

    def finished(self, prefix: str, wanted: dict[str, tuple[str, str]]) -> dict[str, Output]:
        """Outputs of those of the parts ``{name: (marker, key)}`` that are committed under their key."""
        existing = {e.key for e in self.store.list(prefix)}
        names = [n for n, (marker, _) in sorted(wanted.items()) if marker in existing]
        markers = self.each(lambda n: json.loads(self.store.get(wanted[n][0])), names)
        return {n: Output.from_json(m) for n, m in zip(names, markers, strict=True) if m["key"] == wanted[n][1]}


def _may_hold(key: str, ids: Collection[str]) -> bool:
    """Whether an id begins as the file ``key`` is called."""
    prefix = key.rpartition("/")[2].removesuffix(".parquet")
    return any(id_.startswith(prefix) for id_ in ids)


def _stored(data: pq.ParquetFile, wanted: pa.Schema) -> list[str]:
    return [name for name in wanted.names if name in data.schema_arrow.names]


def _shaped(table: pa.Table, wanted: pa.Schema) -> pa.Table:
    """The wanted columns; nullable ones that are absent are null."""
    for column in wanted:
        if column.nullable and column.name not in table.column_names:
            table = table.append_column(column, pa.nulls(table.num_rows, column.type))
    return table.select(wanted.names).cast(wanted)


def commit_part(store: Store, marker: str, key: str, output: Output) -> None:
    """Commit a part by writing its marker; its files must all be stored before."""
    store.put(marker, canonical_json({"key": key, **asdict(output)}))
