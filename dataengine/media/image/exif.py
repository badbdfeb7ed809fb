"""Metadata taken out of pictures without touching a pixel: segments and chunks are left out, or blanked where they stand.

``strip`` leaves what the picture is shown by (colour profile, transparency, animation, orientation) and nothing else;
``strip_gps`` takes out coordinates only. Either cuts off what follows the picture in a JPEG: further pictures, films and
thumbnails that phones put there, with metadata of their own. Total: whatever Pillow decodes comes out decodable.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dataengine.media.containers import chunks, riff, segments

Policy = Literal["keep", "strip", "strip_gps"]

_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_XMP_MORE, _MPF, _ICC = b"http://ns.adobe.com/xmp/extension/\0", b"MPF\0", b"ICC_PROFILE\0"
_JFIF, _JFIF_BYTES = b"JFIF\0", 14
_HOLDS_EXIF = (b"8BIM\x04\x22", b"8BIM\x04\x23", b"8BIM\x04\x24")
"""Photoshop's resources that hold EXIF or XMP."""
_GPS_IN_XMP = (
    re.compile(rb"<([A-Za-z]\w*:GPS\w+)\b[^>]*?(?:/>|>.*?</\1\s*>)", re.DOTALL),
    re.compile(rb"""\b[A-Za-z]\w*:GPS\w+\s*=\s*(?:"[^"]*"|'[^']*')"""),
)
_COORDINATES = (b"GPS", b"G\0P\0S")
_GPS_IFD, _ORIENTATION = 0x8825, 0x0112
_LATITUDE, _LONGITUDE = 2, 4
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
"""Bytes of a TIFF value by its type."""
_SHOWN_PNG = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP mDCV cLLI mDCv cLLi sBIT bKGD hIST pHYs sPLT acTL fcTL fdAT".split()
)
_SHOWN_WEBP = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"))
_VP8X_EXIF, _VP8X_XMP = 0x08, 0x04


@dataclass(frozen=True)
class Cleaned:
    """``data`` to release. ``gps``: coordinates were taken out. ``handled``: False where the format is none that metadata can
    be taken out of; ``data`` is then the original."""

    data: bytes
    changed: bool = False
    gps: bool = False
    handled: bool = True


def clean(data: bytes, format_: str, orientation: int, policy: Policy) -> Cleaned:
    """A file of ``format_`` (contracts.FACTS), shown as EXIF ``orientation`` says before and after."""
    if policy == "keep":
        return Cleaned(data)
    way = _WAYS.get(format_)
    if way is None:
        return Cleaned(data, handled=False)
    found = _Found()
    out = way(data, orientation, policy == "strip", found)
    if policy == "strip_gps" and orientation != 1 and found.dropped and not found.turned:
        out = way(
            data, orientation, True, found
        )  # what told the orientation had to go: it is all that can be told again
    return Cleaned(out, out != data, found.gps)


@dataclass
class _Found:
    """``dropped``: something was left out; ``turned``: something stays that tells the orientation."""

    gps: bool = False
    dropped: bool = False
    turned: bool = False


def _jpeg(data: bytes, orientation: int, strip: bool, found: _Found) -> bytes:
    out = [b"\xff\xd8"]
    for marker, start, payload, end in segments(data):
        if marker != 0xFE and not 0xE0 <= marker <= 0xEF:
            out.append(data[start:end])
        elif (body := _application(marker, data[payload:end], strip, found)) is not None:
            out.append(data[start : payload - 2] + struct.pack(">H", len(body) + 2) + body)
    if strip and orientation != 1:
        exif = _EXIF + _oriented(orientation)
        at = 2 if out[1][:2] == b"\xff\xe0" else 1  # behind JFIF, which has to come first
        out.insert(at, b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif)
    return b"".join(out)


def _application(marker: int, body: bytes, strip: bool, found: _Found) -> bytes | None:
    """What stays of an application segment or comment."""
    left: bytes | None = body
    if marker == 0xE1 and body.startswith(_EXIF):
        tiff = _without_gps(body[len(_EXIF) :], found)
        left = None if tiff is None else _EXIF + tiff
    elif marker == 0xE1 and body.startswith(_XMP):
        left = _blanked(body, found)
    elif body.startswith((_XMP_MORE, _MPF)) or any(sign in body for sign in _HOLDS_EXIF):
        left = None
    if strip and marker == 0xE0 and body.startswith(_JFIF):
        left = body if len(body) <= _JFIF_BYTES else body[: _JFIF_BYTES - 2] + b"\0\0"  # without its thumbnail
    elif strip and not (marker == 0xEE or (marker == 0xE2 and body.startswith(_ICC))):
        left = None
    found.dropped |= left is None
    return left


