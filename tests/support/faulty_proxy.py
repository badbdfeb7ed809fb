"""A proxy that stands between a client and a real S3 server and does what networks and busy servers do.

Whoever asks is answered by the server behind, except for as many requests as a ``Fault`` says. Connections are not kept
alive, so each request is one line in ``seen``.
"""

from __future__ import annotations

import asyncio
import re
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET
from urllib.parse import urlsplit

ERRORS = {
    403: ("Forbidden", "AccessDenied", "Access Denied"),
    404: ("Not Found", "NoSuchKey", "The specified key does not exist."),
    500: ("Internal Server Error", "InternalError", "We encountered an internal error. Please try again."),
    503: ("Slow Down", "SlowDown", "Please reduce your request rate."),
}
BROKEN = ("reset", "lost_answer", "truncated", "corrupted", "corrupted_upload", "slow")


@dataclass
class Fault:
    """``kind`` is a status of ERRORS or one of BROKEN; it befalls the next ``times`` requests that fit.

    reset: the connection is torn down in the middle of the answer. lost_answer: so it is after the server has done what
    was asked, before the answer. truncated: the answer ends early. corrupted: one byte of it is another. corrupted_upload:
    so is one byte of what was sent. slow: the answer comes after ``seconds``.
    """

    kind: int | str
    method: str = "GET"
    key: str = ""
    times: int = 1
    seconds: float = 1.0

    def befalls(self, method: str, target: str) -> bool:
        return self.times > 0 and method == self.method and re.search(self.key, target) is not None


@dataclass
class FaultyProxy:
    upstream: str
    faults: list[Fault] = field(default_factory=list)
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    """``(method, target, fault or "")`` of each request."""
    url: str = ""

    def count(self, method: str, key: str = "") -> int:
        return sum(m == method and re.search(key, target) is not None for m, target, _ in self.seen)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        if b"100-continue" in head.lower():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(_length(head))
        fault = next((f for f in self.faults if f.befalls(method, target)), None)
        self.seen.append((method, target, str(fault.kind) if fault else ""))
        if fault is not None:
            fault.times -= 1
            if isinstance(fault.kind, int):
                writer.write(_error(fault.kind, method))
                await writer.drain()
                return
            if fault.kind == "slow":
                await asyncio.sleep(fault.seconds)
        kind = fault.kind if fault else ""
        head, answer = await self._ask(head, _flipped(body) if kind == "corrupted_upload" else body)
        await _give(writer, head, answer, str(kind))

    async def _ask(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        to = urlsplit(self.upstream)
        lines = [line for line in head.split(b"\r\n") if not re.match(rb"(?i)(connection|expect):", line)]
        reader, writer = await asyncio.open_connection(to.hostname, to.port)
        try:
            writer.write(b"\r\n".join([lines[0], b"Connection: close", *lines[1:]]) + body)
            await writer.drain()
            whole = await reader.read()
        finally:
            writer.close()
        head, _, answer = whole.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n", answer


async def _give(writer: asyncio.StreamWriter, head: bytes, answer: bytes, kind: str) -> None:
    if kind == "lost_answer":
        _tear(writer)
        return
    if kind == "corrupted":
        answer = _flipped(answer)
    if kind in ("reset", "truncated"):
        answer = answer[: len(answer) // 2]
    if b"connection:" not in head.lower():
        head = head[:-2] + b"Connection: close\r\n\r\n"
    writer.write(head + answer)
    await writer.drain()
    if kind == "reset":
        _tear(writer)


def _tear(writer: asyncio.StreamWriter) -> None:
    """Close with a reset instead of an orderly end."""
    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if data else data


def _length(head: bytes) -> int:
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return int(found[1]) if found else 0


def _error(status: int, method: str) -> bytes:
    reason, code, message = ERRORS[status]
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'.encode()
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + (b"" if method == "HEAD" else body)


@contextmanager
def faulty(upstream: str) -> Iterator[FaultyProxy]:
    """A proxy before ``upstream`` on a free loopback port, as long as the block lasts."""
    proxy = FaultyProxy(upstream)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(proxy.handle, "127.0.0.1", 0, limit=1 << 20))
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
