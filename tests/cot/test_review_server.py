"""The review server against clients that are slow, many, large or odd; and two reviewers who have one name."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.review_items import items, media
from support.servers import serving

from dataengine.cot.core.formats import LONGEST
from dataengine.cot.review.board import Board
from dataengine.cot.review.decisions import item_digest, logged
from dataengine.cot.review.exchange import import_decisions
from dataengine.cot.review.server import ReviewServer
from dataengine.errors import UsageError
from dataengine.storage.store import Store
from dataengine.web import server as servers


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ReviewServer]:
    running = ReviewServer(Board(items(), Store(tmp_path), "log"), media, "127.0.0.1", 0, "ann")
    with serving(running):
        yield running


def raw(server: ReviewServer, data: bytes) -> bytes:
    """All that comes back until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", server.server_address[1]), 60) as connection:
        connection.sendall(data)
        received = b""
        while part := connection.recv(1 << 16):
            received += part
        return received


def ask(
    server: ReviewServer, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, Any, list[tuple[str, str]]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=60)
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection.request(
        method,
        f"{path}{'&' if '?' in path else '?'}token={server.token}" if "token" not in path else path,
        data,
        headers or {},
    )
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    return reply.status, content, reply.getheaders()


@pytest.mark.parametrize(
    ("path", "cookie", "status"),
    [
        ("/?token=\u00e9".encode().decode("latin-1"), "", 403),
        ("/?token=%", "", 403),
        ("/?token=%ff%00", "", 403),
        ("/?token=%ud83d", "", 403),
        ("http://[?token=x", "", 400),
        ("/?token=" + "&token=".join("x" * 100), "", 400),
        ("/", "a:b=1; @=2; \x7f; review=x; =", 403),
        ("/%?", "TOKEN", 404),
        ("/media/%", "TOKEN", 200),
        ("/api/item/%ff", "TOKEN", 409),
        ("/", "other:app=1; TOKEN; {}=[]", 200),
    ],
)
def test_odd_tokens_paths_and_cookies_get_a_plain_answer(
    server: ReviewServer, capfd: pytest.CaptureFixture[str], path: str, cookie: str, status: int
) -> None:
    port = server.server_address[1]
    cookie = cookie.replace("TOKEN", f"review-{port}={server.token}")
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
    assert raw(server, request.encode("latin-1")).startswith(f"HTTP/1.1 {status} ".encode())
    assert not capfd.readouterr().err


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 1048577",
        "Content-Length: -1",
        "Content-Length: +5",
        "Content-Length: \u00b2",
        "Content-Length: " + "9" * 5000,
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 2",
        "X: y",
    ],
)
def test_a_body_without_a_bounded_length_ends_the_connection(server: ReviewServer, head: str) -> None:
    """What follows a refused request is not taken for another one."""
    port = server.server_address[1]
    request = (
        f"POST /api/decide HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: review-{port}={server.token}\r\n{head}\r\n\r\n"
    )
    received = raw(server, request.encode("latin-1") + b"GET /page.css HTTP/1.1\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 400 ") and received.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"qid": NaN}', b"[]", b"\xff", b"1"])
