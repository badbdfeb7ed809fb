"""Responses as they come off the wire: in any pieces, in each way to end a body, and those that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.models.serving.bounded_body import LARGEST, BodyError
from dataengine.models.serving.http import Url
from dataengine.models.serving.http_parser import ResponseParser

OK = b"HTTP/1.1 200 OK\r\n"


def fed(data: bytes, step: int = 1 << 20) -> ResponseParser | None:
    parser = ResponseParser()
    whole = False
    for start in range(0, len(data), step):
        assert not whole, "it was whole before"
        whole = parser.feed(data[start : start + step])
    return parser if whole else None


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("response", "body", "keep_alive"),
    [
        (OK + b"Content-Length: 5\r\n\r\nhello", b"hello", True),
        (OK + b"content-length:0\r\n\r\n", b"", True),
        (OK + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello", b"hello", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello", b"hello", True),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", b"hello", True),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n", b"hello", True),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\nx", b"x", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
        (b"HTTP/1.1 500\r\nContent-Length: 1\r\n\r\nx", b"x", True),
    ],
)
def test_responses(response: bytes, body: bytes, keep_alive: bool, step: int) -> None:
    parser = fed(response, step)
    assert parser is not None and bytes(parser.body) == body and parser.keep_alive is keep_alive


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    parser = ResponseParser()
    assert not parser.feed(OK + b"\r\nhel") and not parser.feed(b"lo")
    assert parser.ends_with_connection and bytes(parser.body) == b"hello"


@pytest.mark.parametrize(
    "response",
    [
        b"220 smtp\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        OK + b"no colon\r\n\r\n",
        OK + b"Name : value\r\n\r\n",
        OK + b"Content-Length: -5\r\n\r\n",
        OK + b"Content-Length: five\r\n\r\n",
        OK + b"Content-Length: 1\r\n\r\nxx",
        OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK + b"Transfer-Encoding: gzip\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 300,
        OK + b"X: " + b"x" * 70_000,
    ],
)
def test_what_is_no_response(response: bytes) -> None:
    with pytest.raises(ValueError, match=r"^[a-zA-Z]"):
        fed(response)


@pytest.mark.parametrize(
    "response",
    [
        OK + b"Content-Length: %d\r\n\r\n" % (LARGEST + 1),
        OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (LARGEST + 1),
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + (b"100000\r\n" + b"x" * (1 << 20) + b"\r\n") * 9,
    ],
)
def test_a_body_that_is_too_large_is_not_received(response: bytes) -> None:
    with pytest.raises(BodyError, match="more than 8,388,608 bytes"):
        fed(response)


@given(st.lists(st.binary(max_size=60), max_size=4), st.integers(1, 20))
def test_any_bytes_end_in_a_response_or_its_errors(pieces: list[bytes], step: int) -> None:
    for head in (b"", OK, OK + b"Transfer-Encoding: chunked\r\n\r\n", OK + b"Content-Length: 9\r\n\r\n"):
        parser = ResponseParser()
        data = head + b"\r\n".join(pieces)
        try:
            for start in range(0, len(data), step):
                if parser.feed(data[start : start + step]):
                    break
        except (ValueError, BodyError):
            continue
        assert len(parser.body) <= len(data)


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("http://h:8000/v1", "h:8000", "/v1"),
        ("https://h/v1/", "h:443", "/v1"),
        ("http://[::1]:80/v1", "[::1]:80", "/v1"),
        ("http://ann:p%40ss@h/v1", "h:80", "/v1"),
    ],
)
def test_urls(url: str, authority: str, path: str) -> None:
    parts = Url.of(url)
    assert (parts.authority, parts.path) == (authority, path) and "p@ss" not in repr(parts)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h/v1",
        "http:///v1",
        "http://h:0/v1",
        "http://h:99999/v1",
        "http://h/v1?key=1",
        "http://h/v 1",
        "http://h\r\nX: y/v1",
        "http://[::1/v1",
    ],
)
def test_what_is_no_base_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"^[a-zA-Z]"):
        Url.of(url)
