"""Spools rows by bin to a temporary file, so that the memory for a long listing does not grow with it."""

from __future__ import annotations

import json
import os
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

#: Rows of all bins in memory.
_HELD = 1 << 16


class SpooledRows:
    """The rows of one bin. What holds them holds only their place in the file; pickled, they go along compressed."""

    def __init__(self, spool: Spool, name: int) -> None:
        self._spool, self._name = spool, name

    def __iter__(self) -> Iterator[list[Any]]:
        return _rows(self._spool.chunks(self._name))

    def __reduce__(self) -> Any:
        return _PackedRows, (list(self._spool.chunks(self._name)),)


class _PackedRows:
    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[list[Any]]:
        return _rows(self._chunks)


class Spool:
    """Rows (JSON lists) by bin. The file has no name, so that nothing is left of it whatever ends the process."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="dataengine-listing-")  # noqa: SIM115  open as long as its rows are
        self._size = self._held = 0
        self._waiting: dict[int, list[list[Any]]] = defaultdict(list)
        self._places: dict[int, list[tuple[int, int]]] = defaultdict(list)

    def add(self, name: int, row: list[Any]) -> None:
        self._waiting[name].append(row)
        self._held += 1
        if self._held >= _HELD:
            self._flush()

    def bins(self) -> list[tuple[int, SpooledRows]]:
        """All bins that have rows, in order."""
        self._flush()
        return [(name, SpooledRows(self, name)) for name in sorted(self._places)]

    def chunks(self, name: int) -> Iterator[bytes]:
        for start, size in self._places[name]:
            yield os.pread(self._file.fileno(), size, start)

    def _flush(self) -> None:
        for name, rows in self._waiting.items():
            data = zlib.compress(json.dumps(rows).encode(), 1)
            self._file.write(data)
            self._places[name].append((self._size, len(data)))
            self._size += len(data)
        self._file.flush()
        self._waiting.clear()
        self._held = 0


def _rows(chunks: Any) -> Iterator[list[Any]]:
    for chunk in chunks:
        yield from json.loads(zlib.decompress(chunk))
