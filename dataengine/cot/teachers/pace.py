"""Requests and tokens a minute: two buckets that fill steadily; a minute's worth may go at once."""

from __future__ import annotations

import asyncio
import time


class Pace:
    """None: no bound."""

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self._requests = _Bucket(requests_per_minute) if requests_per_minute else None
        self._tokens = _Bucket(tokens_per_minute) if tokens_per_minute else None

    async def take(self, tokens: int) -> None:
        """Wait until one more request of so many tokens may go."""
        if self._requests is not None:
            await self._requests.take(1)
        if self._tokens is not None:
            await self._tokens.take(tokens)

    def give_back(self, tokens: int) -> None:
        """Tokens that were taken and not used; negative ones were used beyond."""
        if self._tokens is not None:
            self._tokens.level += tokens


class _Bucket:
    def __init__(self, a_minute: float) -> None:
        self.level = self._full = a_minute
        self._filled = time.monotonic()

    async def take(self, amount: float) -> None:
        """A single amount above a minute's worth goes when the bucket is full, and leaves it in debt."""
        while True:
            now = time.monotonic()
            self.level = min(self._full, self.level + (now - self._filled) * self._full / 60)
            self._filled = now
            lacking = min(amount, self._full) - self.level
            if lacking <= 0:
                self.level -= amount
                return
            await asyncio.sleep(max(lacking * 60 / self._full, 0.005))
