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

_AHEAD = 1024
"""Occurrences that may be requested, or wait on disk, ahead of the one whose turn it is."""
_SPOOL = 4 << 30
"""Bytes on disk beyond which nothing new is requested."""


def is_url(occurrence: Occurrence) -> bool:
    """True for an occurrence that has to be downloaded."""
    return (
        occurrence.error is None and occurrence.data is None and occurrence.location.startswith(("http://", "https://"))
    )


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
        pool.consumed(occurrence)


def _first(error: BaseException | None) -> str:
    return repr(error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error)


class _DownloadPool:
    """Downloads in a thread of its own; ``done`` receives ``(position, occurrence)`` as each finishes."""

    def __init__(self, occurrences: Sequence[Occurrence], config: HttpConfig, limits: Limits, folder: Path) -> None:
        self.occurrences = occurrences
        self.done: SimpleQueue[tuple[int, Occurrence] | None] = SimpleQueue()
        self._config, self._limits, self._folder = config, limits, folder
        self._consumed, self._spooled = 0, 0
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
                    while n - self._consumed >= _AHEAD or self._spooled > _SPOOL:
                        self._progressed.clear()
                        await self._progressed.wait()
                    group.create_task(self._one(downloader, n, occurrence))
        finally:
            await downloader.close()

    async def _one(self, downloader: Downloader, n: int, occurrence: Occurrence) -> None:
        if is_url(occurrence):
            target = self._folder / str(n)
            try:
                await downloader.fetch(occurrence.location, target)
                self._spooled += target.stat().st_size
                occurrence = replace(occurrence, location=str(target))
            except InputError as error:
                target.unlink(missing_ok=True)
                occurrence = replace(occurrence, error=error)
        self.done.put((n, occurrence))

    def consumed(self, occurrence: Occurrence) -> None:
        """The consumer has finished with an occurrence: delete its file."""
        size = 0
        if Path(occurrence.location).parent == self._folder and occurrence.error is None:
            size = Path(occurrence.location).stat().st_size
            Path(occurrence.location).unlink()
        self._call(lambda: self._free(size))

    def stop(self) -> None:
        """Cancel the downloads in flight."""
        self._stopped = True
        self._call(lambda: self._task.cancel() if self._task else None)

    def _free(self, size: int) -> None:
        self._consumed += 1
        self._spooled -= size
        self._progressed.set()

    def _call(self, call: Callable[[], object]) -> None:
        """Call in the event loop's thread, if it still runs."""
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            return
