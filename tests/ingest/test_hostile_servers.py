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
CONFIG = HttpConfig(delay=0, backoff=0, tries=1, timeout=2, allow_private=True)


@pytest.fixture(scope="module")
def site() -> Iterator[Web]:
    with web() as server:
        yield server


def response(head: str, body: bytes = b"") -> bytes:
    return f"HTTP/1.1 {head}\r\n\r\n".replace("\n", "\r\n").replace("\r\r", "\r").encode() + body


OK = "200 OK\nContent-Length: 4"
CASES: dict[str, tuple[bytes, bytes | str]] = {
    "early-hints": (response("103 Early\nLink: </a>") + response("100 Continue") + response(OK, b"body"), b"body"),
    "only-early-hints": (response("103 Early") * 3, "http_reset"),
    "http-1.0": (b"HTTP/1.0 200 OK\r\n\r\nbody", b"body"),
    "no-reason": (response("200\nContent-Length: 4", b"body"), b"body"),
    "folded-header": (response("200 OK\nX-Robots-Tag: nofollow,\n noai\nContent-Length: 4", b"body"), "opted_out"),
    "header-like-a-status": (response("200 OK\nHTTP/2: x\nContent-Length: 4", b"body"), b"body"),
    "chunked": (response("200 OK\nTransfer-Encoding: chunked", b"2\r\nbo\r\n2;x=y\r\ndy\r\n0\r\nX-Robots-Tag: noai\r\n\r\n"), b"body"),
    "chunked-cut": (response("200 OK\nTransfer-Encoding: chunked", b"8\r\nbo"), "http_truncated"),
    "chunked-badly": (response("200 OK\nTransfer-Encoding: chunked", b"zz\r\nbody"), "http_invalid"),
    "chunk-size-overflow": (response("200 OK\nTransfer-Encoding: chunked", b"f" * 20 + b"\r\nx"), "http_invalid"),
    "gzip-in-transfer": (response("200 OK\nTransfer-Encoding: gzip, chunked", b"0\r\n\r\n"), "http_encoding"),
    "length-and-chunked": (response(f"{OK}\nTransfer-Encoding: chunked", b"2\r\nbo\r\n0\r\n\r\n"), b"bo"),
    "length-negative": (response("200 OK\nContent-Length: -5", b"body"), "http_invalid"),
    "length-overflow": (response(f"200 OK\nContent-Length: {'9' * 30}", b"body"), "http_invalid"),
    "length-too-small": (response("200 OK\nContent-Length: 2", b"body"), b"bo"),
    "length-too-large": (response("200 OK\nContent-Length: 9", b"body"), "http_truncated"),
    "garbage": (b"\x00\xff" * 500, "http_invalid"),
    "http-0.9": (b"<html>a page</html>", "http_invalid"),
    "http-3": (b"HTTP/3.7 200 OK\r\n\r\nbody", "http_invalid"),
    "status-0": (response("000 Nothing"), "http_invalid"),
    "nothing": (b"", "http_reset"),
    "head-cut": (b"HTTP/1.1 200 OK\r\nContent-Le", "http_reset"),
    "switch": (response("101 Switching Protocols\nUpgrade: websocket"), "http_101"),
    "no-content": (response("204 No Content"), "http_204"),
    "partial": (response("206 Partial Content\nContent-Length: 4", b"body"), "http_206"),
    "header-too-long": (response(f"200 OK\nX: {'x' * 400_000}"), "http_invalid"),
    "headers-too-many": (response("200 OK" + "\nX: y" * 6000), "http_invalid"),
    "nul-in-header": (b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 4\r\n\r\nbody", "http_invalid"),
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
        assert "body" not in error.message
    assert result == expected
