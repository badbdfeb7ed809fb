"""A teacher behind an OpenAI-compatible endpoint: ``POST {endpoint}/chat/completions``.

Requests run side by side in an event loop of the teacher's own, so the stage around it stays plain. What is finished is kept in
the workspace at once, by the content of the question, pictures and settings: a job that is killed pays for no answer twice, and
the same answers give the same records.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import asdict, dataclass, field

import httpx

from dataengine.config.cot import OpenAIConfig
from dataengine.cot.core.record import ImageBlock
from dataengine.cot.teachers.base import Ask, Failure, Media, NotSaid, Said
from dataengine.cot.teachers.pace import Pace
from dataengine.cot.teachers.wire import PAID, body_of, guessed_tokens, read
from dataengine.errors import UsageError
from dataengine.storage.store import Store
from dataengine.storage.workspace import canonical, digest

Answer = Said | NotSaid
_LONGEST_WAIT = 60.0
"""Seconds between two tries."""


@dataclass
class OpenAITeacher:
    """``store`` keeps finished answers; without one each is asked for anew."""

    config: OpenAIConfig
    store: Store | None = None
    first_wait: float = 1.0
    """Seconds before the second try; doubled before each further one."""
    _pace: Pace | None = field(default=None, init=False)
    _spent: int = field(default=0, init=False)

    @property
    def id(self) -> str:
        """The model, and a digest of what else is told to it."""
        told = self.config.model_dump(exclude_defaults=True, exclude={"type", "model"})
        return f"openai:{self.config.model}" + (f":{digest(told)[:8]}" if told else "")

    def validate(self) -> None:
        """Raises UsageError where the environment holds no key."""
        name = self.config.api_key_env
        if name is not None and not os.environ.get(name):
            raise UsageError(
                f"the environment variable {name} (a teacher's api_key_env) is not set: export the key in it"
            )

    def setup(self) -> None:
        self._pace = Pace(self.config.requests_per_minute, self.config.tokens_per_minute)

    def close(self) -> None:
        self._pace = None

    def answer(self, asks: Sequence[Ask], media: Media) -> Iterator[tuple[int, Answer]]:
        """``(index, what came of it)`` of each ask: those kept first, then the others as they finish."""
        if self._pace is None:
            raise RuntimeError("setup() comes before answer()")
        open_: list[tuple[int, str]] = []
        for index, ask in enumerate(asks):
            key = f"cot/answers/{ask.key(self.id, _digests(ask, media))}.json"
            kept = self._kept(key)
            if kept is None:
                open_.append((index, key))
            else:
                yield index, kept
        if open_:
            yield from _stepwise(self._all(asks, open_, media, self._pace))

    async def _all(
        self, asks: Sequence[Ask], open_: Sequence[tuple[int, str]], media: Media, pace: Pace
    ) -> AsyncGenerator[tuple[int, Answer], None]:
        """As many at once as the recipe allows."""
        room = asyncio.Semaphore(self.config.concurrency)

        async def one(client: httpx.AsyncClient, index: int, key: str) -> tuple[int, Answer]:
            async with room:
                answer = await self._once(client, asks[index], media, pace)
                self._keep(key, answer)
                return index, answer

        limits = httpx.Limits(max_connections=self.config.concurrency)
        async with httpx.AsyncClient(timeout=self.config.timeout, headers=self._headers(), limits=limits) as client:
            tasks = [asyncio.create_task(one(client, index, key)) for index, key in open_]
            try:
                for task in asyncio.as_completed(tasks):
                    yield await task
            finally:
                for left in tasks:
                    left.cancel()

    async def _once(self, client: httpx.AsyncClient, ask: Ask, media: Media, pace: Pace) -> Answer:
        """One question, tried again by class of failure."""
        wanted = guessed_tokens(ask)
        said: Answer = NotSaid(Failure.CONNECTION, "not tried")
        for attempt in range(self.config.retries + 1):
            budget = self.config.budget_tokens
            if budget is not None and self._spent + wanted > budget:
                return NotSaid(Failure.BUDGET, f"{self._spent:,} of {budget:,} tokens are spent (budget_tokens)")
            self._spent += wanted
            await pace.take(wanted)
            said, wait = await self._try(client, ask, media)
            used = said.tokens_in + said.tokens_out if isinstance(said, Said) else 0
            self._spent += used - wanted
            pace.give_back(wanted - used)
            if wait is None or attempt == self.config.retries:
                break
            await asyncio.sleep(min(_LONGEST_WAIT, max(wait, self.first_wait * 2**attempt)))
        return said

    async def _try(self, client: httpx.AsyncClient, ask: Ask, media: Media) -> tuple[Answer, float | None]:
        """What came of one request, and the least seconds to wait before another; None where another is of no use."""
        url = f"{self.config.endpoint.rstrip('/')}/chat/completions"
        try:
            reply = await client.post(url, json=body_of(ask, media, self.config))
        except httpx.TimeoutException:
            return NotSaid(Failure.TIMEOUT, f"no answer within {self.config.timeout:g} s"), 0.0
        except httpx.TransportError as error:
            return NotSaid(Failure.CONNECTION, f"{self.config.endpoint}: {error or type(error).__name__}"), 0.0
        return read(reply.status_code, reply.headers.get("retry-after", ""), reply.content, self.config)

    def _headers(self) -> dict[str, str]:
        name = self.config.api_key_env
        return {"Authorization": f"Bearer {os.environ.get(name, '')}"} if name else {}

    def _kept(self, key: str) -> Answer | None:
        if self.store is None:
            return None
        try:
            told = json.loads(self.store.get(key))
        except FileNotFoundError:
            return None
        if "failure" in told:
            return NotSaid(Failure(told["failure"]), told["message"])
        steps = {name: tuple(told.get(name, ())) for name in ("step_means", "step_leasts")}
        return Said(**{**told, **steps, "cached": True})

    def _keep(self, key: str, answer: Answer) -> None:
        """What was paid for; another worker may have been faster."""
        if self.store is not None and (isinstance(answer, Said) or answer.failure in PAID):
            self.store.create(key, canonical(asdict(answer)))


def _digests(ask: Ask, media: Media) -> list[str]:
    blocks = [block for message in ask.messages for block in message.content]
    return [hashlib.sha256(media(b.image)).hexdigest() for b in blocks if isinstance(b, ImageBlock)]


def _stepwise(answers: AsyncGenerator[tuple[int, Answer], None]) -> Iterator[tuple[int, Answer]]:
    """An asynchronous generator, read from plain code: its loop runs while the next answer is waited for."""

    async def step() -> tuple[int, Answer] | None:
        return await anext(answers, None)

    async def end() -> None:
        await answers.aclose()

    with asyncio.Runner() as runner:
        try:
            while (one := runner.run(step())) is not None:
                yield one
        finally:
            runner.run(end())
