"""Writes Parquet files of a fixed number of rows, named by their total number: ``part-00000-of-00010.parquet``.

The number is known at the end, and objects cannot be renamed on S3, so they are collected on disk and published then.
Rows are buffered in memory up to a row group of 32 MiB.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.storage.store import Store

_GROUP_BYTES = 32 << 20


@dataclass
class Parts:
    """Files of at most ``limit`` rows of text columns; ``folder`` has no other files."""

    folder: Path
    schema: pa.Schema
    limit: int
    counts: list[int] = field(default_factory=list)
    _rows: list[dict[str, str]] = field(default_factory=list)
    _bytes: int = 0
    _writer: pq.ParquetWriter | None = None

    def add(self, row: dict[str, str]) -> None:
        if self._writer is None:
            # No dictionary and no statistics: most values are long and unique.
            path = self.folder / f"{len(self.counts):05d}"
            options: dict[str, Any] = {"compression": "zstd", "use_dictionary": False, "write_statistics": False}
            self._writer = pq.ParquetWriter(path, self.schema, **options)
            self.counts.append(0)
        self._rows.append(row)
        self._bytes += sum(map(len, row.values()))
        self.counts[-1] += 1
        if self.counts[-1] == self.limit:
            self.close()
        elif self._bytes >= _GROUP_BYTES:
            self._flush(self._writer)

    def close(self) -> None:
        """End the file that is being written."""
        if self._writer is not None:
            self._flush(self._writer)
            self._writer.close()
            self._writer = None

    def publish(self, store: Store) -> list[dict[str, Any]]:
        """Move the files to the store; their entries for ``export.json``."""
        self.close()
        listed = []
        for number, rows in enumerate(self.counts):
            path = self.folder / f"{number:05d}"
            name = f"part-{number:05d}-of-{len(self.counts):05d}.parquet"
            size = path.stat().st_size
            listed.append({"path": name, "sha256": store.put(name, path), "bytes": size, "rows": rows})
            path.unlink()
        return listed

    def _flush(self, writer: pq.ParquetWriter) -> None:
        if self._rows:
            writer.write_table(pa.Table.from_pylist(self._rows, self.schema))
        self._rows, self._bytes = [], 0
