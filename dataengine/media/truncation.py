"""Detects truncated files from container length fields, without decoding: PNG, GIF, TIFF, RIFF (WebP, AVI), ISO base media (MP4,
MOV, AVIF, JPEG 2000), Matroska, FLV and ASF.

Decoders are no substitute: several silently decode the intact beginning. MPEG streams have no such fields; any part of one is a
valid stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_PNG = b"\x89PNG\r\n\x1a\n"
_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067
_GIF_TRAILER, _GIF_FRAME, _GIF_EXTENSION = 0x3B, 0x2C, 0x21
_BOXES_THAT_MATTER = (b"ftyp", b"mdat", b"moov", b"moof", b"meta", b"jP  ", b"jp2h", b"jp2c")


def shortfall(data: bytes) -> str | None:
    """Message if the file is truncated; None if it is complete or its format has no length fields."""
    end = _needs(data)
    if end is None or end <= len(data):
        return None
    return f"the file ends early: {len(data):,} bytes of at least {end:,}"


def _needs(data: bytes) -> int | None:
    """Size of the file according to its length fields; None if unknown."""
    for magic, at, walk in _WALKS:
        if data.startswith(magic, at):
            return walk(data)
    return None


def _png(data: bytes) -> int:
    at = len(_PNG)
    while True:
        end = at + 12 + int.from_bytes(data[at : at + 4])
        if at + 8 > len(data) or end > len(data) or data[at + 4 : at + 8] == b"IEND":
            return max(end, at + 12)
        at = end


def _gif(data: bytes) -> int:
    """Bytes up to the trailer; one more than the file has if the trailer is missing."""
    if len(data) < 13:
        return 14
    at = 13 + _palette(data[10])
    while at < len(data):
        kind = data[at]
        if kind == _GIF_TRAILER:
            return at + 1
        if kind == _GIF_FRAME:
            flags = data[at + 9] if at + 9 < len(data) else 0
            at = _sub_blocks(data, at + 11 + _palette(flags))
        elif kind == _GIF_EXTENSION:
            at = _sub_blocks(data, at + 2)
        else:
            # Not a block: damage or padding, which the decoder judges.
            return at
    return at + 1


def _palette(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _sub_blocks(data: bytes, at: int) -> int:
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1


def _riff(data: bytes) -> int:
    if len(data) < 12:
        return 12
    return 8 + int.from_bytes(data[4:8], "little")


def _tiff(data: bytes) -> int:
    """Bytes up to the end of the last directory; the data it points to are checked when decoded."""
    order: Literal["little", "big"] = "little" if data[:1] == b"I" else "big"
    at, end, seen = int.from_bytes(data[4:8], order), 8, set[int]()
    while at and at not in seen:
        seen.add(at)
        stop = at + 2 + 12 * int.from_bytes(data[at : at + 2], order) + 4
        end = max(end, stop)
        if end > len(data):
            return end
        at = int.from_bytes(data[stop - 4 : stop], order)
    return end


def _flv(data: bytes) -> int:
    at = int.from_bytes(data[5:9]) + 4
    while at < len(data):
        at += 11 + int.from_bytes(data[at + 1 : at + 4]) + 4
    return max(at, 13)


def _asf(data: bytes) -> int | None:
    """The size that the header states (Advanced Systems Format, section 3.2); 0 in broadcasts."""
    at = data.find(_FILE_PROPERTIES, 0, 4096)
    if at < 0:
        return 31 if len(data) < 31 else None
    return int.from_bytes(data[at + 40 : at + 48], "little")


def _iso(data: bytes) -> int | None:
    at = 0
    while at + 8 <= len(data):
        size, kind, head = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16]), 16
        if size == 0:
            return None
        if size < head:
            return None
        if at + size > len(data):
            return at + size if kind in _BOXES_THAT_MATTER else None
        at += size
    return None


def _matroska(data: bytes) -> int | None:
    at = 0
    while at < len(data):
        name, body = _vint(data, at, keep_marker=True)
        size, start = _vint(data, body, keep_marker=False)
        if start > len(data):
            return start
        if name == _SEGMENT:
            unknown = size == (1 << 7 * (start - body)) - 1
            return None if unknown else start + size
        if name != _EBML:
            return None
        at = start + size
    return at + 1


def _vint(data: bytes, at: int, *, keep_marker: bool) -> tuple[int, int]:
    """EBML variable-length integer at ``at``, and its end (RFC 8794, section 4)."""
    first = data[at] if at < len(data) else 0x80
    width = max(1, 9 - first.bit_length())
    value = int.from_bytes(data[at : at + width])
    return (value if keep_marker else value & ((1 << 7 * width) - 1)), at + width


_WALKS: tuple[tuple[bytes, int, Callable[[bytes], int | None]], ...] = (
    (_PNG, 0, _png),
    (b"GIF8", 0, _gif),
    (b"RIFF", 0, _riff),
    (b"II*\0", 0, _tiff),
    (b"MM\0*", 0, _tiff),
    (b"FLV\1", 0, _flv),
    (ASF, 0, _asf),
    (b"\x1a\x45\xdf\xa3", 0, _matroska),
    *((kind, 4, _iso) for kind in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"jP  ")),
)
