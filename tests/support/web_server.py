"""A web server that misbehaves as told: real sockets on 127.0.0.1 and 127.0.0.2, which are two hosts."""

from __future__ import annotations

import asyncio
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET

from support.servers import free_port

HOSTS = ("127.0.0.1", "127.0.0.2")


@dataclass
class Page:
    """What a path answers. ``first``: answers before it, one a request. ``how``: full, or reset, truncated, silent (no answer
    for ``seconds``), slow (one byte every 0.05 s), raw (the body is all that is sent, and the connection stays open for
    ``seconds``), endless (it is sent for ever)."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    how: str = "full"
    first: list[Page] = field(default_factory=list)
    seconds: float = 5.0
    length: int | None = None
    """Content-Length where it is not the body's; -1: none is sent, the body ends with the connection."""


@dataclass
class Web:
    port: int
    pages: dict[str, Page] = field(default_factory=dict)
    seen: list[tuple[float, str, str]] = field(default_factory=list)
    """``(seconds, host, path)`` of each request."""
    agents: set[str] = field(default_factory=set)
    busy: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    """Requests at once, at most, by host."""
    heads: list[str] = field(default_factory=list)
    """Of each request."""
    open: int = 0
    """Connections now, ``opened`` of all that there were."""
    opened: int = 0

    def url(self, path: str, host: str = HOSTS[0]) -> str:
        return f"http://{host}:{self.port}{path}"

    def asked(self, path: str) -> int:
        return sum(p == path for _, _, p in self.seen)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = writer.get_extra_info("sockname")[0]
        self.open += 1
        self.opened += 1
        try:
            while await self._one(host, reader, writer):
                continue
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _one(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ")[1]
        self.heads.append(head)
        self.seen.append((time.monotonic(), host, path))
        self.agents |= {line.partition(": ")[2] for line in head.splitlines() if line.startswith("User-Agent")}
        self.busy[host] += 1
        self.most[host] = max(self.most[host], self.busy[host])
        try:
            page = self.pages.get(path, Page(b"not here", 404))
            page = page.first.pop(0) if page.first else page
            return await self._answer(page, writer)
        finally:
            self.busy[host] -= 1

    async def _answer(self, page: Page, writer: asyncio.StreamWriter) -> bool:
        if page.how == "silent":
            await asyncio.sleep(page.seconds)
            return False
        if page.how in ("raw", "endless"):
            writer.write(page.body)
            while page.how == "endless":
                await writer.drain()
                writer.write(page.body)
            await writer.drain()
            await asyncio.sleep(page.seconds)
            return page.seconds < 0
        length = len(page.body) if page.length is None else page.length
        lines = [f"HTTP/1.1 {page.status} Said", *(f"{k}: {v}" for k, v in page.headers)]
        lines += [f"Content-Length: {length}"] if length >= 0 else ["Connection: close"]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if page.how in ("reset", "truncated"):
            writer.write(page.body[: len(page.body) // 2])
            await writer.drain()
            await asyncio.sleep(0.02)
            if page.how == "reset":
                writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            return False
        for at in range(0, len(page.body), 1 if page.how == "slow" else 1 << 20):
            writer.write(page.body[at : at + (1 if page.how == "slow" else 1 << 20)])
            await writer.drain()
            await asyncio.sleep(0.05 if page.how == "slow" else 0)
        return length >= 0


@contextmanager
def web(hosts: Sequence[str] = HOSTS, tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """A server in a thread of its own."""
    loop = asyncio.new_event_loop()
    server = Web(free_port())
    for host in hosts:
        loop.run_until_complete(asyncio.start_server(server.handle, host, server.port, ssl=tls))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.05))
        loop.close()
