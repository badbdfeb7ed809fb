"""All URLs of a part, several at once, handed out in a fixed order whatever the order of arrival.

Hosts take turns in that order, so that a large one does not hold up the others. Bodies wait on disk for their turn. The
event loop has a thread of its own, so that files are decoded while others come.
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
"""Items that may be asked for, or wait on disk, beyond the one whose turn it is."""
_SPOOL = 4 << 30
"""Bytes on disk beyond which nothing new is asked for."""


def is_url(item: Item) -> bool:
    """True for what has to be downloaded."""
    return item.error is None and item.data is None and item.location.startswith(("http://", "https://"))


def in_turn(items: Sequence[Item]) -> list[Item]:
    """The first URL of each host by name, then the second of each, …; each host's by uri."""
    seen: dict[str, int] = defaultdict(int)
    keyed = []
    for item in sorted(items, key=lambda i: i.uri):
        host = host_of(item.location) if is_url(item) else ""
        keyed.append(((seen[host], host), item))
        seen[host] += 1
    return [item for _, item in sorted(keyed, key=lambda k: k[0])]


def crawl(items: Sequence[Item], config: HttpConfig, limits: Limits) -> Iterator[Item]:
    """The items in their order: a URL's bytes in a file that lies there until the next item is asked for, or its
    InputError; what is no URL as it is."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1, "crawl") as thread:
        crew = _Crew(items, config, limits, Path(folder))
        running = thread.submit(asyncio.run, crew.work())
        running.add_done_callback(lambda _: crew.done.put(None))
        try:
            yield from _handed_out(crew, running)
        finally:
            crew.stop()


def _handed_out(crew: _Crew, running: Future[None]) -> Iterator[Item]:
    early: dict[int, Item] = {}
    for n in range(len(crew.items)):
        while n not in early:
            if (found := crew.done.get()) is None:
                raise RunError(f"downloads ended early: {_first(running.exception())}")
            early[found[0]] = found[1]
        item = early.pop(n)
        yield item
        crew.taken(item)


def _first(error: BaseException | None) -> str:
    return repr(error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error)


class _Crew:
    """Downloads in its own thread; ``done`` is ``(position, item)`` as each is there."""

    def __init__(self, items: Sequence[Item], config: HttpConfig, limits: Limits, folder: Path) -> None:
        self.items = items
        self.done: SimpleQueue[tuple[int, Item] | None] = SimpleQueue()
        self._config, self._limits, self._folder = config, limits, folder
        self._handed, self._spooled = 0, 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._moved = asyncio.Event()

    async def work(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._stopped:
            return
        downloader = Downloader(self._config, self._limits)
        try:
            async with asyncio.TaskGroup() as group:
                for n, item in enumerate(self.items):
                    while n - self._handed >= _AHEAD or self._spooled > _SPOOL:
                        self._moved.clear()
                        await self._moved.wait()
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

    def taken(self, item: Item) -> None:
        """The consumer is done with an item: its file goes."""
        size = 0
        if Path(item.location).parent == self._folder and item.error is None:
            size = Path(item.location).stat().st_size
            Path(item.location).unlink()
        self._tell(lambda: self._free(size))

    def stop(self) -> None:
        """End what is under way."""
        self._stopped = True
        self._tell(lambda: self._task.cancel() if self._task else None)

    def _free(self, size: int) -> None:
        self._handed += 1
        self._spooled -= size
        self._moved.set()

    def _tell(self, call: Callable[[], object]) -> None:
        """Do this in the loop's thread, as long as there is one."""
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            return