def test_a_body_that_is_no_decision_is_a_bad_request(server: ReviewServer, body: bytes) -> None:
    port = server.server_address[1]
    headers = {"Cookie": f"review-{port}={server.token}"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/api/decide", body, headers)
    assert connection.getresponse().status == 400
    connection.close()


def test_a_request_that_drips_in_ends_with_the_deadline(server: ReviewServer) -> None:
    server.read_seconds = 0.3
    for start in (b"GET / HT", b"POST /api/decide HTTP/1.1\r\nContent-Length: 5\r\n\r\nx"):
        with socket.create_connection(("127.0.0.1", server.server_address[1]), 60) as connection:
            connection.sendall(start)
            with pytest.raises((BrokenPipeError, ConnectionResetError)):  # the server has closed
                for _ in range(2000):
                    connection.sendall(b"x")
                    connection.settimeout(0.05)
                    try:
                        if not connection.recv(1000):
                            raise ConnectionResetError
                    except TimeoutError:
                        pass


def test_connections_are_bounded_and_come_free_again(server: ReviewServer) -> None:
    server.read_seconds = 600.0  # those that are held say nothing, and stay
    address = ("127.0.0.1", server.server_address[1])
    held = [socket.create_connection(address, 60) for _ in range(servers.CONNECTIONS)]
    try:
        with socket.create_connection(address, 60) as refused:
            assert refused.recv(1) == b""
    finally:
        for connection in held:
            connection.close()
    status, end = 0, time.monotonic() + 60
    while not status and time.monotonic() < end:
        try:
            status, _, _ = ask(server, "GET", "/page.css")
        except (ConnectionError, http.client.HTTPException):  # the threads of those that were held end one by one
            time.sleep(0.02)
    assert status == 200


def test_a_page_cannot_be_framed_and_leaks_no_address(server: ReviewServer) -> None:
    status, _, headers = ask(server, "GET", "/")
    fields = dict(headers)
    assert status == 200 and fields["X-Frame-Options"] == "DENY" and fields["Referrer-Policy"] == "no-referrer"
    policy = fields["Content-Security-Policy"]
    assert all(rule in policy for rule in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"))
    assert "Python" not in fields["Server"]


def browser(server: ReviewServer) -> dict[str, str]:
    """The cookies of a browser that has opened the page."""
    _, _, headers = ask(server, "GET", "/")
    cookies = [value.partition(";")[0] for name, value in headers if name == "Set-Cookie"]
    assert all("HttpOnly" in value and "SameSite=Strict" in value for name, value in headers if name == "Set-Cookie")
    return {"Cookie": "; ".join(cookies)}


def test_two_reviewers_of_one_name_are_two(server: ReviewServer) -> None:
    one, two = browser(server), browser(server)

    def following(cookies: dict[str, str]) -> dict[str, Any]:
        _, content, _ = ask(server, "GET", "/api/next?reviewer=ann", headers=cookies)
        return json.loads(content)  # type: ignore[no-any-return]

    def decide(cookies: dict[str, str], view: dict[str, Any], action: str) -> tuple[int, str]:
        decision = {"qid": view["item"]["qid"], "reviewer": "ann", "action": action, "item": view["digest"]}
        connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=60)
        connection.request("POST", "/api/decide", json.dumps(decision), cookies)
        reply = connection.getresponse()
        return reply.status, reply.read().decode()

    first, second = following(one), following(two)
    assert first["item"]["qid"] != second["item"]["qid"]
    status, message = decide(two, first, "accept")
    assert status == 409 and "another ann (in another browser) is reviewing this item" in message
    assert decide(one, first, "accept")[0] == 200 and decide(one, first, "reject")[0] == 200
    status, message = decide(two, first, "accept")
    assert status == 409 and "another ann (in another browser) has already decided" in message
    assert [entry.decision.action for entry in logged(server.board.store, "log")] == ["accept", "reject"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reviewer": {"name": "ann"}}, "`reviewer` of a decision must be a text"),
        ({"comment": ["x"]}, "`comment` of a decision must be a text"),
        ({"path": True}, "has no path True"),
        ({"path": "0"}, "has no path 0"),
        ({"path": [0]}, "has no path"),
        ({"action": "x" * 10_000}, "unknown action 'x{80}':"),
        ({"action": "edit", "text": "x" * (LONGEST + 1)}, "200,001 characters"),
        ({"action": "edit", "text": "<think>" * 20_000}, "does not have the form"),
    ],
)
def test_fields_of_a_decision_are_of_their_types(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    decision = {"qid": items()[0].qid, "reviewer": "ann", "action": "accept"} | change
    with pytest.raises(UsageError, match=message):
        Board(items(), Store(tmp_path), "log").decide(decision)


def test_what_is_logged_can_be_written(tmp_path: Path) -> None:
    board = Board(items(), Store(tmp_path), "log")
    board.decide({"qid": items()[0].qid, "reviewer": " a\ud83dnn\x00\n b ", "action": "reject", "comment": "\ud83d!"})
    [entry] = logged(board.store, "log")
    assert (entry.decision.reviewer, entry.decision.comment) == ("ann b", "!")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[" * 100_000, "nested deeper"),
        (b'{"qid": ' + b"[" * 100_000, "line 1: "),
        (b'[{"data": {}, "annotations": [1]}]', "task 1: its annotations"),
        (b'[{"data": {}, "annotations": {"a": 1}}]', "task 1: its annotations"),
        (
            b'[{"data": {}, "annotations": [{"result": [{"value": {"number": "x"}, "from_name": "path"}]}]}]',
            "task 1: its",
        ),
        (b'[{"data": {}, "annotations": [{"result": 5}]}]', "task 1: its annotations"),
        (b"[1]", "task 1: no data"),
        (b"\xff\xfe", "line 1"),
    ],
)
def test_a_hostile_file_of_decisions_is_a_usage_error(data: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        import_decisions(data, items())
    assert item_digest(items()[0])
