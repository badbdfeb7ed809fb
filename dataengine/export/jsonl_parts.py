"""Writes JSONL files of a fixed number of rows, named by their total number: ``part-00000-of-00010.jsonl``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from dataengine.cot.core.record import canonical_json
from dataengine.storage.store import Store


@dataclass
class JsonlParts:
    """Files of at most ``limit`` rows in ``folder``, which has no other files, until they are published."""

    folder: Path
    limit: int
    counts: list[int] = field(default_factory=list)
    _file: IO[bytes] | None = None

    def add(self, row: dict[str, Any]) -> None:
        if self._file is None:
            self._file = (self.folder / f"{len(self.counts):05d}").open("wb")
            self.counts.append(0)
        self._file.write(canonical_json(row) + b"\n")
        self.counts[-1] += 1
        if self.counts[-1] == self.limit:
            self.close()

    def close(self) -> None:
        """End the file that is being written."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def publish(self, store: Store) -> list[dict[str, Any]]:
        """Move the files to the store; their entries for ``export.json``."""
        self.close()
        listed = []
        for number, rows in enumerate(self.counts):
            path, name = self.folder / f"{number:05d}", f"part-{number:05d}-of-{len(self.counts):05d}.jsonl"
            size = path.stat().st_size
            listed.append({"path": name, "sha256": store.put(name, path), "bytes": size, "rows": rows})
            path.unlink()
        return listed
