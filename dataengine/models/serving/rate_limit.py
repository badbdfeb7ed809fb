"""Token-bucket rate limits, requests and tokens a minute; up to a minute's worth may go at once. First come,
first served: a large request is not overtaken by small ones."""

from __future__ import annotations

import asyncio
import time


class RateLimit:
    """None: no bound. For one event loop."""

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self._requests = _Bucket(requests_per_minute) if requests_per_minute else None
        self._tokens = _Bucket(tokens_per_minute) if tokens_per_minute else None

    async def acquire(self, tokens: int) -> None:
        """Wait until one more request of so many tokens may go."""
        if self._requests is not None:
            await self._requests.acquire(1)
        if self._tokens is not None:
            await self._tokens.acquire(tokens)

    def refund(self, tokens: int) -> None:
        """Give back tokens that were acquired and not used; negative: used beyond."""
        if self._tokens is not None:
            self._tokens.level += tokens


class _Bucket:
    def __init__(self, per_minute: float) -> None:
        self.level = self._capacity = per_minute
        self._filled_at = time.monotonic()
        self._turn = asyncio.Lock()

    async def acquire(self, amount: float) -> None:
        """A single amount above a minute's worth goes when the bucket is full, and leaves it in debt."""
        async with self._turn:
            while True:
                now = time.monotonic()
                self.level = min(self._capacity, self.level + (now - self._filled_at) * self._capacity / 60)
                self._filled_at = now
                lacking = min(amount, self._capacity) - self.level
                if lacking <= 0:
                    self.level -= amount
                    return
                await asyncio.sleep(max(lacking * 60 / self._capacity, 0.005))
