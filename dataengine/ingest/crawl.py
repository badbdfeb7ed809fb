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
from dataengine.ingest.items import Item
from dataengine.media.limits import Limits

_AHEAD = 1024
"""Occurrences that may be requested, or wait on disk, ahead of the one whose turn it is."""
_SPOOL = 4 << 30
"""Bytes on disk beyond which nothing new is requested."""


def is_url(item: Item) -> bool:
    """True for an occurrence that has to be downloaded."""
    return item.error is None and item.data is None and item.location.startswith(("http://", "https://"))


def round_robin(items: Sequence[Item]) -> list[Item]:
    """The first URL of each host, hosts by name, then the second of each, …; a host's URLs by uri."""
    seen: dict[str, int] = defaultdict(int)
    keyed = []
    for item in sorted(items, key=lambda i: i.uri):
        host = host_of(item.location) if is_url(item) else ""
        keyed.append(((seen[host], host), item))
        seen[host] += 1
    return [item for _, item in sorted(keyed, key=lambda k: k[0])]


def crawl(items: Sequence[Item], config: HttpConfig, limits: Limits) -> Iterator[Item]:
    """The occurrences in the given order: a URL with its bytes in a file that exists until the next occurrence is requested, or
    with its InputError; others unchanged."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1, "crawl") as thread:
        pool = _DownloadPool(items, config, limits, Path(folder))
        running = thread.submit(asyncio.run, pool.work())
        running.add_done_callback(lambda _: pool.done.put(None))
        try:
            yield from _in_order(pool, running)
        finally:
            pool.stop()


def _in_order(pool: _DownloadPool, running: Future[None]) -> Iterator[Item]:
    early: dict[int, Item] = {}
    for n in range(len(pool.items)):
        while n not in early:
            if (finished := pool.done.get()) is None:
                raise RunError(f"the downloads stopped unexpectedly: {_first(running.exception())}; rerun to resume")
            early[finished[0]] = finished[1]
        item = early.pop(n)
        yield item
        pool.consumed(item)


def _first(error: BaseException | None) -> str:
    return repr(error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error)


class _DownloadPool:
    """Downloads in a thread of its own; ``done`` receives ``(position, occurrence)`` as each finishes."""

    def __init__(self, items: Sequence[Item], config: HttpConfig, limits: Limits, folder: Path) -> None:
        self.items = items
        self.done: SimpleQueue[tuple[int, Item] | None] = SimpleQueue()
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
                for n, item in enumerate(self.items):
                    while n - self._consumed >= _AHEAD or self._spooled > _SPOOL:
                        self._progressed.clear()
                        await self._progressed.wait()
                    group.create_task(self._one(downloader, n, item))
        finally:
            await downloader.close()

    async def _one(self, downloader: Downloader, n: int, item: Item) -> None:
        if is_url(item):
            target = self._folder / str(n)
            try:
                await downloader.fetch(item.location, target)
                self._spooled += target.stat().st_size
                item = replace(item, location=str(target))
            except InputError as error:
                target.unlink(missing_ok=True)
                item = replace(item, error=error)
        self.done.put((n, item))

    def consumed(self, item: Item) -> None:
        """The consumer has finished with an occurrence: delete its file."""
        size = 0
        if Path(item.location).parent == self._folder and item.error is None:
            size = Path(item.location).stat().st_size
            Path(item.location).unlink()
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
