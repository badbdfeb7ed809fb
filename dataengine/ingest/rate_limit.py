"""How hard one host is asked: so many requests at once, so long between two, not at all while it has asked for a pause, and
no more once it has not answered for a while. All of one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dataengine.config.sources import HttpConfig
from dataengine.errors import InputError


@dataclass
class Host:
    """``silent``: requests in a row that it did not answer."""

    name: str
    slots: asyncio.Semaphore
    next: float = 0.0
    paused: float = 0.0
    silent: int = 0


class Hosts:
    """Of one part; made in its event loop."""

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._all = asyncio.Semaphore(config.concurrency)
        self._hosts: dict[str, Host] = {}

    def of(self, name: str) -> Host:
        """The state of a host."""
        if name not in self._hosts:
            self._hosts[name] = Host(name, asyncio.Semaphore(self._config.concurrency_per_host))
        return self._hosts[name]

    @asynccontextmanager
    async def turn(self, host: Host) -> AsyncIterator[None]:
        """A request's turn; waits for it. Raises InputError ``http_host``."""
        async with host.slots:
            await self._wait(host)
            async with self._all:
                yield

    async def _wait(self, host: Host) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            if self._config.give_up_after is not None and host.silent >= self._config.give_up_after:
                raise InputError(
                    "http_host", f"not asked: {host.name} did not answer {self._config.give_up_after} requests in a row"
                )
            start = max(host.next, host.paused)
            if start <= clock():
                host.next = clock() + self._config.delay
                return
            await asyncio.sleep(start - clock())

    def pause(self, host: Host, seconds: float) -> None:
        """Ask nothing of the host for so long."""
        host.paused = max(host.paused, asyncio.get_running_loop().time() + seconds)
