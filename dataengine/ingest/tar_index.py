"""Index of a tar from elsewhere: its headers in one linear pass, every size bounded, nothing decoded or unpacked.

USTAR, GNU and pax archives as ``tar``, ``tarfile`` and webdataset write them. Its own parser, because ``tarfile`` goes backwards
at a negative size, takes quadratic time for long digits in a pax header, and names no member that it passes over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from dataengine.errors import InputError
from dataengine.storage.tar import BLOCK

#: Members of one tar, bytes of one extended header, bytes of one name.
MAX_MEMBERS = 2_000_000
MAX_EXTENDED = 1 << 20
MAX_NAME = 4096

_ZERO = bytes(BLOCK)
_AFTER_END = 1 << 20
_OCTAL = frozenset(b"01234567")
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"\x1f\x9d": "compress",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"PK\x03\x04": "zip",
    b"7z\xbc\xaf\x27\x1c": "7z",
}
_FILES, _LINKS, _SPARSE, _NO_PAYLOAD = b"0\x007", b"12", b"S", b"3456"
_PAX, _OLD_PAX, _PAX_GLOBAL, _GNU_NAME, _GNU_LINK = b"x", b"X", b"g", b"L", b"K"
_SHORT = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a tar: where its payload starts, and its size. ``refused``: why it cannot be read, "" where it can."""

    name: str
    offset: int
    size: int
    refused: str = ""


@dataclass
class _Extended:
    """What headers in front of a member say about it."""

    name: bytes | None = None
    size: int | None = None
    refused: str = ""


@dataclass
class _Reader:
    """Reads headers at increasing positions; ``end`` is the size of the file."""

    file: IO[bytes]
    end: int
    at: int = 0
    extended: _Extended = field(default_factory=_Extended)

    def entries(self) -> Iterator[Entry]:
        count = 0
        while (block := self._block()) != _ZERO:
            kind, size = block[156:157], _number(block[124:136], self.at)
            if kind in (_PAX, _OLD_PAX, _PAX_GLOBAL, _GNU_NAME, _GNU_LINK):
                self._extend(kind, size)
                continue
            entry = self._entry(block, kind, size)
            if entry:
                count += 1
                if count > MAX_MEMBERS:
                    raise InputError("too_many_members", f"more than {MAX_MEMBERS:,} members: split it")
                yield entry
            self.extended = _Extended()
        self._check_end()

    def _block(self) -> bytes:
        self.file.seek(self.at)
        block = self.file.read(BLOCK)
        if block == _ZERO or (len(block) == BLOCK and _checksum_fits(block)):
            return block
        if self.at == 0 and (packing := _compression(block)):
            raise InputError("compressed", f"it is compressed ({packing}): unpack it to a plain tar")
        if len(block) < BLOCK:
            raise InputError("truncated", f"it ends at byte {self.at + len(block):,} without its closing blocks")
        raise InputError("corrupt", f"its header at byte {self.at:,} is damaged or not that of a tar")

    def _extend(self, kind: bytes, size: int) -> None:
        """Take in an extended header, which describes the member that follows."""
        start = self.at + BLOCK
        self.at = self._after(start, size, "an extended header")
        if kind in (_PAX_GLOBAL, _GNU_LINK):
            return
        if size > MAX_EXTENDED:
            self.extended.refused = f"its extended header has {size:,} bytes, limit {MAX_EXTENDED:,}"
            return
        self.file.seek(start)
        data = self.file.read(size)
        if kind == _GNU_NAME:
            self.extended.name = data.partition(b"\0")[0]
        elif not _read_pax(data, self.extended):
            self.extended.refused = "its extended header is damaged"

    def _entry(self, block: bytes, kind: bytes, size: int) -> Entry | None:
        """The file that a header describes, None for other entries; moves to the next header."""
        name = _name(block) if self.extended.name is None else self.extended.name
        text, refused = shown(name), self.extended.refused
        start = self.at + BLOCK
        if kind in _LINKS:
            self.at = start
            return Entry(text, start, 0, refused or "it is a link; only plain files are read")
        if kind == _SPARSE:
            start, refused = self._sparse(block, start), refused or "it is a sparse file, which is not supported"
        size = self.extended.size if self.extended.size is not None else size
        if kind in _NO_PAYLOAD:
            self.at = start
            return None
        self.at = self._after(start, size, text[:_SHORT])
        if (kind not in _FILES and kind != _SPARSE) or name.endswith(b"/"):
            return None
        if len(name) > MAX_NAME:
            refused = refused or f"its name has {len(name):,} bytes, limit {MAX_NAME:,}"
        return Entry(text, start, size, refused)

    def _sparse(self, block: bytes, start: int) -> int:
        """Where the payload of an old GNU sparse member starts: behind the blocks that continue its map."""
        more = block[482]
        while more:
            self.file.seek(start)
            follow = self.file.read(BLOCK)
            if len(follow) < BLOCK:
                raise InputError("truncated", f"it ends at byte {self.end:,} inside a header")
            start, more = start + BLOCK, follow[504]
        return start

    def _after(self, start: int, size: int, what: str) -> int:
        """Position of the header behind a payload, which must be in the file."""
        if start + size > self.end:
            raise InputError("truncated", f"it ends inside {what}")
        return start - size // -BLOCK * BLOCK

    def _check_end(self) -> None:
        self.file.seek(self.at)
        if self.file.read(_AFTER_END).strip(b"\0"):
            raise InputError("corrupt", f"data follow its closing blocks at byte {self.at:,}, as in joined tars")


