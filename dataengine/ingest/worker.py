"""Makes one ingest part: reads, names, inspects and packs its media; every item ends as a sample or a failure."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from dataengine.contracts import FAILURES, SAMPLES, input_id, sample_id
from dataengine.errors import InputError
from dataengine.ingest.items import Item, SourceReader
from dataengine.media.limits import Limits
from dataengine.media.sandbox import Failed, Sandbox
from dataengine.stage import Part
from dataengine.tar import write_tar
from dataengine.workspace import File, Output, Workspace


@dataclass
class _Rows:
    """Rows of a part while it is made; ``packed`` are the ids whose bytes are in the tar already."""

    source: str
    samples: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    packed: set[str] = field(default_factory=set)

    def fail(self, item: Item, failure: str, message: str, size: int | None) -> None:
        row = {"failure": failure, "message": message, "bytes": size}
        self.failures.append(self._mention(item) | row)

    def add(self, item: Item, data: bytes, facts: dict[str, Any]) -> tuple[str, bytes] | None:
        """Note a sample; its tar member, unless the same bytes are in the tar already."""
        id_, sha256 = sample_id(data)
        row = {"id": id_, "sha256": sha256, "bytes": len(data), "captions": list(item.captions)}
        self.samples.append(self._mention(item) | row | {"license": item.license, "meta": item.meta} | facts)
        if id_ in self.packed:
            return None
        self.packed.add(id_)
        return f"{id_}.{facts['ext']}", data

    def _mention(self, item: Item) -> dict[str, Any]:
        return {"input_id": input_id(self.source, item.uri), "source": self.source, "uri": item.uri}


@dataclass
class IngestWorker:
    """Serves any part of any source; one decode child beside it."""

    readers: dict[str, SourceReader]
    limits: Limits
    workspace: Workspace
    _sandbox: Sandbox | None = None

    def setup(self) -> None:
        self._sandbox = Sandbox("dataengine.media.inspect:inspect", self.limits, workers=1, limits=self.limits)
        self._sandbox.__enter__()

    def close(self) -> None:
        if self._sandbox is not None:
            self._sandbox.__exit__(None, None, None)

    def process(self, part: Part) -> Output:
        source, spec = part.spec
        rows = _Rows(source)
        files = self._pack(rows, self.readers[source].items(spec))
        name = f"{part.name}-{part.key[:16]}.parquet"
        samples = sorted(rows.samples, key=lambda r: r["uri"])
        failures = sorted(rows.failures, key=lambda r: r["uri"])
        for role, made, schema in (("samples", samples, SAMPLES), ("failures", failures, FAILURES)):
            if made:
                table = pa.Table.from_pylist(made, schema)
                files[role] = self.workspace.write_table(f"{role}/{name}", table)
        counts = {"inputs": len(samples) + len(failures), "samples": len(samples), "failed": len(failures)}
        return Output(files, counts)

    def _pack(self, rows: _Rows, items: Iterator[Item]) -> dict[str, File]:
        """Inspect all items and publish their bytes as one tar, named by its content; fills ``rows``."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "media.tar")
            with path.open("wb") as out:
                info = write_tar(out, self._members(rows, items))
            key = f"media/{info.sha256[:32]}.tar"
            offsets = {m.name.partition(".")[0]: m.offset for m in info.members}
            for row in rows.samples:
                row.update(media=key, offset=offsets[row["id"]])
            if not rows.samples:
                return {}
            if not self.workspace.store.exists(key):
                self.workspace.store.put(key, path)
            return {"media": File(key, info.sha256, info.bytes, len(offsets))}

    def _members(self, rows: _Rows, items: Iterator[Item]) -> Iterator[tuple[str, bytes]]:
        if self._sandbox is None:
            raise RuntimeError("setup() comes before process()")
        held: deque[tuple[Item, bytes]] = deque()
        for outcome in self._sandbox.map(self._payloads(rows, items, held)):
            item, data = held.popleft()
            if isinstance(outcome, Failed):
                rows.fail(item, outcome.failure, outcome.message, len(data))
                continue
            member = rows.add(item, data, outcome.value)
            if member:
                yield member

    def _payloads(self, rows: _Rows, items: Iterator[Item], held: deque[tuple[Item, bytes]]) -> Iterator[bytes]:
        for item in items:
            try:
                data = item.read(self.limits)
            except InputError as error:
                rows.fail(item, error.failure, error.message, None)
                continue
            held.append((item, data))
            yield data
