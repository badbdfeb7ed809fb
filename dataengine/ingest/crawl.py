"""Concurrent download of a part's URLs, yielded in a fixed order whatever the order of arrival.

The order is round-robin over the hosts, so that a large host does not hold up the others. Downloaded bodies wait for their turn
in memory or, beyond a bound, on disk. The event loop has a thread of its own, so that files are decoded while others are
downloaded; it and its connections are kept from part to part.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

from dataengine.config.sources import HttpConfig
from dataengine.errors import InputError, RunError
from dataengine.ingest.download import Downloader
from dataengine.ingest.http_client import HttpClient
from dataengine.ingest.occurrence import Occurrence
from dataengine.ingest.spool import Body, NoRoomError, Spool
from dataengine.ingest.web_url import host_of
from dataengine.media.limits import Limits
from dataengine.text.redaction import redacted

_AHEAD = 1024
"""Occurrences that may be requested, or wait, ahead of the one whose turn it is; with many requests at once eight times as many,
so that one dead host, tried again and again, does not stop all others."""
_LOOKUPS = 64
"""Threads that resolve names; a dead name server occupies one for many seconds."""
_WEB = ("http://", "https://")


def is_url(occurrence: Occurrence) -> bool:
    """True for an occurrence that has to be downloaded."""
    return occurrence.error is None and occurrence.data is None and occurrence.location[:8].lower().startswith(_WEB)


def round_robin(occurrences: Sequence[Occurrence]) -> list[Occurrence]:
    """The first URL of each host, hosts by name, then the second of each, …; a host's URLs by uri."""
    seen: dict[str, int] = defaultdict(int)
    keyed = []
    for occurrence in sorted(occurrences, key=lambda i: i.uri):
        host = host_of(occurrence.location) if is_url(occurrence) else ""
        keyed.append(((seen[host], host), occurrence))
        seen[host] += 1
    return [occurrence for _, occurrence in sorted(keyed, key=lambda k: k[0])]


class Crawler:
    """An event loop in a thread of its own, with connections that are kept from part to part; started by the first URL."""

    def __init__(self) -> None:
        self._running: tuple[asyncio.AbstractEventLoop, threading.Thread, HttpClient] | None = None

    def crawl(self, occurrences: Sequence[Occurrence], config: HttpConfig, limits: Limits) -> Iterator[Occurrence]:
        """The occurrences in the given order: a URL with its bytes, or with the file that holds them until the next occurrence
        is requested, or with its InputError; others unchanged."""
        if not any(map(is_url, occurrences)):
            yield from occurrences
            return
        loop, client = self._start()
        with tempfile.TemporaryDirectory() as folder:
            pool = _DownloadPool(occurrences, Downloader(client, config, limits), Spool(Path(folder)), loop)
            running = asyncio.run_coroutine_threadsafe(pool.work(), loop)
            running.add_done_callback(lambda _: pool.done.put(None))
            try:
                yield from _in_order(pool, running)
            finally:
                pool.stop()
                wait([running])

    def close(self) -> None:
        """Close all connections and end the thread."""
        if self._running is None:
            return
        loop, thread, client = self._running
        self._running = None
        asyncio.run_coroutine_threadsafe(client.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _start(self) -> tuple[asyncio.AbstractEventLoop, HttpClient]:
        if self._running is None:
            loop = asyncio.new_event_loop()
            loop.set_default_executor(ThreadPoolExecutor(_LOOKUPS, "lookup"))
            thread = threading.Thread(target=loop.run_forever, name="crawl", daemon=True)
            thread.start()
            self._running = loop, thread, HttpClient()
        return self._running[0], self._running[2]


def _in_order(pool: _DownloadPool, running: Future[None]) -> Iterator[Occurrence]:
    early: dict[int, Occurrence] = {}
    for n in range(len(pool.occurrences)):
        while n not in early:
            if (finished := pool.done.get()) is None:
                raise RunError(f"the downloads stopped unexpectedly: {_first(running.exception())}; rerun to resume")
            early[finished[0]] = finished[1]
        yield early.pop(n)
        pool.consumed(n)


def _first(error: BaseException | None) -> str:
    first = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error
    return str(first) if isinstance(first, RunError) else redacted(repr(first))


class _DownloadPool:
    """Downloads of one part; ``done`` receives ``(position, occurrence)`` as each finishes. Only ``consumed`` and ``stop`` are
    called in another thread than the event loop's."""

    def __init__(
        self,
        occurrences: Sequence[Occurrence],
        downloader: Downloader,
        spool: Spool,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.occurrences = occurrences
        self.done: SimpleQueue[tuple[int, Occurrence] | None] = SimpleQueue()
        self._downloader, self._spool, self._loop = downloader, spool, loop
        self._ahead = max(_AHEAD, 8 * downloader.config.concurrency)
        self._bodies: dict[int, Body] = {}
        self._consumed: deque[int] = deque()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._progressed = asyncio.Event()
        self._waiting = 0

    async def work(self) -> None:
        self._task = asyncio.current_task()
        if self._stopped:
            return
        self._downloader.client.keep(self._downloader.config.concurrency)
        async with asyncio.TaskGroup() as group:
            for n, occurrence in enumerate(self.occurrences):
                if not is_url(occurrence):
                    self.done.put((n, occurrence))
                    continue
                await self._room(n, self._spool.expected)
                group.create_task(self._one(n, occurrence))

    async def _room(self, n: int, size: int) -> None:
        """Wait until it is the turn of ``n``, or until it is near and its ``size`` fits, and reserve that."""
        self._waiting += 1  # before the state is read, so that whatever is consumed after that is announced
        try:
            while not self._has_room(n, size):
                self._progressed.clear()
                await self._progressed.wait()
        finally:
            self._waiting -= 1
        self._spool.reserve(n, size)

    def _has_room(self, n: int, size: int) -> bool:
        self._free()
        return n - self._spool.turn < self._ahead and self._spool.fits(n, size)

    async def _one(self, n: int, occurrence: Occurrence) -> None:
        body = self._bodies[n] = Body(self._spool, n)
        try:
            await self._download(n, occurrence.location, body)
            occurrence = body.finish(occurrence)
        except InputError as error:
            body.discard()
            occurrence = replace(occurrence, error=error)
        self._progressed.set()
        self.done.put((n, occurrence))

    async def _download(self, n: int, url: str, body: Body) -> None:
        """Download one body. Where it turns out not to fit it is begun again later: to wait with an open connection would take
        the place of the one whose turn it is."""
        while True:
            try:
                await self._downloader.fetch(url, body)
                return
            except NoRoomError as error:
                body.discard()
                self._progressed.set()
                await self._room(n, error.size)

    def consumed(self, n: int) -> None:
        """The consumer has finished with an occurrence."""
        self._consumed.append(n)
        if self._waiting:
            self._loop.call_soon_threadsafe(self._progressed.set)

    def stop(self) -> None:
        """Cancel the downloads in flight."""
        self._stopped = True
        self._loop.call_soon_threadsafe(lambda: self._task.cancel() if self._task else None)

    def _free(self) -> None:
        """Free what the consumer has finished with."""
        while self._consumed:
            n = self._consumed.popleft()
            self._spool.turn = n + 1
            if body := self._bodies.pop(n, None):
                body.discard()
