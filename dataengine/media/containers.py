"""Parsers for the outer structure of media files: JPEG segments, PNG chunks, RIFF chunks, ISO boxes.

Never raise: a malformed file yields its parts up to the first error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")


def segments(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """``(marker, start, payload, end)`` of each JPEG segment after SOI; entropy-coded data belong to their SOS. The last segment
    is EOI, or the remainder of a malformed file (marker 0)."""
    at = 2
    while match := _MARKER.search(data, at):
        start, marker, here = match.start(), match[1][0], match.end()
        if marker == 0xD9:
            yield marker, start, here, here
            return
        if marker in (0x01, 0xD8):
            at = here
            continue
        end = here + int.from_bytes(data[here : here + 2])
        if end < here + 2 or end > len(data):
            yield 0, start, start, len(data)
            return
        if marker == 0xDA:
            following = _MARKER.search(data, end)
            end = following.start() if following else len(data)
        yield marker, start, here + 2, end
        at = end


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """``(kind, start, end)`` of the chunks of a PNG up to IEND, with length and checksum."""
    at, kind = 8, b""
    while kind != b"IEND" and at + 12 <= len(data):
        kind, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4])
        yield kind, at, min(end, len(data))
        at = end


def riff(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """``(kind, start, end)`` of the chunk bodies of a RIFF file (WebP, AVI)."""
    at, most = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while at + 8 <= most:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], at + 8, min(at + 8 + size, most)
        at += 8 + size + size % 2


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """``(kind, start, end)`` of the box bodies of ISO base media (MP4, AVIF, JUMBF) between ``start`` and ``end``."""
    at = start
    while at + 8 <= end:
        size, kind, body = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8], at + 8
        if size == 1:
            size, body = int.from_bytes(data[at + 8 : at + 16]), at + 16
        stop = at + size if size else end
        if stop < body or stop > end:
            return
        yield kind, body, stop
        at = stop
