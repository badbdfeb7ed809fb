"""Downloaded bodies that wait for their turn: in memory as long as little of it is in use, else on disk, both bounded."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from dataengine.errors import RunError
from dataengine.ingest.occurrence import Occurrence

_LIMIT = 4 << 30
"""Bytes of finished downloads and those on their way; only the one whose turn it is may go beyond."""
_MEMORY = 64 << 20
"""Those of them that may be held in memory."""
_EXPECTED = 1 << 20
"""Bytes of a body before any has arrived."""
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


class NoRoomError(Exception):
    """A body does not fit into the spool now; ``size``: what to wait for."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class Spool:
    """Bytes that wait, or are expected, by position. ``turn``: the position whose turn it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.turn = 0
        self._used, self._memory = 0, 0
        self._reserved: dict[int, int] = {}
        self._bodies, self._bytes = 0, 0

    @property
    def expected(self) -> int:
        """Size of a body that is not known yet: the mean of those that are."""
        return self._bytes // self._bodies if self._bodies else _EXPECTED

    def fits(self, n: int, size: int) -> bool:
        return n <= self.turn or self._used - self._reserved.get(n, 0) + size <= _LIMIT

    def reserve(self, n: int, size: int) -> None:
        """Count ``size`` bytes for position ``n``, in place of what was counted."""
        self._used += size - self._reserved.pop(n, 0)
        if size:
            self._reserved[n] = size

    def grow(self, n: int, size: int) -> None:
        """Position ``n`` has, or will have, ``size`` bytes. Raises NoRoomError."""
        reserved = self._reserved.get(n, 0)
        if size <= reserved:
            return
        if not self.fits(n, size):
            raise NoRoomError(max(size, 2 * reserved))
        self.reserve(n, size)

    def finish(self, n: int, size: int) -> None:
        """The body at ``n`` is whole."""
        self.reserve(n, size)
        self._bodies += 1
        self._bytes += size

    def hold(self, size: int) -> bool:
        """Count ``size`` bytes of memory; False where that is too much."""
        if size > 0 and self._memory + size > _MEMORY:
            return False
        self._memory += size
        return True


class Body:
    """A Sink for the body at position ``n``. Raises NoRoomError, and RunError where the disk is full."""

    def __init__(self, spool: Spool, n: int) -> None:
        self._spool, self._n, self._path = spool, n, spool.folder / str(n)
        self._size, self._chunks, self._held = 0, list[bytes](), 0
        self._file: BinaryIO | None = None

    def begin(self, size: int) -> None:
        self._drop()
        self._spool.grow(self._n, size)

    def write(self, chunk: bytes) -> None:
        self._size += len(chunk)
        self._spool.grow(self._n, self._size)
        if self._file is None and self._spool.hold(len(chunk)):
            self._held += len(chunk)
            self._chunks.append(chunk)
        else:
            self._write_to_disk(chunk)

    def finish(self, occurrence: Occurrence) -> Occurrence:
        """The occurrence with the whole body."""
        self._spool.finish(self._n, self._size)
        if self._file is None:
            data = b"".join(self._chunks)
            self._chunks.clear()
            return replace(occurrence, data=data)
        self._write_to_disk(b"", last=True)
        return replace(occurrence, location=str(self._path))

    def discard(self) -> None:
        """Free what the body occupies."""
        self._drop()
        self._spool.reserve(self._n, 0)

    def _drop(self) -> None:
        self._spool.hold(-self._held)
        self._size, self._held = 0, 0
        self._chunks.clear()
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)
            self._file = None

    def _write_to_disk(self, chunk: bytes, *, last: bool = False) -> None:
        try:
            if self._file is None:
                self._file = self._path.open("wb")
                self._file.writelines(self._chunks)
                self._chunks.clear()
                self._spool.hold(-self._held)
                self._held = 0
            self._file.write(chunk)
            if last:
                self._file.close()
        except OSError as error:
            if error.errno in _DISK:
                raise RunError(
                    f"downloads cannot be written to {self._spool.folder}: {error.strerror}; set TMPDIR and rerun"
                ) from None
            raise
