"""Concurrent download of a part's URLs, yielded in a fixed order whatever the order of arrival.

The order is round-robin over the hosts, so that a large host does not hold up the others. Downloaded bodies wait on disk for
their turn. The event loop has a thread of its own, so that files are decoded while others are downloaded.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

from dataengine.config.sources import HttpConfig
from dataengine.errors import InputError, RunError
from dataengine.ingest.download import Downloader, host_of
from dataengine.ingest.occurrence import Occurrence
from dataengine.media.limits import Limits
from dataengine.text.redaction import redacted

_AHEAD = 1024
"""Occurrences that may be requested, or wait on disk, ahead of the one whose turn it is."""
_SPOOL = 4 << 30
"""Bytes on disk, of finished downloads and those on their way; only the one whose turn it is may go beyond."""
_EXPECTED = 1 << 20
"""Bytes of a body before any has arrived."""
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


def crawl(occurrences: Sequence[Occurrence], config: HttpConfig, limits: Limits) -> Iterator[Occurrence]:
    """The occurrences in the given order: a URL with its bytes in a file that exists until the next occurrence is requested, or
    with its InputError; others unchanged."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1, "crawl") as thread:
        pool = _DownloadPool(occurrences, config, limits, Path(folder))
        running = thread.submit(asyncio.run, pool.work())
        running.add_done_callback(lambda _: pool.done.put(None))
        try:
            yield from _in_order(pool, running)
        finally:
            pool.stop()


def _in_order(pool: _DownloadPool, running: Future[None]) -> Iterator[Occurrence]:
    early: dict[int, Occurrence] = {}
    for n in range(len(pool.occurrences)):
        while n not in early:
            if (finished := pool.done.get()) is None:
                raise RunError(f"the downloads stopped unexpectedly: {_first(running.exception())}; rerun to resume")
            early[finished[0]] = finished[1]
        occurrence = early.pop(n)
        yield occurrence
        pool.consumed(n)


def _first(error: BaseException | None) -> str:
    first = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error
    return str(first) if isinstance(first, RunError) else redacted(repr(first))


class _NoRoomError(Exception):
    """A body does not fit into the spool now; ``size``: what to wait for."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class _Spool:
    """Bytes on disk, or expected there, by position."""

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0
        self._sizes: dict[int, int] = {}
        self._bodies, self._bytes = 0, 0

    @property
    def expected(self) -> int:
        """Size of a body that is not known yet: the mean of those that are."""
        return self._bytes // self._bodies if self._bodies else _EXPECTED

    def fits(self, n: int, size: int) -> bool:
        return self.used - self.reserved(n) + size <= self.limit

    def reserved(self, n: int) -> int:
        return self._sizes.get(n, 0)

    def set(self, n: int, size: int) -> None:
        self.used += size - self._sizes.pop(n, 0)
        if size:
            self._sizes[n] = size

    def finished(self, n: int, size: int) -> None:
        self.set(n, size)
        self._bodies += 1
        self._bytes += size


class _DownloadPool:
    """Downloads in a thread of its own; ``done`` receives ``(position, occurrence)`` as each finishes."""

    def __init__(self, occurrences: Sequence[Occurrence], config: HttpConfig, limits: Limits, folder: Path) -> None:
        self.occurrences = occurrences
        self.done: SimpleQueue[tuple[int, Occurrence] | None] = SimpleQueue()
        self._config, self._limits, self._folder = config, limits, folder
        self._consumed, self._spool = 0, _Spool(_SPOOL)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._progressed = asyncio.Event()

    async def work(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._stopped:
            return
        downloader = Downloader(self._config, self._limits)
        try:
            async with asyncio.TaskGroup() as group:
                for n, occurrence in enumerate(self.occurrences):
                    await self._room(n, self._spool.expected if is_url(occurrence) else 0)
                    group.create_task(self._one(downloader, n, occurrence))
        finally:
            await downloader.close()

    async def _room(self, n: int, size: int) -> None:
        """Wait until it is the turn of ``n``, or until it is near and its ``size`` fits, and reserve that."""
        while n > self._consumed and (n - self._consumed >= _AHEAD or not self._spool.fits(n, size)):
            self._progressed.clear()
            await self._progressed.wait()
        self._spool.set(n, size)

    async def _one(self, downloader: Downloader, n: int, occurrence: Occurrence) -> None:
        if is_url(occurrence):
            target = self._folder / str(n)
            try:
                await self._download(downloader, n, occurrence.location, target)
                self._spool.finished(n, target.stat().st_size)
                self._progressed.set()
                occurrence = replace(occurrence, location=str(target))
            except InputError as error:
                self._discard(n, target)
                occurrence = replace(occurrence, error=error)
        self.done.put((n, occurrence))

    async def _download(self, downloader: Downloader, n: int, url: str, target: Path) -> None:
        """Download one body. Where it turns out not to fit it is begun again later: to wait with an open connection would take
        the place of the one whose turn it is."""
        while True:
            try:
                await downloader.fetch(url, target, lambda size: self._grow(n, size))
                return
            except _NoRoomError as error:
                self._discard(n, target)
                await self._room(n, error.size)

    def _grow(self, n: int, size: int) -> None:
        reserved = self._spool.reserved(n)
        if size <= reserved:
            return
        if n > self._consumed and not self._spool.fits(n, size):
            raise _NoRoomError(max(size, 2 * reserved))
        self._spool.set(n, size)

    def _discard(self, n: int, target: Path) -> None:
        target.unlink(missing_ok=True)
        self._spool.set(n, 0)
        self._progressed.set()

    def consumed(self, n: int) -> None:
        """The consumer has finished with an occurrence: delete its file."""
        (self._folder / str(n)).unlink(missing_ok=True)
        self._call(lambda: self._free(n))

    def stop(self) -> None:
        """Cancel the downloads in flight."""
        self._stopped = True
        self._call(lambda: self._task.cancel() if self._task else None)

    def _free(self, n: int) -> None:
        self._consumed = n + 1
        self._spool.set(n, 0)
        self._progressed.set()

    def _call(self, call: Callable[[], object]) -> None:
        """Call in the event loop's thread, if it still runs."""
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            return
