"""Per-host rate limiting, back-off and circuit breaker.

A host gets a bounded number of concurrent requests, a minimum delay between two, none while its ``Retry-After`` lasts, and none
any more after ``give_up_after`` consecutive requests without an answer. All within one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dataengine.config.sources import HttpConfig
from dataengine.errors import InputError


@dataclass
class Host:
    """State of one host; times on the event loop's clock. ``silent``: consecutive requests without an answer."""

    name: str
    slots: asyncio.Semaphore
    next_start: float = 0.0
    paused_until: float = 0.0
    silent: int = 0


class RateLimiter:
    """Rate limits of one part's hosts; created in its event loop."""

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._all = asyncio.Semaphore(config.concurrency)
        self._hosts: dict[str, Host] = {}

    def of(self, name: str) -> Host:
        """The state of the host called ``name``."""
        if name not in self._hosts:
            self._hosts[name] = Host(name, asyncio.Semaphore(self._config.concurrency_per_host))
        return self._hosts[name]

    @asynccontextmanager
    async def turn(self, host: Host) -> AsyncIterator[None]:
        """Context of one request: waits until the host may be called. Raises InputError ``http_host`` once the circuit is
        open."""
        async with host.slots:
            await self._wait(host)
            async with self._all:
                yield

    async def _wait(self, host: Host) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            if self._config.give_up_after is not None and host.silent >= self._config.give_up_after:
                raise InputError(
                    "http_host",
                    f"not requested: {host.name} did not answer {self._config.give_up_after} consecutive requests",
                )
            start = max(host.next_start, host.paused_until)
            if start <= clock():
                host.next_start = clock() + self._config.delay
                return
            await asyncio.sleep(start - clock())

    def pause(self, host: Host, seconds: float) -> None:
        """Send nothing to the host for ``seconds``."""
        host.paused_until = max(host.paused_until, asyncio.get_running_loop().time() + seconds)
