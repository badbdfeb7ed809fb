"""Reproducible tar archives: the bytes depend on names and payloads alone.

Byte for byte what ``tarfile`` writes as USTAR with mode 0644, owner 0 and time 0, but faster; limited to plain files with names
of at most 100 bytes and payloads below 8 GiB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from dataengine.errors import RunError

BLOCK = 512
RECORD = 20 * BLOCK
MAX_NAME = 100
MAX_MEMBER = 8**11 - 1

_JOIN_BELOW = 1 << 16  # a copy of a small payload is cheaper than two more writes
_BEFORE_SIZE = b"0000644\0" + b"0000000\0" * 2
_MTIME = b"%011o\0" % 0
_AFTER_CHECKSUM = (b"0" + bytes(100) + b"ustar\x0000").ljust(BLOCK - 156, b"\0")
_FIXED_SUM = sum(_BEFORE_SIZE + _MTIME + b" " * 8 + _AFTER_CHECKSUM)


@dataclass(frozen=True)
class Member:
    """One file in an archive; ``offset`` is where its payload starts."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True)
class TarInfo:
    """A finished archive: digest, size and members in order."""

    sha256: str
    bytes: int
    members: tuple[Member, ...]


def member_size(payload: int) -> int:
    """Size of a member in an archive, with header and padding, for a payload of ``payload`` bytes."""
    return BLOCK + -(-payload // BLOCK) * BLOCK


def header(name: str, size: int) -> bytes:
    """The 512-byte USTAR header of a plain file. Raises RunError if name or size exceeds the format."""
    raw = name.encode()
    if not raw or len(raw) > MAX_NAME or b"\0" in raw:
        raise RunError(f"invalid tar member name {name!r}: must have 1 to {MAX_NAME} bytes and no NUL")
    if size > MAX_MEMBER:
        raise RunError(f"tar member {name} has {size:,} bytes, USTAR holds at most {MAX_MEMBER:,}: lower limits.bytes")
    digits = b"%011o\0" % size
    checksum = b"%06o\0 " % (_FIXED_SUM + sum(raw) + sum(digits))
    return b"".join((raw.ljust(MAX_NAME, b"\0"), _BEFORE_SIZE, digits, _MTIME, checksum, _AFTER_CHECKSUM))


class TarWriter:
    """Streaming tar writer: needs no seeking; ``finish`` ends the archive, the caller closes the stream."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._sha256 = hashlib.sha256()
        self._position = 0
        self._members: list[Member] = []
        self._names: set[str] = set()

    def add(self, name: str, data: bytes) -> Member:
        """Append one file. Raises RunError for a duplicate or too long name or a payload of 8 GiB and more."""
        if name in self._names:
            raise RunError(f"duplicate tar member {name}")
        head, padding = header(name, len(data)), bytes(-len(data) % BLOCK)
        member = Member(name, self._position + BLOCK, len(data))
        if len(data) < _JOIN_BELOW:
            self._write(b"".join((head, data, padding)))
        else:
            self._write(head)
            self._write(data)
            self._write(padding)
        self._names.add(name)
        self._members.append(member)
        return member

    def finish(self) -> TarInfo:
        """Write the end-of-archive blocks and pad the last record, as tarfile does."""
        ended = self._position + 2 * BLOCK
        self._write(bytes(2 * BLOCK + -ended % RECORD))
        return TarInfo(self._sha256.hexdigest(), self._position, tuple(self._members))

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._sha256.update(data)
        self._position += len(data)


def write_tar(out: BinaryIO, members: Iterable[tuple[str, bytes]]) -> TarInfo:
    """Write ``(name, payload)`` pairs, in order, as one archive. Raises RunError as TarWriter.add does."""
    writer = TarWriter(out)
    for name, data in members:
        writer.add(name, data)
    return writer.finish()
