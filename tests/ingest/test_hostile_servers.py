"""Servers that break HTTP: each response has its class, and none reaches further than its own URL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.web_server import Page, Web, web

from dataengine.config.sources import HttpConfig
from dataengine.errors import InputError
from dataengine.ingest.download import fetch_once
from dataengine.media.limits import Limits

LIMITS = Limits(bytes=100_000)
CONFIG = HttpConfig(delay=0, backoff=0, tries=1, timeout=60, allow_private=True)


@pytest.fixture(scope="module")
def site() -> Iterator[Web]:
    with web() as server:
        yield server


def response(head: str, body: bytes = b"") -> bytes:
    return f"HTTP/1.1 {head}\r\n\r\n".replace("\n", "\r\n").replace("\r\r", "\r").encode() + body


OK, CHUNKED = "200 OK\nContent-Length: 4", "200 OK\nTransfer-Encoding: chunked"
CASES: dict[str, tuple[bytes, bytes | str]] = {
    "early-hints": (response("103 Early\nLink: </a>") + response("100 Continue") + response(OK, b"kxqz"), b"kxqz"),
    "only-early-hints": (response("103 Early") * 3, "http_reset"),
    "http-1.0": (b"HTTP/1.0 200 OK\r\n\r\nkxqz", b"kxqz"),
    "no-reason": (response("200\nContent-Length: 4", b"kxqz"), b"kxqz"),
    "folded-header": (response("200 OK\nX-Robots-Tag: nofollow,\n noai\nContent-Length: 4", b"kxqz"), "opted_out"),
    "header-like-a-status": (response("200 OK\nHTTP/2: x\nContent-Length: 4", b"kxqz"), b"kxqz"),
    "trailers": (response(CHUNKED, b"2;x\r\nkx\r\n2\r\nqz\r\n0\r\ntdm-reservation: 1\r\n\r\n"), b"kxqz"),
    "chunked-cut": (response(CHUNKED, b"8\r\nkx"), "http_truncated"),
    "chunked-badly": (response(CHUNKED, b"zz\r\nkxqz"), "http_invalid"),
    "chunk-size-overflow": (response(CHUNKED, b"f" * 20 + b"\r\nx"), "http_invalid"),
    "gzip-in-transfer": (response("200 OK\nTransfer-Encoding: gzip, chunked", b"0\r\n\r\n"), "http_invalid"),
    "length-and-chunked": (response(f"{OK}\nTransfer-Encoding: chunked", b"2\r\nkx\r\n0\r\n\r\n"), b"kx"),
    "length-negative": (response("200 OK\nContent-Length: -5", b"kxqz"), "http_invalid"),
    "length-overflow": (response(f"200 OK\nContent-Length: {'9' * 30}", b"kxqz"), b"kxqz"),
    "length-too-small": (response("200 OK\nContent-Length: 2", b"kxqz"), b"kx"),
    "length-too-large": (response("200 OK\nContent-Length: 9", b"kxqz"), "http_truncated"),
    "garbage": (b"\x00\xff" * 500, "http_invalid"),
    "http-0.9": (b"<html>a page</html>", "http_invalid"),
    "status-0": (response("000 Nothing"), "http_invalid"),
    "nothing": (b"", "http_reset"),
    "head-cut": (b"HTTP/1.1 200 OK\r\nContent-Le", "http_reset"),
    "switch": (response("101 Switching Protocols\nUpgrade: websocket"), "http_101"),
    "no-content": (response("204 No Content"), "http_204"),
    "partial": (response("206 Partial Content\nContent-Length: 4", b"kxqz"), "http_206"),
    "header-too-long": (response(f"200 OK\nX: {'x' * 400_000}"), "http_invalid"),
    "headers-too-many": (response("200 OK" + "\nX: y" * 6000), "http_invalid"),
    "nul-in-header": (b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 4\r\n\r\nkxqz", "http_invalid"),
    "moved-nowhere": (response("302 Found\nLocation: "), "http_redirects"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_responses_that_are_odd_or_broken(site: Web, case: str) -> None:
    raw, expected = CASES[case]
    site.pages[f"/{case}"] = Page(raw, how="raw", seconds=0)
    try:
        result: bytes | str = fetch_once(site.url(f"/{case}"), LIMITS, CONFIG)
    except InputError as error:
        result = error.failure
        assert "kxqz" not in error.message
    assert result == expected
