"""A private page for people on this machine or behind a tunnel: HTTP server with a token in its address.

Standard library only; pages load nothing from elsewhere. Opening one needs the token; requests of other origins and for other
host names are refused. Connections, bodies and the time that a request may take to come in are bounded.
"""

from __future__ import annotations

import io
import json
import re
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dataengine.errors import DataEngineError, InputError
from dataengine.text.bounded_json import parse_json

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_ICON = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
_STATIC = {"js": "text/javascript", "css": "text/css", "html": "text/html"}
_OWN = re.compile(rf"[a-z]+(?:_[a-z]+)*\.({'|'.join(_STATIC)})")
"""Names of a page's own files."""
LARGEST = 1 << 20
"""Bytes of a request's body."""
CONNECTIONS = 64
READ_SECONDS, WRITE_SECONDS = 30.0, 300.0
"""For a whole request to come in, and for a whole response to go out."""


class PrivateServer(ThreadingHTTPServer):
    """``serve_forever()`` until ``shutdown()``; ``address`` is the URL to open. More than CONNECTIONS at once are closed.
    ``name``: of its cookies; ``package``: where the page's files lie (page.html, its scripts and styles)."""

    daemon_threads = True
    request_queue_size = CONNECTIONS

    def __init__(self, handler: type[PrivateHandler], host: str, port: int, name: str, package: str) -> None:
        super().__init__((host, port), handler)
        self.name, self.package = name, package
        self.token = secrets.token_urlsafe(16)
        self.read_seconds = READ_SECONDS
        self._slots = threading.Semaphore(CONNECTIONS)

    @property
    def address(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}/?token={self.token}"

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Input(io.RawIOBase):
    """What a client sends, until a deadline that no slow sending moves."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.deadline = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the request did not come in in time")
        self._connection.settimeout(remaining)
        return self._connection.recv_into(buffer)


class PrivateHandler(BaseHTTPRequestHandler):
    """Answers requests that bring the token. A subclass serves what its page asks for by ``get`` and ``post``; what they raise is
    answered: InputError and ValueError as a bad request, KeyError and FileNotFoundError as not found."""

    server: PrivateServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "dataengine", ""

    def get(self, path: str, query: dict[str, str]) -> None:
        """Serve a path that is none of the page's own files. Raises KeyError."""
        raise KeyError(path)

    def post(self, path: str, fields: dict[str, Any]) -> None:
        """Take the JSON object that was sent to a path. Raises KeyError."""
        raise KeyError(path)

    def setup(self) -> None:
        super().setup()
        self._input = _Input(self.connection)
        self.rfile.close()
        self.rfile = io.BufferedReader(self._input)

    def handle_one_request(self) -> None:
        self._input.deadline = time.monotonic() + self.server.read_seconds
        super().handle_one_request()

    def do_GET(self) -> None:
        self._answer(self._page)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""

    def _answer(self, serve: Callable[[], None]) -> None:
        try:
            if self._authorised():
                serve()
            else:
                text = b"open the address that the command printed, with its token"
                self.send(HTTPStatus.FORBIDDEN, "text/plain", text)
        except InputError as error:
            self.send_json({"error": f"bad request: {error.message}"}, HTTPStatus.BAD_REQUEST)
        except DataEngineError as error:
            self.send_json({"error": str(error)}, HTTPStatus.CONFLICT)
        except (KeyError, FileNotFoundError):
            self.send_json({"error": f"not found: {self.path}"}, HTTPStatus.NOT_FOUND)
        except ValueError as error:
            self.send_json({"error": f"bad request: {error}"}, HTTPStatus.BAD_REQUEST)

    def _authorised(self) -> bool:
        """The token is right, and host and origin are this server's."""
        token = self._query().get("token", "") or self._cookies().get(self._cookie, "")
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        port = self.server.server_address[1]
        bound = str(self.server.server_address[0])
        names = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", bound)}
        local = host in names or bound not in ("127.0.0.1", "localhost")
        same = secrets.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode())
        return same and local and origin in (None, f"http://{host}")

    def _query(self) -> dict[str, str]:
        """Raises ValueError for what is no query."""
        values = parse_qs(urlsplit(self.path).query, max_num_fields=16)
        return {name: value[0] for name, value in values.items()}

    def _cookies(self) -> dict[str, str]:
        """Those of other servers on this host may have any form."""
        pairs = (part.strip().partition("=") for part in self.headers.get("Cookie", "").split(";"))
        return {name: value for name, _, value in pairs}

    @property
    def _cookie(self) -> str:
        return f"{self.server.name}-{self.server.server_address[1]}"

    @property
    def browser(self) -> str:
        """Which browser asks: reviewers of one name in two browsers are two."""
        return self._cookies().get(f"{self._cookie}-browser", "")[:64]

    def _page(self) -> None:
        path, query = urlsplit(self.path).path, self._query()
        name = "page.html" if path == "/" else path[1:]
        own = _OWN.fullmatch(name)
        if own is not None and (file := files(self.server.package).joinpath(name)).is_file():
            kind = f"{_STATIC[own[1]]}; charset=utf-8"
            cookies = self._new_cookies() if path == "/" else []
            self.send(HTTPStatus.OK, kind, file.read_bytes(), cookies)
        elif path == "/favicon.ico":
            self.send(HTTPStatus.OK, "image/svg+xml", _ICON)
        else:
            self.get(path, query)

    def _post(self) -> None:
        length = self.headers.get("Content-Length") or ""
        plain = length.isascii() and length.isdigit() and "Transfer-Encoding" not in self.headers
        if not (plain and 0 < int(length[:10]) <= LARGEST):
            raise ValueError("send JSON of at most 1 MB with its Content-Length")
        fields = parse_json(self.rfile.read(int(length)), size=LARGEST)
        if not isinstance(fields, dict):
            raise ValueError("the body must be a JSON object")
        self.post(urlsplit(self.path).path, fields)

    def _new_cookies(self) -> list[tuple[str, str]]:
        browser = self.browser or secrets.token_urlsafe(8)
        pairs = ((self._cookie, self.server.token), (f"{self._cookie}-browser", browser))
        return [("Set-Cookie", f"{name}={value}; HttpOnly; SameSite=Strict; Path=/") for name, value in pairs]

    def send_json(self, value: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send(status, "application/json", json.dumps(value).encode())

    def send(self, status: HTTPStatus, kind: str, data: bytes, more: Sequence[tuple[str, str]] = ()) -> None:
        """Answer with ``data``; ``more`` are headers beside or instead of the usual ones. A refusal ends the connection: what was
        not read of its request would be taken for the next one."""
        self.connection.settimeout(WRITE_SECONDS)
        self.send_response(status)
        refused = status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
        ending = [("Connection", "close")] if refused else []
        lengths = [("Content-Type", kind), ("Content-Length", str(len(data)))]
        replaced = {name for name, _ in more}
        always = [(name, value) for name, value in _HEADERS.items() if name not in replaced]
        for name, value in [*lengths, *always, *ending, *more]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