def entries(file: IO[bytes]) -> Iterator[Entry]:
    """The files of a tar in their order. Raises InputError where it cannot be read on: compressed, truncated, corrupt,
    too_many_members."""
    return _Reader(file, file.seek(0, 2)).entries()


def shown(name: bytes) -> str:
    """A member's name as text, one longer than MAX_NAME without its middle: bytes that are not UTF-8 are written ``\\xNN``, as
    of files in folders."""
    half = MAX_NAME // 2
    name = name if len(name) <= MAX_NAME else name[:half] + b"..." + name[-half:]
    return name.decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def _compression(block: bytes) -> str:
    return next((name for magic, name in _COMPRESSED.items() if block.startswith(magic)), "")


def _checksum_fits(block: bytes) -> bool:
    """Whether the checksum is right; old writers add up signed bytes."""
    digits = block[148:156].partition(b"\0")[0].strip()
    if not digits or not _OCTAL.issuperset(digits):
        return False
    counted = block[:148] + block[156:]
    excess = sum(counted) + 8 * ord(" ") - int(digits, 8)
    return excess == 0 or (excess > 0 and excess == 256 * sum(byte > 127 for byte in counted))


def _number(raw: bytes, at: int) -> int:
    """A size: octal digits, or GNU's base 256. Never negative."""
    if raw[0] == 0x80:
        return int.from_bytes(raw[1:])
    digits = raw.partition(b"\0")[0].strip()
    if not _OCTAL.issuperset(digits):
        raise InputError("corrupt", f"its header at byte {at:,} states no valid size")
    return int(digits or b"0", 8)


def _name(block: bytes) -> bytes:
    name, prefix = (raw.partition(b"\0")[0] for raw in (block[:100], block[345:500]))
    return prefix + b"/" + name if prefix and block[257:263] == b"ustar\0" else name


def _read_pax(data: bytes, extended: _Extended) -> bool:
    """Take name, size and sparseness from pax records (``LENGTH KEY=VALUE\\n``); False if they are damaged."""
    at = 0
    while at < len(data) and data[at]:
        space = data.find(b" ", at, at + 8)
        digits = data[at : max(space, at)]
        if not digits.isdigit():
            return False
        end = at + int(digits)
        if end <= space or end > len(data) or data[end - 1] != ord("\n"):
            return False
        key, _, value = data[space + 1 : end - 1].partition(b"=")
        if key == b"path":
            extended.name = value.partition(b"\0")[0]
        elif key == b"size":
            if not value.isdigit() or len(value) > 20:
                return False
            extended.size = int(value)
        elif key.startswith(b"GNU.sparse."):
            extended.refused = "it is a sparse file, which is not supported"
        at = end
    return True
