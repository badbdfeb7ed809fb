"""HTTP GET requests on libcurl: thousands of connections in one event loop, at some 20 µs of CPU a request in the library.

A request goes to an address that the caller has checked and to no other: libcurl resolves no name, follows no redirect, uses no
proxy, keeps no cookie, sends no credentials and decompresses nothing. Idle connections are bounded and reused for the same
host and address only.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from socket import socket
from typing import Any, Protocol

import certifi
import pycurl

from dataengine.errors import RunError

Headers = Sequence[tuple[bytes, bytes]]

_IDLE_SECONDS = 5
_TLS = (
    pycurl.E_SSL_CONNECT_ERROR, pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CIPHER, pycurl.E_SSL_ISSUER_ERROR,
    pycurl.E_SSL_ENGINE_INITFAILED, pycurl.E_SSL_INVALIDCERTSTATUS, pycurl.E_SSL_PINNEDPUBKEYNOTMATCH, pycurl.E_USE_SSL_FAILED,
)  # fmt: skip
_WEIRD_REPLY, _TOO_LARGE = 8, 100
"""Codes of libcurl that this binding does not name."""
_RESET = ("http_reset", "the connection was reset")
_INVALID = ("http_invalid", "the server's response is not valid HTTP, or its headers are too large")
#: Failure class and message by libcurl's code.
_ENDS = {
    pycurl.E_URL_MALFORMAT: ("bad_url", "the URL makes no valid request"),
    pycurl.E_COULDNT_CONNECT: ("http_connect", "the connection to the server failed"),
    pycurl.E_OPERATION_TIMEDOUT: ("http_timeout", "the server took too long to accept the connection"),
    pycurl.E_PARTIAL_FILE: ("http_truncated", "the connection closed before the body was complete"),
    **dict.fromkeys((pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR, pycurl.E_GOT_NOTHING), _RESET),
    **dict.fromkeys(_TLS, ("http_tls", "TLS failed: the server's certificate or encryption is not accepted")),
    **dict.fromkeys((_WEIRD_REPLY, _TOO_LARGE, pycurl.E_UNSUPPORTED_PROTOCOL, pycurl.E_BAD_CONTENT_ENCODING), _INVALID),
}


class TransferError(Exception):
    """A request that got no whole response. ``failure``: its class."""

    def __init__(self, failure: str, message: str) -> None:
        super().__init__(failure, message)
        self.failure, self.message = failure, message


class Receiver(Protocol):
    """Receives one response. What a method raises ends the transfer, and is raised by ``HttpClient.get``."""

    def head(self, status: int, headers: Headers) -> bool:
        """Status and headers; False where the body is not wanted."""
        ...

    def body(self, chunk: bytes) -> None:
        """The next bytes of the body."""
        ...


class HttpClient:
    """Lives in one event loop, that of its first request."""

    def __init__(self) -> None:
        self._multi = pycurl.AsyncCurlMulti()
        self._idle: list[Any] = []

    def keep(self, connections: int) -> None:
        """From now on keep at most so many connections open, those in use included."""
        self._multi.setopt(pycurl.M_MAXCONNECTS, connections)

    async def close(self) -> None:
        """Ends all transfers and connections."""
        await self._multi.aclose()
        while self._idle:
            self._idle.pop().close()

    async def get(
        self, url: str, address: str, headers: Sequence[str], receiver: Receiver, connect_seconds: float
    ) -> None:
        """Request ``url`` from the host at ``address``; ``headers``: request headers, Host among them. Raises TransferError and
        what ``receiver`` raises."""
        curl = self._idle.pop() if self._idle else _handle()
        transfer = _Transfer(receiver, address)
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.HTTPHEADER, headers)
        curl.setopt(pycurl.CONNECT_TO, [f"::[{address}]:" if ":" in address else f"::{address}:"])
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, int(connect_seconds * 1000)))
        curl.setopt(pycurl.OPENSOCKETFUNCTION, transfer.open)
        curl.setopt(pycurl.HEADERFUNCTION, transfer.line)
        curl.setopt(pycurl.WRITEFUNCTION, transfer.body)
        try:
            await self._multi.perform(curl)
        except pycurl.error as error:
            if not transfer.ended:
                raise _failure(curl, *error.args) from None
        finally:
            with suppress(RuntimeError):  # it is registered only where this task was cancelled
                self._multi.remove_handle(curl)
            self._idle.append(curl)
        if transfer.error:
            raise transfer.error
        if not transfer.answered:
            raise TransferError(*_RESET)


def _handle() -> Any:
    """An easy handle that does nothing of its own accord."""
    curl = pycurl.Curl()
    for option, value in (
        (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
        (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
        (pycurl.HTTP09_ALLOWED, 0),
        (pycurl.HTTP_CONTENT_DECODING, 0),
        (pycurl.PATH_AS_IS, 1),
        (pycurl.PROXY, ""),
        (pycurl.NOPROXY, "*"),
        (pycurl.NOSIGNAL, 1),
        (pycurl.MAXAGE_CONN, _IDLE_SECONDS),
        (pycurl.BUFFERSIZE, 64 << 10),
        (pycurl.CAINFO, os.environ.get("SSL_CERT_FILE") or certifi.where()),
    ):
        curl.setopt(option, value)
    if folder := os.environ.get("SSL_CERT_DIR"):
        curl.setopt(pycurl.CAPATH, folder)
    return curl


def _failure(curl: Any, code: int, message: str) -> Exception:
    if code == pycurl.E_SSL_CACERT_BADFILE:
        return RunError(
            "the certificates of authorities cannot be read: unset SSL_CERT_FILE, or name a file of certificates in it"
        )
    if code == pycurl.E_SSL_CONNECT_ERROR and curl.getinfo(pycurl.OS_ERRNO):
        code = pycurl.E_COULDNT_CONNECT  # the connection ended during the handshake
    if code == pycurl.E_RECV_ERROR and "chunk" in message:
        return TransferError(*_INVALID)
    return TransferError(*_ENDS.get(code, ("http_error", f"the request failed: libcurl's error {code}")))


@dataclass
class _Transfer:
    """libcurl's callbacks for one request. None of them may raise."""

    receiver: Receiver
    address: str
    error: Exception | None = None
    answered: bool = False
    """The head of the response is whole."""
    ended: bool = False
    """The receiver wants nothing more: libcurl's error is the consequence."""
    _lines: list[bytes] = field(default_factory=list)

    def open(self, _purpose: int, address: Any) -> Any:
        """A socket for the address that was checked."""
        family, kind, protocol, place = address
        if ip_address(place[0]) != ip_address(self.address.partition("%")[0]):
            return pycurl.SOCKET_BAD
        return socket(family, kind, protocol)

    def line(self, line: bytes) -> int:
        """A line of a response's head, of which informational ones (1xx) may come first, or of trailers, which are ignored."""
        if self.answered:
            return len(line)
        if line.strip(b"\r\n"):
            self._lines.append(line)
            return len(line)
        status, *lines = self._lines
        self._lines = []
        code = int(status.split(None, 2)[1])
        if code < 200 and code != 101:
            return len(line)
        self.answered = True
        try:
            if self.receiver.head(code, _parsed(lines)):
                return len(line)
        except Exception as error:
            self.error = error
        self.ended = True
        return 0

    def body(self, chunk: bytes) -> int:
        try:
            self.receiver.body(chunk)
        except Exception as error:
            self.error, self.ended = error, True
            return 0
        return len(chunk)


def _parsed(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    """``(name in lower case, value)`` of header lines; a line that begins with white space continues the one before it."""
    headers: list[tuple[bytes, bytes]] = []
    for line in lines:
        if line[:1] in b" \t" and headers:
            headers[-1] = (headers[-1][0], headers[-1][1] + b" " + line.strip())
        else:
            name, _, value = line.partition(b":")
            headers.append((name.strip().lower(), value.strip()))
    return headers
