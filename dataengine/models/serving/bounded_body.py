"""Reads the body of an HTTP response within bounds: bytes as they come and after decompression."""

from __future__ import annotations

import zlib

import httpx

#: Bytes of a body, compressed or not: 32,000 tokens with log-probabilities are some 3 MB of JSON.
LARGEST = 8 << 20
#: What a request says it takes; ``body_of`` reads nothing else.
ACCEPTED = "gzip, deflate"


class BodyError(Exception):
    """A body that is too large, or not compressed as its header says."""


async def body_of(response: httpx.Response) -> bytes:
    """The decompressed body of a streamed response. Raises BodyError once either bound is passed, and as httpx does."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise BodyError("its content encoding is none that was asked for")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > LARGEST:
            raise BodyError(f"more than {LARGEST:,} bytes")
    return bytes(body) if encoding in ("identity", "") else _inflated(bytes(body))


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
