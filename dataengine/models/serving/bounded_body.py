"""Bounds of the body of an HTTP response: bytes as they come and after decompression."""

from __future__ import annotations

import zlib

#: Bytes of a body, compressed or not: 32,000 tokens with log-probabilities are some 3 MB of JSON.
LARGEST = 8 << 20
#: What a request says it takes; ``decompressed`` reads nothing else.
ACCEPTED = "gzip, deflate"


class BodyError(Exception):
    """A body that is too large, or not compressed as its header says."""


def decompressed(body: bytes, encoding: str) -> bytes:
    """The data of a body of at most ``LARGEST`` bytes. Raises BodyError once they are more, or for an encoding that was not asked
    for."""
    if encoding in ("identity", ""):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise BodyError("its content encoding is none that was asked for")
    return _inflated(body)


def _inflated(body: bytes) -> bytes:
    """gzip or zlib data; the raw deflate that some servers send instead of zlib is none of these."""
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        data = stream.decompress(body, LARGEST + 1)
    except zlib.error:
        raise BodyError("its compression is damaged") from None
    if len(data) > LARGEST:
        raise BodyError(f"more than {LARGEST:,} bytes after decompression")
    if not stream.eof:
        raise BodyError("its compressed data end early")
    return data
