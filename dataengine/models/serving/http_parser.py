"""Incremental parser of one HTTP/1.1 response, strict and bounded in bytes."""

from __future__ import annotations

import re

from dataengine.models.serving.bounded_body import LARGEST, BodyError

_HEAD = 64 << 10
_STATUS = re.compile(rb"HTTP/1\.([01]) (\d{3})(?: [^\r\n]*)?")
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")
_NO_BODY = frozenset({204, 304})


class ResponseParser:
    """``tunnel``: of a CONNECT, whose response has no body."""

    def __init__(self, tunnel: bool = False) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = bytearray()
        self.keep_alive = False
        self.ends_with_connection = False
        self._tunnel = tunnel
        self._buffer = bytearray()
        self._left: int | None = None
        """Bytes of the body, or of its chunk, that are missing; None before the head, or the chunk's size, is read."""
        self._chunked = self._trailers = False

    def feed(self, data: bytes) -> bool:
        """True where the response is whole. Raises ValueError where it is no valid HTTP, BodyError where it is too large."""
        if self.status == 0 or self._chunked:
            self._buffer += data
            whole = self._head() if self.status == 0 else self._chunks()
        else:
            whole = self._plain(data)
        return whole

    def _head(self) -> bool:
        """The first that is none of an interim response."""
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end > _HEAD or (end < 0 and len(self._buffer) > _HEAD):
                raise ValueError("the head is too large")
            if end < 0:
                return False
            first, *lines = bytes(self._buffer[:end]).split(b"\r\n")
            del self._buffer[: end + 4]
            match = _STATUS.fullmatch(first)
            if match is None:
                raise ValueError("no status line")
            status = int(match[2])
            if not 100 <= status < 200:
                break
        self.headers = dict(_header(line) for line in lines)
        self.status = status
        connection = self.headers.get(b"connection", b"").lower()
        self.keep_alive = connection == b"keep-alive" if match[1] == b"0" else b"close" not in connection
        return self._begin()

    def _begin(self) -> bool:
        """How the body ends, from the headers, and what of it has come."""
        coding, length = self.headers.get(b"transfer-encoding"), self.headers.get(b"content-length")
        if self._tunnel or self.status in _NO_BODY:
            return True
        if coding is not None:
            if coding.lower() != b"chunked" or length is not None:
                raise ValueError("a transfer encoding that is not known")
            self._chunked = True
            return self._chunks()
        if length is None:
            self.ends_with_connection, self.keep_alive, self._left = True, False, LARGEST + 1
        elif re.fullmatch(rb"\d{1,18}", length):
            self._left = int(length)
            _bounded(self._left)
        else:
            raise ValueError("no length")
        data, self._buffer = bytes(self._buffer), bytearray()
        return self._plain(data)

    def _plain(self, data: bytes) -> bool:
        self.body += data
        self._left = (self._left or 0) - len(data)
        _bounded(len(self.body))
        if self._left < 0:
            raise ValueError("more than its length says")
        return self._left == 0

    def _chunks(self) -> bool:
        while True:
            if self._trailers:
                return self._trailer()
            if self._left is None:
                end = self._buffer.find(b"\r\n")
                if end < 0:
                    if len(self._buffer) > 256:
                        raise ValueError("no size of a chunk")
                    return False
                size = bytes(self._buffer[:end]).partition(b";")[0].strip()
                if not _SIZE.fullmatch(size):
                    raise ValueError("no size of a chunk")
                del self._buffer[: end + 2]
                self._left = int(size, 16)
                _bounded(len(self.body) + self._left)
                self._trailers = self._left == 0
            elif len(self._buffer) < self._left + 2:
                return False
            else:
                if self._buffer[self._left : self._left + 2] != b"\r\n":
                    raise ValueError("a chunk is longer than its size")
                self.body += self._buffer[: self._left]
                del self._buffer[: self._left + 2]
                self._left = None

    def _trailer(self) -> bool:
        """Lines up to an empty one, which are ignored."""
        while (end := self._buffer.find(b"\r\n")) > 0:
            del self._buffer[: end + 2]
        if end < 0 and len(self._buffer) > _HEAD:
            raise ValueError("the trailers are too large")
        return end == 0


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not name or name != name.strip():
        raise ValueError("a line that is no header")
    return name.lower(), value.strip()


def _bounded(size: int) -> None:
    if size > LARGEST:
        raise BodyError(f"more than {LARGEST:,} bytes")
