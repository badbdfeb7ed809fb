"""HTTP server of the review page, for people on this machine or behind a tunnel.

Standard library only; the page loads nothing from elsewhere. Opening it needs the token in its address; requests of other
origins and for other host names are refused, and everything shown is inserted as text.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from http import HTTPStatus
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from dataengine.cot.review.board import Board
from dataengine.errors import DataEngineError

Media = Callable[[str], tuple[str, bytes]]
"""Content type and bytes by sample id, or of an item's picture by ``QID/NAME``. Raises KeyError."""

_STATIC = {"/page.js": "text/javascript", "/page.css": "text/css"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'"
)
_LARGEST = 1 << 20


class ReviewServer(ThreadingHTTPServer):
    """``serve_forever()`` until ``shutdown()``; ``address`` is the URL to open."""

    daemon_threads = True

    def __init__(self, board: Board, media: Media, host: str, port: int, reviewer: str = "") -> None:
        super().__init__((host, port), _Handler)
        self.board, self.media, self.reviewer = board, media, reviewer
        self.token = secrets.token_urlsafe(16)

    @property
    def address(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}/?token={self.token}"


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""

    def _answer(self, serve: Callable[[], None]) -> None:
        if not self._authorised():
            self._send(
                HTTPStatus.FORBIDDEN,
                "text/plain",
                b"open the address that the command printed, with its token",
            )
            return
        try:
            serve()
        except DataEngineError as error:
            self._json({"error": str(error)}, HTTPStatus.CONFLICT)
        except (KeyError, FileNotFoundError):
            self._json({"error": f"not found: {self.path}"}, HTTPStatus.NOT_FOUND)
        except ValueError as error:
            self._json({"error": f"bad request: {error}"}, HTTPStatus.BAD_REQUEST)

    def _authorised(self) -> bool:
        """The token is right, and host and origin are this server's."""
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get(self._cookie)
        token = parse_qs(urlsplit(self.path).query).get("token", [""])[0] or (cookie.value if cookie else "")
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        port = self.server.server_address[1]
        bound = str(self.server.server_address[0])
        names = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", bound)}
        local = host in names or bound not in ("127.0.0.1", "localhost")
        return secrets.compare_digest(token, self.server.token) and local and origin in (None, f"http://{host}")

    @property
    def _cookie(self) -> str:
        return f"review-{self.server.server_address[1]}"

    def _get(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/":
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", _file("page.html"), self._set_cookie())
        elif parts.path in _STATIC:
            self._send(HTTPStatus.OK, f"{_STATIC[parts.path]}; charset=utf-8", _file(parts.path[1:]))
        elif parts.path == "/api/next":
            reviewer = query.get("reviewer") or self.server.reviewer
            self._json(self.server.board.next(reviewer, query.get("after", "")) | {"reviewer": reviewer})
        elif parts.path.startswith("/api/item/"):
            self._json(self.server.board.show(parts.path.removeprefix("/api/item/")))
        elif parts.path.startswith("/media/"):
            kind, data = self.server.media(unquote(parts.path.removeprefix("/media/")))
            self._send(HTTPStatus.OK, kind, data)
        else:
            raise KeyError(parts.path)

    def _post(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= _LARGEST or self.path != "/api/decide":
            raise ValueError("post a decision to /api/decide as JSON of at most 1 MB")
        fields = json.loads(self.rfile.read(length))
        if not isinstance(fields, dict):
            raise ValueError("a decision must be a JSON object")
        self._json(self.server.board.decide(fields))

    def _set_cookie(self) -> dict[str, str]:
        return {"Set-Cookie": f"{self._cookie}={self.server.token}; HttpOnly; SameSite=Strict; Path=/"}

    def _json(self, value: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(status, "application/json", json.dumps(value).encode())

    def _send(self, status: HTTPStatus, kind: str, data: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(data)), "Cache-Control": "no-store"}
        headers |= {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff", **(more or {})}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _file(name: str) -> bytes:
    return files("dataengine.cot.review").joinpath(name).read_bytes()
