"""Lossless removal of metadata (EXIF, XMP, IPTC, comments) from JPEG, PNG and WebP: no pixel is re-encoded.

``strip`` keeps only what affects display (colour profile, transparency, animation, orientation); ``strip_gps`` removes
coordinates only. Both cut off data after the picture in a JPEG: further pictures, videos and thumbnails that phones append,
with metadata of their own. Whatever Pillow decodes stays decodable.
"""

from __future__ import annotations

import re
import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dataengine.media.containers import chunks, riff, segments

Policy = Literal["keep", "strip", "strip_gps"]

_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_XMP_MORE, _MPF, _ICC = b"http://ns.adobe.com/xmp/extension/\0", b"MPF\0", b"ICC_PROFILE\0"
_JFIF, _JFIF_BYTES = b"JFIF\0", 14
_HOLDS_EXIF = (b"8BIM\x04\x22", b"8BIM\x04\x23", b"8BIM\x04\x24")
"""Photoshop image resources that hold EXIF or XMP."""
_GPS_TAG = re.compile(rb"<(/?)([A-Za-z]\w*:GPS\w+)(\s*>)?")
_GPS_ATTRIBUTE = re.compile(rb"""\b[A-Za-z]\w*:GPS\w+\s*=\s*(?:"[^"]*"|'[^']*')""")
_COORDINATES = (b"GPS", b"G\0P\0S")
_GPS_IFD, _ORIENTATION = 0x8825, 0x0112
_LATITUDE, _LONGITUDE = 2, 4
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
"""Size in bytes of a TIFF value, by its type."""
_SHOWN_PNG = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP mDCV cLLI mDCv cLLi sBIT bKGD hIST pHYs sPLT acTL fcTL fdAT".split()
)
_SHOWN_WEBP = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"))
_VP8X_EXIF, _VP8X_XMP = 0x08, 0x04


@dataclass(frozen=True)
class Cleaned:
    """Cleaned file. ``gps``: coordinates were removed. ``handled``: False if metadata cannot be removed from the format; ``data``
    is then the original."""

    data: bytes
    changed: bool = False
    gps: bool = False
    handled: bool = True


def clean(data: bytes, format_: str, orientation: int, policy: Policy) -> Cleaned:
    """Remove metadata from a file of ``format_`` (contracts.FACTS) by ``policy``; it is displayed with the same EXIF
    ``orientation`` as before."""
    if policy == "keep":
        return Cleaned(data)
    remove = _FORMATS.get(format_)
    if remove is None:
        return Cleaned(data, handled=False)
    seen = _Seen()
    out = remove(data, orientation, policy == "strip", seen)
    if policy == "strip_gps" and orientation != 1 and seen.dropped and not seen.oriented:
        # The segment with the orientation had to go, and only a full strip writes the orientation anew.
        out = remove(data, orientation, True, seen)
    return Cleaned(out, out != data, seen.gps)


@dataclass
class _Seen:
    """Observations of one pass. ``gps``: coordinates were removed; ``dropped``: a segment was removed; ``oriented``: a kept
    segment holds the orientation."""

    gps: bool = False
    dropped: bool = False
    oriented: bool = False


def _jpeg(data: bytes, orientation: int, strip: bool, seen: _Seen) -> bytes:
    out = [b"\xff\xd8"]
    for marker, start, payload, end in segments(data):
        if marker != 0xFE and not 0xE0 <= marker <= 0xEF:
            out.append(data[start:end])
        elif (body := _application(marker, data[payload:end], strip, seen)) is not None:
            out.append(data[start : payload - 2] + struct.pack(">H", len(body) + 2) + body)
    if strip and orientation != 1:
        exif = _EXIF + _oriented(orientation)
        at = 2 if out[1][:2] == b"\xff\xe0" else 1  # behind JFIF, which has to come first
        out.insert(at, b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif)
    return b"".join(out)


def _application(marker: int, body: bytes, strip: bool, seen: _Seen) -> bytes | None:
    """The kept part of an application segment or comment; None if it is dropped."""
    left: bytes | None = body
    if marker == 0xE1 and body.startswith(_EXIF):
        tiff = _without_gps(body[len(_EXIF) :], seen)
        left = None if tiff is None else _EXIF + tiff
    elif marker == 0xE1 and body.startswith(_XMP):
        left = _blanked(body, seen)
    elif body.startswith((_XMP_MORE, _MPF)) or any(sign in body for sign in _HOLDS_EXIF):
        left = None
    if strip and marker == 0xE0 and body.startswith(_JFIF):
        left = body if len(body) <= _JFIF_BYTES else body[: _JFIF_BYTES - 2] + b"\0\0"  # without its thumbnail
    elif strip and not (marker == 0xEE or (marker == 0xE2 and body.startswith(_ICC))):
        left = None
    seen.dropped |= left is None
    return left


def _png(data: bytes, orientation: int, strip: bool, seen: _Seen) -> bytes:
    out, first = [data[:8]], 0
    for kind, start, end in chunks(data):
        body = data[start + 8 : end - 4]
        left: bytes | None = body
        if kind == b"eXIf":
            left = _without_gps(body.removeprefix(_EXIF), seen)
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            left = _text(kind, body, seen)
        if strip and kind not in _SHOWN_PNG:
            left = None
        if left is None:
            seen.dropped = True
            continue
        first = first or (len(out) if kind == b"IDAT" else 0)
        out.append(data[start:end] if left == body else _chunk(kind, left))
    if strip and orientation != 1 and first:
        out.insert(first, _chunk(b"eXIf", _oriented(orientation)))
    return b"".join(out)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _text(kind: bytes, body: bytes, seen: _Seen) -> bytes | None:
    """A PNG text chunk without coordinates; None (dropped) if it is compressed or holds a hexadecimal profile."""
    keyword, _, rest = body.partition(b"\0")
    if kind == b"zTXt" or keyword.startswith(b"Raw profile type") or (kind == b"iTXt" and rest[:1] == b"\1"):
        return None
    return _blanked(body, seen)