def _png(data: bytes, orientation: int, strip: bool, found: _Found) -> bytes:
    out, first = [data[:8]], 0
    for kind, start, end in chunks(data):
        body = data[start + 8 : end - 4]
        left: bytes | None = body
        if kind == b"eXIf":
            left = _without_gps(body.removeprefix(_EXIF), found)
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            left = _text(kind, body, found)
        if strip and kind not in _SHOWN_PNG:
            left = None
        if left is None:
            found.dropped = True
            continue
        first = first or (len(out) if kind == b"IDAT" else 0)
        out.append(data[start:end] if left == body else _chunk(kind, left))
    if strip and orientation != 1 and first:
        out.insert(first, _chunk(b"eXIf", _oriented(orientation)))
    return b"".join(out)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _text(kind: bytes, body: bytes, found: _Found) -> bytes | None:
    """A text of a PNG without coordinates; none that is compressed, or holds a whole profile in hexadecimal."""
    keyword, _, rest = body.partition(b"\0")
    if kind == b"zTXt" or keyword.startswith(b"Raw profile type") or (kind == b"iTXt" and rest[:1] == b"\1"):
        return None
    return _blanked(body, found)


def _webp(data: bytes, orientation: int, strip: bool, found: _Found) -> bytes:
    parts: list[tuple[bytes, bytes]] = []
    for kind, start, end in riff(data):
        body: bytes | None = data[start:end]
        if kind == b"EXIF":
            body = _webp_exif(body or b"", found)
        elif kind == b"XMP ":
            body = _blanked(body or b"", found)
        if body is None or (strip and kind not in _SHOWN_WEBP):
            found.dropped = True
            continue
        parts.append((kind, body))
    if not found.dropped and not found.gps:
        return data
    if strip and orientation != 1:
        parts.append((b"EXIF", _oriented(orientation)))
    kinds = {kind for kind, _ in parts}
    flags = _VP8X_EXIF * (b"EXIF" in kinds) | _VP8X_XMP * (b"XMP " in kinds)
    written = b"".join(_riff(kind, _flagged(body, flags) if kind == b"VP8X" else body) for kind, body in parts)
    return _riff(b"RIFF", b"WEBP" + written)


def _webp_exif(body: bytes, found: _Found) -> bytes | None:
    head = _EXIF if body.startswith(_EXIF) else b""  # not by the format's word, but by some writers'
    tiff = _without_gps(body[len(head) :], found)
    return None if tiff is None else head + tiff


def _flagged(body: bytes, flags: int) -> bytes:
    return bytes([body[0] & ~(_VP8X_EXIF | _VP8X_XMP) | flags]) + body[1:] if body else body


def _riff(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _blanked(text: bytes, found: _Found) -> bytes | None:
    """XMP or a text whose coordinates have become blanks; None where some could not be found."""
    if any(sign in text for sign in _COORDINATES):
        found.gps = True
        for form in _GPS_IN_XMP:
            text = form.sub(lambda m: b" " * len(m[0]), text)
        if any(sign in text for sign in _COORDINATES):
            return None
    found.turned |= b"tiff:Orientation" in text
    return text


def _oriented(orientation: int) -> bytes:
    """EXIF that says nothing else."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, _ORIENTATION, 3, 1, orientation, 0, 0)


def _without_gps(tiff: bytes, found: _Found) -> bytes | None:
    """EXIF of the same length without coordinates; None where it cannot be followed."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return None
    out, seen = bytearray(tiff), set[int]()
    try:
        [at] = struct.unpack_from(f"{order}I", out, 4)
        while at and at not in seen:
            seen.add(at)
            [count] = struct.unpack_from(f"{order}H", out, at)
            for n in reversed(range(count)):
                place = at + 2 + 12 * n
                tag, _, _, value = struct.unpack_from(f"{order}HHII", out, place)
                found.turned |= tag == _ORIENTATION and len(seen) == 1
                if tag == _GPS_IFD:
                    _wipe(out, order, value, found)
                    end = at + 2 + 12 * count + 4
                    out[place:end] = out[place + 12 : end] + bytes(12)
                    count -= 1
                    struct.pack_into(f"{order}H", out, at, count)
            [at] = struct.unpack_from(f"{order}I", out, at + 2 + 12 * count)
    except struct.error:
        return None
    return bytes(out)


def _wipe(out: bytearray, order: str, at: int, found: _Found) -> None:
    """Zeros in place of a directory and all that it points to. Raises struct.error."""
    [count] = struct.unpack_from(f"{order}H", out, at)
    for n in range(count):
        tag, kind, length, value = struct.unpack_from(f"{order}HHII", out, at + 2 + 12 * n)
        found.gps |= tag in (_LATITUDE, _LONGITUDE)
        size = _SIZES.get(kind, 1) * length
        if size > 4:
            if value + size > len(out):
                raise struct.error("a value lies outside")
            out[value : value + size] = bytes(size)
    end = min(len(out), at + 2 + 12 * count + 4)
    out[at:end] = bytes(end - at)


_WAYS: dict[str, Callable[[bytes, int, bool, _Found], bytes]] = {"jpeg": _jpeg, "png": _png, "webp": _webp}
