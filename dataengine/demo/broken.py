"""Damaged and hostile files for the demo corpus: truncated, corrupted, mislabelled, oversized, decompression bombs."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib

from PIL import Image

from dataengine.demo.clips import without_frames
from dataengine.errors import UsageError

_NOISE_BYTES = 20_000
_OVERSIZED = (2500, 2300)
"""17.25 MB as 24-bit BMP; the demo recipe allows 16 MB."""
_BOMB_SIDE = 30_000
_HTML = b"""<!DOCTYPE html>
<html><head><title>404 Not Found</title></head>
<body><h1>Not Found</h1><p>The requested picture was not found on this server.</p></body></html>
"""
_TEXT = b"These are notes about a video, not a video.\nScene 1: a cat. Scene 2: another cat.\n" * 20


def make(kind: str, of: bytes = b"", keep: float = 1.0) -> bytes | None:
    """Bytes of a bad file; None for kinds without a media file. ``of``: a valid file to damage, ``keep``: share of it to keep.
    Raises UsageError on an unknown kind."""
    if kind in ("missing", "orphan", "bad-row"):
        return None
    makers = {
        "cut": lambda: of[: int(len(of) * keep)],
        "damage": lambda: damaged(of),
        "empty": lambda: b"",
        "html": lambda: _HTML,
        "text": lambda: _TEXT,
        "noise": lambda: noise(_NOISE_BYTES),
        "oversized": oversized,
        "bomb": bomb,
        "no-frames": without_frames,
    }
    if kind not in makers:
        raise UsageError(f"planted.yaml: unknown kind of bad file {kind!r}; known: {', '.join(sorted(makers))}")
    return makers[kind]()


def noise(size: int) -> bytes:
    """``size`` pseudo-random bytes, always the same, that match no media format."""
    blocks = (hashlib.sha256(b"noise %d" % i).digest() for i in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def damaged(data: bytes) -> bytes:
    """``data`` with 64 bytes in the middle inverted: complete but corrupt."""
    start = len(data) // 2
    return data[:start] + bytes(b ^ 0xFF for b in data[start : start + 64]) + data[start + 64 :]


def oversized() -> bytes:
    """A valid BMP of more than 16 MB."""
    out = io.BytesIO()
    Image.linear_gradient("L").resize(_OVERSIZED).convert("RGB").save(out, "BMP")
    return out.getvalue()


def bomb() -> bytes:
    """A decompression bomb: a PNG of 110 kB with 30,000 x 30,000 black pixels."""
    row = bytes(1 + _BOMB_SIDE // 8)
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(row) for _ in range(_BOMB_SIDE)) + packer.flush()
    header = struct.pack(">IIBBBBB", _BOMB_SIDE, _BOMB_SIDE, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