def _webp(data: bytes, orientation: int, strip: bool, seen: _Seen) -> bytes:
    parts: list[tuple[bytes, bytes]] = []
    for kind, start, end in riff(data):
        body: bytes | None = data[start:end]
        if kind == b"EXIF":
            body = _webp_exif(body or b"", seen)
        elif kind == b"XMP ":
            body = _blanked(body or b"", seen)
        if body is None or (strip and kind not in _SHOWN_WEBP):
            seen.dropped = True
            continue
        parts.append((kind, body))
    if not seen.dropped and not seen.gps:
        return data
    if strip and orientation != 1:
        parts.append((b"EXIF", _oriented(orientation)))
    kinds = {kind for kind, _ in parts}
    flags = _VP8X_EXIF * (b"EXIF" in kinds) | _VP8X_XMP * (b"XMP " in kinds)
    written = b"".join(_riff(kind, _flagged(body, flags) if kind == b"VP8X" else body) for kind, body in parts)
    return _riff(b"RIFF", b"WEBP" + written)


def _webp_exif(body: bytes, seen: _Seen) -> bytes | None:
    head = _EXIF if body.startswith(_EXIF) else b""  # against the specification, but some writers do
    tiff = _without_gps(body[len(head) :], seen)
    return None if tiff is None else head + tiff


def _flagged(body: bytes, flags: int) -> bytes:
    return bytes([body[0] & ~(_VP8X_EXIF | _VP8X_XMP) | flags]) + body[1:] if body else body


def _riff(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _blanked(text: bytes, seen: _Seen) -> bytes | None:
    """XMP or text with its coordinates overwritten by blanks; None if some could not be located."""
    if any(sign in text for sign in _COORDINATES):
        seen.gps = True
        text = _GPS_ATTRIBUTE.sub(lambda m: b" " * len(m[0]), _without_gps_elements(text))
        if any(sign in text for sign in _COORDINATES):
            return None
    seen.oriented |= b"tiff:Orientation" in text
    return text


def _without_gps_elements(text: bytes) -> bytes:
    """``text`` with blanks for its elements of coordinates, each to its own end or the next closing tag of its name; in one pass
    over all tags, whatever their number."""
    tags = list(_GPS_TAG.finditer(text))
    closings: dict[bytes, list[int]] = {}
    for tag in tags:
        if tag[1] and tag[3]:
            closings.setdefault(tag[2], []).append(tag.end())
    kept, at, bracket = list[bytes](), 0, -1
    for tag in tags:
        if tag[1] or tag.start() < at:
            continue
        name_end = tag.end(2)
        bracket = bracket if bracket >= name_end else text.find(b">", name_end)
        if bracket < 0:
            break
        end = bracket + 1
        if text[bracket - 1 : bracket] != b"/":
            later = closings.get(tag[2], [])
            place = bisect_right(later, end)
            if place == len(later):
                continue
            end = later[place]
        kept += [text[at : tag.start()], b" " * (end - tag.start())]
        at = end
    return b"".join(kept) + text[at:]


def _oriented(orientation: int) -> bytes:
    """EXIF with the orientation alone."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, _ORIENTATION, 3, 1, orientation, 0, 0)


def _without_gps(tiff: bytes, seen: _Seen) -> bytes | None:
    """EXIF without its GPS directory, at the same length; None if it cannot be parsed."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return None
    out, visited = bytearray(tiff), set[int]()
    try:
        [at] = struct.unpack_from(f"{order}I", out, 4)
        while at and at not in visited:
            visited.add(at)
            [count] = struct.unpack_from(f"{order}H", out, at)
            for n in reversed(range(count)):
                place = at + 2 + 12 * n
                tag, _, _, value = struct.unpack_from(f"{order}HHII", out, place)
                seen.oriented |= tag == _ORIENTATION and len(visited) == 1
                if tag == _GPS_IFD:
                    _wipe(out, order, value, seen)
                    end = at + 2 + 12 * count + 4
                    out[place:end] = out[place + 12 : end] + bytes(12)
                    count -= 1
                    struct.pack_into(f"{order}H", out, at, count)
            [at] = struct.unpack_from(f"{order}I", out, at + 2 + 12 * count)
    except struct.error:
        return None
    return bytes(out)


def _wipe(out: bytearray, order: str, at: int, seen: _Seen) -> None:
    """Overwrite a directory and all data it points to with zeros. Raises struct.error."""
    [count] = struct.unpack_from(f"{order}H", out, at)
    for n in range(count):
        tag, kind, length, value = struct.unpack_from(f"{order}HHII", out, at + 2 + 12 * n)
        seen.gps |= tag in (_LATITUDE, _LONGITUDE)
        size = _SIZES.get(kind, 1) * length
        if size > 4:
            if value + size > len(out):
                raise struct.error("a value lies outside")
            out[value : value + size] = bytes(size)
    end = min(len(out), at + 2 + 12 * count + 4)
    out[at:end] = bytes(end - at)


_FORMATS: dict[str, Callable[[bytes, int, bool, _Seen], bytes]] = {"jpeg": _jpeg, "png": _png, "webp": _webp}
