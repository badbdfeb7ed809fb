"""Media type detection by content, never by name: a closed list of containers, so that FFmpeg is given its demuxer and cannot be
tricked into one that opens other files or hosts (playlists, concatenations).
"""

from __future__ import annotations

from dataclasses import dataclass

from dataengine.errors import InputError
from dataengine.media.truncation import ASF

_STILL_BRANDS = (b"avif", b"avis", b"mif1", b"msf1", b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis")
_HEIF_BRANDS = _STILL_BRANDS[2:]


@dataclass(frozen=True)
class Media:
    """A media type: ``kind`` image or video; ``format`` as in ``contracts.FACTS``; ``ext`` without dot; ``demuxer`` FFmpeg's
    name."""

    kind: str
    format: str
    ext: str
    demuxer: str = ""


def _video(format_: str, ext: str, demuxer: str) -> Media:
    return Media("video", format_, ext, demuxer)


_MATROSKA, _WEBM = _video("matroska", "mkv", "matroska"), _video("webm", "webm", "matroska")
_MP4, _MOV = _video("mp4", "mp4", "mov"), _video("mov", "mov", "mov")
_3GP, _3G2 = _video("3gp", "3gp", "mov"), _video("3g2", "3g2", "mov")
_TS = _video("mpegts", "ts", "mpegts")
_MAGIC = (
    (b"FLV\x01", _video("flv", "flv", "flv")),
    (ASF, _video("asf", "wmv", "asf")),
    (b"OggS", _video("ogg", "ogv", "ogg")),
    (b"\0\0\1\xba", _video("mpeg", "mpg", "mpeg")),
    (b"\0\0\1\xb3", _video("mpegvideo", "m1v", "mpegvideo")),
    (b".RMF", _video("rm", "rm", "rm")),
)


def video_format(data: bytes) -> Media | None:
    """The container of a video; None if it is not a known one (it may be an image)."""
    if data.startswith(b"\x1a\x45\xdf\xa3"):
        return _WEBM if b"webm" in data[:64] else _MATROSKA
    if data.startswith(b"RIFF") and data[8:12] == b"AVI ":
        return _video("avi", "avi", "avi")
    if data[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return _iso(data)
    if len(data) > 376 and data[0] == data[188] == data[376] == 0x47:
        return _TS
    return next((media for magic, media in _MAGIC if data.startswith(magic)), None)


def _iso(data: bytes) -> Media | None:
    if data[4:8] != b"ftyp":
        return _MOV
    brand = data[8:12]
    if brand in _STILL_BRANDS:
        if brand in _HEIF_BRANDS and b"avif" not in data[16:64]:
            raise InputError("not_media", "HEIF/HEIC pictures are not supported: convert it to JPEG or AVIF")
        return None
    if brand == b"qt  ":
        return _MOV
    return {b"3gp": _3GP, b"3g2": _3G2}.get(brand[:3], _MP4)
