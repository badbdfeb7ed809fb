"""Client of OpenAI-compatible model servers: ``POST {url}/chat/completions`` to all replicas, with retries, budgets and a cache.

Requests are concurrent in an event loop of the client's own thread, so the stage around it stays synchronous and the server busy
while the stage works. Finished completions are kept at once, by the content of the request, its pictures and settings, and the
same completions give the same records.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from dataengine.config.model_server import ModelClientConfig
from dataengine.errors import UsageError
from dataengine.models.serving.asker import Asker, key_of, name_of
from dataengine.models.serving.cache import CompletionCache
from dataengine.models.serving.completion import Media, Request, Result
from dataengine.models.serving.http import Url, proxy_of
from dataengine.models.serving.loop_thread import Jobs, LoopThread
from dataengine.models.serving.replicas import Replicas
from dataengine.models.serving.shared_budget import SharedBudget
from dataengine.models.serving.spending import limit_of
from dataengine.storage.workspace import digest

_CACHE_THREADS = 32
"""Reads and writes of a remote cache at once."""


@dataclass
class OpenAIClient:
    """A ChatModel."""

    config: ModelClientConfig
    cache: CompletionCache = field(default_factory=lambda: CompletionCache(None))
    first_wait: float = 1.0
    """Seconds before the second try; doubled before each further one."""
    _session: _Session | None = field(default=None, init=False)

    @property
    def id(self) -> str:
        """The model, and a digest of the settings that change its completions."""
        settings = self.config.identity
        return f"openai:{self.config.model}" + (f":{digest(settings)[:8]}" if settings else "")

    def validate(self) -> None:
        """Raises UsageError where the environment holds no key or one that no header can hold, for an endpoint that is no URL,
        and for a proxy of another protocol than HTTP."""
        name, key = self.config.api_key_env, key_of(self.config)
        if name is not None and not key:
            raise UsageError(
                f"the environment variable {name} (api_key_env of model {self.config.model}) is not set: export the key in it"
            )
        if not (key.isascii() and key.isprintable()):
            raise UsageError(f"the key in {name} has characters that an HTTP header cannot hold: export it again")
        if not all(map(_is_url, self.config.urls)):
            raise UsageError(f"endpoint of model {self.config.model}: not a URL; write it as http://HOST:PORT/v1")
        if not all(map(_is_reachable, self.config.urls)):
            raise UsageError(
                f"the proxy that the environment names for model {self.config.model} is no http:// or https:// URL: set "
                "https_proxy, or name the server's host in no_proxy"
            )

    def budget(self) -> SharedBudget | None:
        """What all clients of this server may spend together, where there is a budget and a workspace that tells."""
        if self.cache.store is None or (self.config.budget is None and self.config.budget_tokens is None):
            return None
        name = name_of(self.config) or digest(self.id)[:16]
        return SharedBudget(self.cache.store, f"spending/{name}", limit_of(self.config))

    def setup(self) -> None:
        self._session = _Session.open(self)

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def complete(self, requests: Iterable[Request], media: Media) -> Iterator[tuple[int, Result]]:
        """``(index, result)`` of each request, as they finish; equal requests are sent once. Requests are taken as there is
        room: all that are in flight, and some that wait."""
        session = self._session
        if session is None:
            raise RuntimeError("setup() comes before complete()")
        identity, jobs = self.id, Jobs[str, Result](session.thread)
        waiting: dict[str, list[int]] = {}
        incoming = iter(enumerate(requests))
        more = True
        try:
            while more or waiting:
                while more and len(waiting) < session.window:
                    index, request = next(incoming, (-1, None))
                    if request is None:
                        more = False
                        break
                    names = request.pictures
                    pictures = {name: media(name) for name in names}
                    digests = {name: hashlib.sha256(data).hexdigest() for name, data in pictures.items()}
                    key = request.digest(identity, [digests[name] for name in names])
                    if key in waiting:
                        waiting[key].append(index)
                    elif not self.cache.remote and (cached := self.cache.get(key)) is not None:
                        session.asker.spending.cached += 1
                        yield index, cached
                    else:
                        waiting[key] = [index]
                        jobs.start(key, partial(session.result, key, request, pictures))
                if waiting:
                    key, result = jobs.next()
                    for index in waiting.pop(key):
                        yield index, result
        finally:
            jobs.cancel()


@dataclass
class _Session:
    """What a client holds between ``setup`` and ``close``."""

    cache: CompletionCache
    thread: LoopThread
    asker: Asker
    window: int
    """Requests that are taken and have no result yet."""
    _executor: ThreadPoolExecutor | None

    @classmethod
    def open(cls, client: OpenAIClient) -> _Session:
        cache, config = client.cache, client.config
        thread = LoopThread("model-client")
        asker = thread.run(_asker(config, cache, client.first_wait, client.budget()))
        slots = asker.replicas.slots
        executor = ThreadPoolExecutor(_CACHE_THREADS, "completions") if cache.remote else None
        return cls(cache, thread, asker, slots + max(8, slots // 2), executor)

    async def result(self, key: str, request: Request, pictures: Mapping[str, bytes]) -> Result:
        """A result that is kept, or a new one, which is kept before it is returned."""
        if self._executor is None:
            result = await self.asker.ask(request, pictures.__getitem__)
            self.cache.put(key, result)
            return result
        loop = self.thread.loop
        cached = await loop.run_in_executor(self._executor, self.cache.get, key)
        if cached is not None:
            self.asker.spending.cached += 1
            return cached
        result = await self.asker.ask(request, pictures.__getitem__)
        await asyncio.shield(
            loop.run_in_executor(self._executor, self.cache.put, key, result)
        )  # even if nobody waits for it
        return result

    def close(self) -> None:
        self.thread.run(self.asker.close())
        self.thread.close()
        if self._executor is not None:
            self._executor.shutdown()


async def _asker(
    config: ModelClientConfig, cache: CompletionCache, first_wait: float, shared: SharedBudget | None
) -> Asker:
    return Asker(config, Replicas(config, key_of(config), cache.store), first_wait, shared)


def _is_url(text: str) -> bool:
    try:
        Url.of(text)
    except ValueError:
        return False
    return True


def _is_reachable(url: str) -> bool:
    try:
        proxy_of(Url.of(url))
    except ValueError:
        return False
    return True
