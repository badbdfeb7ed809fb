"""Where a run keeps its tables, media and commits, on a folder or on S3.

Nothing is changed in place (releases apart): a file's name holds the key of what it was made from, so a table that
exists is right, two recipes can share a workspace, and going back to an old threshold costs nothing.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.errors import RunError
from dataengine.storage.store import Store

#: Number of objects read or checked at once.
_PARALLEL = 16


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no spaces: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(*values: Any) -> str:
    """128 bits of SHA-256 over the canonical JSON of ``values``, in hex."""
    return hashlib.sha256(canonical_json(values)).hexdigest()[:32]


@dataclass(frozen=True)
class File:
    """One published object."""

    key: str
    sha256: str
    bytes: int
    rows: int = 0


@dataclass(frozen=True)
class Output:
    """What one part of a stage has published: files by role, counts that add up over parts, and facts."""

    files: dict[str, File] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Output:
        return cls({k: File(**v) for k, v in data["files"].items()}, data["counts"], data["facts"])


@dataclass(frozen=True)
class Record:
    """The commit of a stage: written last, so whoever finds it finds all of its files."""

    stage: str
    key: str
    parts: dict[str, Output]

    @property
    def digest(self) -> str:
        """Digest of what the stage found: content, counts and facts, not the keys that it was made under."""
        told = [
            (name, {role: f.sha256 for role, f in out.files.items()}, out.counts, out.facts)
            for name, out in sorted(self.parts.items())
        ]
        return digest(told)

    @property
    def counts(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for out in self.parts.values():
            for name, n in out.counts.items():
                total[name] = total.get(name, 0) + n
        return total

    def files(self, role: str) -> list[File]:
        """Files of one role, by part name; a table in several files has them as ``role/0``, ``role/1``, …"""
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
    """Columns of a Parquet file in memory, read by this thread alone. Raises pa.ArrowInvalid.

    Arrow's own threads, where they call back into a Python file while the interpreter ends, take the process down with
    them ("terminate called without an active exception"); so they get bytes, and a short command does without them.
    """
    return pq.ParquetFile(pa.BufferReader(data), pre_buffer=False).read(list(columns), use_threads=False)


def roles(role: str, files: Sequence[File]) -> dict[str, File]:
    """Files of one table, named for an Output."""
    if len(files) == 1:
        return {role: files[0]}
    return {f"{role}/{n:06d}": file for n, file in enumerate(files)}


class Workspace:
    """Tables and commits over a Store; pickles as its URL."""

    def __init__(self, url: str) -> None:
        self.store = Store(url)

    def write_table(self, key: str, table: pa.Table, schema: pa.Schema | None = None) -> File:
        """Publish a table as Parquet; cast to ``schema`` where one is given."""
        if schema is not None:
            table = table.cast(schema)
        sink = io.BytesIO()
        pq.write_table(table, sink, compression="zstd", store_schema=True)
        data = sink.getvalue()
        return File(key, self.store.put(key, data), len(data), table.num_rows)

    def read_table(self, files: Iterable[File], schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
        """Rows of the files, in the order given; an empty table of ``schema`` where there are none. A nullable column that
        an older file does not have is null."""
        wanted = pa.schema([schema.field(c) for c in columns]) if columns else schema

        def read(file: File) -> pa.Table:
            data = pq.ParquetFile(pa.BufferReader(self.store.get(file.key, file.sha256)))
            later = [f for f in wanted if f.nullable and f.name not in data.schema_arrow.names]
            found = data.read([n for n in wanted.names if n in data.schema_arrow.names])
            for absent in later:
                found = found.append_column(absent, pa.nulls(found.num_rows, absent.type))
            return found.select(wanted.names).cast(wanted)

        return pa.concat_tables([wanted.empty_table(), *self.each(read, [f for f in files if f.rows])])

    def each(self, call: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        """``[call(i) for i in items]`` with several calls under way at once."""
        if len(items) < 2:
            return [call(i) for i in items]
        with ThreadPoolExecutor(_PARALLEL) as pool:
            return list(pool.map(call, items))

    def record(self, path: str) -> Record | None:
        """The commit at ``path``, if there is one."""
        try:
            return Record.from_bytes(self.store.get(path))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{self.store.uri(path)} is not a commit of this version ({error}); delete it to redo the stage"
            ) from None

    def finished(self, prefix: str, wanted: dict[str, tuple[str, str]]) -> dict[str, Output]:
        """Of the parts ``{name: (marker, key)}``, those that are committed under that key, with what they published."""
        there = {e.key for e in self.store.list(prefix)}
        found = [n for n, (marker, _) in sorted(wanted.items()) if marker in there]
        said = self.each(lambda n: json.loads(self.store.get(wanted[n][0])), found)
        return {n: Output.from_json(m) for n, m in zip(found, said, strict=True) if m["key"] == wanted[n][1]}


def commit_part(store: Store, marker: str, key: str, output: Output) -> None:
    """Write the object that says that a part is done; its files must all have been published."""
    store.put(marker, canonical_json({"key": key, **asdict(output)}))
