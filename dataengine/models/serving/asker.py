"""Asks a model server for one completion at a time: tries again by class of failure, within rates and budgets."""

from __future__ import annotations

import asyncio
import os
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import msgspec

from dataengine.config.model_server import ModelClientConfig
from dataengine.models.serving import usage
from dataengine.models.serving.bounded_body import BodyError
from dataengine.models.serving.chat_completions import estimated_tokens, parse_response, request_body
from dataengine.models.serving.completion import FailedCompletion, Failure, Media, Request, Result
from dataengine.models.serving.http import ConnectError, DisconnectedError
from dataengine.models.serving.rate_limit import RateLimit
from dataengine.models.serving.replicas import NoReplicaError, Replica, Replicas
from dataengine.models.serving.shared_budget import SharedBudget
from dataengine.models.serving.spending import Spending, Tokens
from dataengine.text.redaction import redacted

_LONGEST_WAIT = 60.0
"""Seconds between two tries."""
_IN_A_ROW = 8
"""Requests that a server may end without a response, one after the other with all their tries, before it counts as not there."""
_DEADLY = 3
"""Connections to a started server that may end with one request."""


def key_of(config: ModelClientConfig) -> str:
    """The key that the environment holds."""
    return os.environ.get(config.api_key_env, "").strip() if config.api_key_env else ""


def name_of(config: ModelClientConfig) -> str:
    """RECIPE/NAME of one of a recipe's servers, "" of others."""
    return config.place.removeprefix("model_servers/")


@dataclass
class Asker:
    """Lives in one event loop. ``first_wait``: seconds before the second try, doubled before each further one; ``shared``: the
    budget of all clients, None: this one's alone."""

    config: ModelClientConfig
    replicas: Replicas
    first_wait: float
    shared: SharedBudget | None = None
    spending: Spending = field(init=False)
    _limit: RateLimit = field(init=False)
    _disconnected: int = 0
    _suspects: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Requests whose connection ended twice go one at a time: that of which the server dies takes no others with it."""

    def __post_init__(self) -> None:
        self.spending = Spending(self.config, self.shared)
        self._limit = RateLimit(self.config.requests_per_minute, self.config.tokens_per_minute)

    async def close(self) -> None:
        """End the connections, and give back what is not spent."""
        await self.spending.close()
        if self.replicas.store is not None and (name := name_of(self.config)):
            await asyncio.to_thread(usage.record, self.replicas.store, name, self.spending.usage())
        await self.replicas.close()

    async def ask(self, request: Request, media: Media) -> Result:
        """The result after all tries."""
        try:
            result = await self._tried(request, media)
        except NoReplicaError as error:
            return error.failed
        return result if _is(result, Failure.BUDGET) else self.spending.counted(result)

    async def _tried(self, request: Request, media: Media) -> Result:
        """One request, tried again with exponential back-off, on another replica where there is one."""
        estimate, body = estimated_tokens(request), msgspec.json.encode(request_body(request, media, self.config))
        disconnects, replica = 0, None
        for attempt in range(self.config.retries + 1):
            async with self._suspects if disconnects > 1 else nullcontext():
                replica = await self.replicas.acquire(replica)
                try:
                    result, wait = await self._try(replica, estimate, body)
                finally:
                    self.replicas.release(replica)
            lost = _is(result, Failure.DISCONNECTED) or _is(result, Failure.CONNECTION)
            waits = lost and self.replicas.lost(replica)
            disconnects += _is(result, Failure.DISCONNECTED)
            if wait is None or attempt == self.config.retries or self._is_deadly(disconnects):
                break
            if not waits:
                await asyncio.sleep(min(_LONGEST_WAIT, max(wait, self.first_wait * 2**attempt)))
        return result if replica is None else await self._judged(replica, result)

    async def _try(self, replica: Replica, estimate: Tokens, body: bytes) -> tuple[Result, float | None]:
        """As ``_post``, within rates and budgets."""
        if refusal := await self.spending.reserve(estimate):
            return refusal, None
        result: Result = FailedCompletion(Failure.CONNECTION, "not tried")
        try:
            await self._limit.acquire(sum(estimate))
            result, wait = await self._post(replica, body)
        finally:
            self._limit.refund(self.spending.settle(estimate, result))
        return result, wait

    def _is_deadly(self, disconnects: int) -> bool:
        """A prompt that a started server dies of must not use up its restarts."""
        return self.config.server_to_start is not None and disconnects >= _DEADLY

    async def _judged(self, replica: Replica, result: Result) -> Result:
        """The result; of a server that is not there any more, disconnects many requests in a row or refuses all, the failure that
        ends the run: otherwise an outage would pass for failures of its questions, and one question for an outage."""
        failure = result.failure if isinstance(result, FailedCompletion) else None
        self._disconnected = self._disconnected + 1 if failure is Failure.DISCONNECTED else 0
        if not isinstance(result, FailedCompletion):
            return result
        if failure is Failure.FORBIDDEN and not 200 <= await self.replicas.status(replica) < 400:
            return replace(result, failure=Failure.DENIED)
        if failure is Failure.DISCONNECTED and (self._disconnected >= _IN_A_ROW or await self._gone(replica)):
            return replace(result, failure=Failure.CONNECTION)
        return result

    async def _gone(self, replica: Replica) -> bool:
        """Whether a server that others run does not answer; one that the run started is started again."""
        return self.config.server_to_start is None and not 0 < await self.replicas.status(replica) < 500

    async def _post(self, replica: Replica, body: bytes) -> tuple[Result, float | None]:
        """The result of one try, and the least seconds to wait before another; None where a retry is of no use."""
        key = self.replicas.key
        try:
            async with asyncio.timeout(self.config.timeout):
                response = await replica.origin.post("/chat/completions", body)
        except TimeoutError:
            return FailedCompletion(Failure.TIMEOUT, f"no whole response within {self.config.timeout:g} s"), 0.0
        except BodyError as error:
            return FailedCompletion(Failure.BAD_REPLY, f"the reply was not read: {error}"), None
        except (ConnectError, DisconnectedError) as error:
            failure = Failure.CONNECTION if isinstance(error, ConnectError) else Failure.DISCONNECTED
            return FailedCompletion(failure, redacted(f"{replica.url}: {error}", [key])), 0.0
        retry_after = response.headers.get(b"retry-after", b"").decode("latin-1")
        return parse_response(response.status, retry_after, response.body, self.config, [key])


def _is(result: Result, failure: Failure) -> bool:
    return isinstance(result, FailedCompletion) and result.failure is failure
