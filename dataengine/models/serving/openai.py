"""Client of OpenAI-compatible model servers: ``POST {endpoint}/chat/completions`` with retries, rate limits and a cache.

Requests are concurrent in an event loop of the client's own, so the stage around it stays synchronous. Finished completions are
kept at once, by the content of the request, its pictures and settings, and the same completions give the same records.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import httpx

from dataengine.config.model_server import ModelClientConfig
from dataengine.errors import UsageError
from dataengine.models.serving.bounded_body import ACCEPTED, BodyError, body_of
from dataengine.models.serving.cache import CompletionCache
from dataengine.models.serving.chat_completions import estimated_tokens, parse_response, request_body
from dataengine.models.serving.completion import (
    Completion,
    FailedCompletion,
    Failure,
    Media,
    Request,
    Result,
)
from dataengine.models.serving.messages import ImageBlock
from dataengine.models.serving.rate_limit import RateLimit
from dataengine.storage.workspace import digest
from dataengine.text.redaction import redacted

_LONGEST_WAIT = 60.0
"""Seconds between two tries."""
_PROBE = 10.0
"""Seconds for a server to show that it is there."""
_IN_A_ROW = 8
"""Requests that a server may end without a response, one after the other with all their tries, before it counts as not there."""


@dataclass
class OpenAIClient:
    """A ChatModel."""

    config: ModelClientConfig
    cache: CompletionCache = field(default_factory=lambda: CompletionCache(None))
    first_wait: float = 1.0
    """Seconds before the second try; doubled before each further one."""
    _limit: RateLimit | None = field(default=None, init=False)
    _spent: int = field(default=0, init=False)
    _disconnected: int = field(default=0, init=False)

    @property
    def id(self) -> str:
        """The model, and a digest of the settings that change its completions."""
        settings = self.config.identity
        return f"openai:{self.config.model}" + (f":{digest(settings)[:8]}" if settings else "")

    def validate(self) -> None:
        """Raises UsageError where the environment holds no key or one that no header can hold, and for an endpoint that is no
        URL."""
        name = self.config.api_key_env
        if name is not None and not self._key:
            raise UsageError(
                f"the environment variable {name} (api_key_env of model {self.config.model}) is not set: export the key in it"
            )

        if not (self._key.isascii() and self._key.isprintable()):
            raise UsageError(f"the key in {name} has characters that an HTTP header cannot hold: export it again")
        if not all(map(_is_url, self.config.urls)):
            raise UsageError(f"endpoint of model {self.config.model}: not a URL; write it as http://HOST:PORT/v1")

    def setup(self) -> None:
        self._limit = RateLimit(self.config.requests_per_minute, self.config.tokens_per_minute)

    def close(self) -> None:
        self._limit = None

    def complete(self, requests: Iterable[Request], media: Media) -> Iterator[tuple[int, Result]]:
        """``(index, result)`` of each request: the cached ones first, then the others as they finish."""
        if self._limit is None:
            raise RuntimeError("setup() comes before complete()")
        requests = list(requests)
        pending: list[tuple[int, str]] = []
        for index, request in enumerate(requests):
            key = request.digest(self.id, _image_digests(request, media))
            cached = self.cache.get(key)
            if cached is None:
                pending.append((index, key))
            else:
                yield index, cached
        if pending:
            yield from _iterate(self._send_all(requests, pending, media, self._limit))

    async def _send_all(
        self, requests: Sequence[Request], pending: Sequence[tuple[int, str]], media: Media, limit: RateLimit
    ) -> AsyncGenerator[tuple[int, Result], None]:
        """At most ``config.concurrency`` at once."""
        slots = asyncio.Semaphore(self.config.concurrency)

        async def send(client: httpx.AsyncClient, index: int, key: str) -> tuple[int, Result]:
            async with slots:
                result = await self._send(client, requests[index], media, limit)
                self.cache.put(key, result)
                return index, result

        limits = httpx.Limits(max_connections=self.config.concurrency)
        async with httpx.AsyncClient(timeout=self.config.timeout, headers=self._headers(), limits=limits) as client:
            tasks = [asyncio.create_task(send(client, index, key)) for index, key in pending]
            try:
                for task in asyncio.as_completed(tasks):
                    yield await task
            finally:
                for task in tasks:
                    task.cancel()

    async def _send(self, client: httpx.AsyncClient, request: Request, media: Media, limit: RateLimit) -> Result:
        """One request, retried with exponential back-off by class of failure."""
        estimate = estimated_tokens(request)
        result: Result = FailedCompletion(Failure.CONNECTION, "not tried")
        for attempt in range(self.config.retries + 1):
            budget = self.config.budget_tokens
            if budget is not None and self._spent + estimate > budget:
                return FailedCompletion(
                    Failure.BUDGET, f"{self._spent:,} of {budget:,} tokens are spent (budget_tokens)"
                )
            self._spent += estimate
            await limit.acquire(estimate)
            result, wait = await self._post(client, request, media)
            used = result.tokens_in + result.tokens_out if isinstance(result, Completion) else 0
            self._spent += used - estimate
            limit.refund(estimate - used)
            if wait is None or attempt == self.config.retries:
                break
            await asyncio.sleep(min(_LONGEST_WAIT, max(wait, self.first_wait * 2**attempt)))
        return await self._judged(client, result)

    async def _judged(self, client: httpx.AsyncClient, result: Result) -> Result:
        """The result; of a server that is not there any more, disconnects many requests in a row or refuses all, the failure that
        ends the run: otherwise an outage would pass for failures of its questions, and one question for an outage."""
        failure = result.failure if isinstance(result, FailedCompletion) else None
        self._disconnected = self._disconnected + 1 if failure is Failure.DISCONNECTED else 0
        if not isinstance(result, FailedCompletion):
            return result
        if failure is Failure.FORBIDDEN and not 200 <= await self._status(client) < 400:
            return replace(result, failure=Failure.DENIED)
        if failure is Failure.DISCONNECTED and (
            self._disconnected >= _IN_A_ROW or not 0 < await self._status(client) < 500
        ):
            return replace(result, failure=Failure.CONNECTION)
        return result

    async def _status(self, client: httpx.AsyncClient) -> int:
        """Status of ``GET {endpoint}/models``; 0 where there is no response."""
        url = f"{self._endpoint.rstrip('/')}/models"
        try:
            async with asyncio.timeout(min(self.config.timeout, _PROBE)), client.stream("GET", url) as response:
                return response.status_code
        except (httpx.HTTPError, TimeoutError):
            return 0

    async def _post(self, client: httpx.AsyncClient, request: Request, media: Media) -> tuple[Result, float | None]:
        """The result of one try, and the least seconds to wait before another; None where a retry is of no use."""
        url = f"{self._endpoint.rstrip('/')}/chat/completions"
        body = request_body(request, media, self.config)
        try:
            async with asyncio.timeout(self.config.timeout), client.stream("POST", url, json=body) as response:
                content = await body_of(response)
        except (httpx.TimeoutException, TimeoutError):
            return FailedCompletion(Failure.TIMEOUT, f"no whole response within {self.config.timeout:g} s"), 0.0
        except BodyError as error:
            return FailedCompletion(Failure.BAD_REPLY, f"the reply was not read: {error}"), None
        except httpx.HTTPError as error:
            failure = Failure.CONNECTION if isinstance(error, httpx.ConnectError) else Failure.DISCONNECTED
            message = redacted(f"{self._endpoint}: {error or type(error).__name__}", [self._key])
            return FailedCompletion(failure, message), 0.0
        retry_after = response.headers.get("retry-after", "")
        return parse_response(response.status_code, retry_after, content, self.config, [self._key])

    @property
    def _endpoint(self) -> str:
        return self.config.urls[0]

    @property
    def _key(self) -> str:
        name = self.config.api_key_env
        return os.environ.get(name, "").strip() if name else ""

    def _headers(self) -> dict[str, str]:
        return {"Accept-Encoding": ACCEPTED} | ({"Authorization": f"Bearer {self._key}"} if self._key else {})


def _is_url(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return bool(url.host) and (url.port or 0) < 1 << 16


def _image_digests(request: Request, media: Media) -> list[str]:
    blocks = [block for message in request.messages for block in message.content]
    return [hashlib.sha256(media(b.image)).hexdigest() for b in blocks if isinstance(b, ImageBlock)]


def _iterate(results: AsyncGenerator[tuple[int, Result], None]) -> Iterator[tuple[int, Result]]:
    """An asynchronous generator from synchronous code: its loop runs while the next result is waited for."""

    async def step() -> tuple[int, Result] | None:
        return await anext(results, None)

    async def end() -> None:
        await results.aclose()

    with asyncio.Runner() as runner:
        try:
            while (one := runner.run(step())) is not None:
                yield one
        finally:
            runner.run(end())
