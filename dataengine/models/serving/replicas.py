"""Spreads requests over the replicas of a model server: the least busy one that answers, a bounded number at once to each."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

from dataengine.config.model_server import ModelClientConfig
from dataengine.errors import InputError
from dataengine.models.serving import addresses
from dataengine.models.serving.addresses import Address, State
from dataengine.models.serving.bounded_body import BodyError
from dataengine.models.serving.completion import FailedCompletion, Failure
from dataengine.models.serving.http import ConnectError, DisconnectedError, Origin
from dataengine.storage.store import Store
from dataengine.text.bounded_json import parse_json
from dataengine.text.display import visible

_PROBE = 10.0
"""Seconds for a server to show that it is there."""
_TICK = 0.5
_MODELS = 20
"""Names of models that a message lists."""


class NoReplicaError(Exception):
    """No replica can be asked, now and later. ``failed``: the result of all requests."""

    def __init__(self, failed: FailedCompletion) -> None:
        super().__init__(failed.message)
        self.failed = failed


@dataclass(eq=False)
class Replica:
    """``busy``: requests in flight; ``up``: False after a lost connection, until it answers again."""

    origin: Origin
    url: str
    busy: int = 0
    up: bool = True
    checked: bool = False


@dataclass
class Replicas:
    """Lives in one event loop. ``store`` holds the addresses of replicas that the run starts."""

    config: ModelClientConfig
    key: str = field(repr=False)
    store: Store | None
    _all: dict[int, Replica] = field(default_factory=dict)
    _line: deque[asyncio.Event] = field(default_factory=deque)
    """Who waits for a replica, in the order of arrival."""
    _watch: asyncio.Task[None] | None = None
    _failed: str = ""
    """Why there will be no replica any more."""
    _up_at: float = field(default_factory=time.monotonic)
    _checking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        for number, url in enumerate(self.config.urls):
            self._all[number] = Replica(Origin(url, self.key), url, checked=not self.config.listed)

    @property
    def slots(self) -> int:
        """Requests at once, to all replicas together."""
        server = self.config.server_to_start
        return self.config.concurrency * (len(self._all) if server is None else server.replicas)

    async def acquire(self, avoid: Replica | None) -> Replica:
        """A replica with room for one more request, to be released; rather not ``avoid``. First come, first served. Raises
        NoReplicaError."""
        replica = await self._next(avoid)
        try:
            await self._check(replica)
        except BaseException:
            self.release(replica)
            raise
        return replica

    async def _next(self, avoid: Replica | None) -> Replica:
        """The least busy replica with room, once all who came before have theirs."""
        change = asyncio.Event()
        self._line.append(change)
        try:
            while True:
                self._start_watch()
                if self._line[0] is change and (free := self._free()):
                    replica = min(free, key=lambda one: (one is avoid, one.busy))
                    replica.busy += 1
                    return replica
                if not self._usable():
                    self._raise_if_lost()
                change.clear()
                await change.wait()
        finally:
            self._line.remove(change)
            if self._line and self._free():
                self._line[0].set()

    def release(self, replica: Replica) -> None:
        replica.busy -= 1
        if self._line:
            self._line[0].set()

    def lost(self, replica: Replica) -> bool:
        """A connection to the replica was refused or ended; whether another can be asked at once, or ``acquire`` waits for one
        that the run starts again. Where a server that others run has no other, it is for the caller to wait."""
        started = self.config.server_to_start is not None
        if len(self._all) == 1 and not started:
            return False
        if replica.up:
            replica.up, self._up_at = False, time.monotonic()
        return started or any(one.up for one in self._all.values())

    async def status(self, replica: Replica) -> int:
        """Status of ``GET {url}/models``; 0 where there is no response."""
        return (await self._models(replica))[0]

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        for replica in self._all.values():
            replica.origin.close()

    def _usable(self) -> list[Replica]:
        """Replicas that answer; where none does, all of those that others run: their requests fail or pass by themselves."""
        up = [one for one in self._all.values() if one.up]
        if up:
            self._up_at = time.monotonic()
        return up or ([] if self.config.server_to_start else list(self._all.values()))

    def _free(self) -> list[Replica]:
        """Usable ones with room for one more request."""
        return [one for one in self._usable() if one.busy < self.config.concurrency]

    def _raise_if_lost(self) -> None:
        server = self.config.server_to_start
        if self._failed:
            raise NoReplicaError(FailedCompletion(Failure.CONNECTION, self._failed))
        if server is not None and time.monotonic() - self._up_at > server.start_timeout:
            message = f"no replica of {server.model} has answered for {server.start_timeout:g} s (start_timeout)"
            raise NoReplicaError(FailedCompletion(Failure.CONNECTION, message))

    async def _check(self, replica: Replica) -> None:
        """Raises NoReplicaError for a server of another model."""
        if replica.checked:
            return
        async with self._checking:
            if replica.checked:
                return
            status, names = await self._models(replica)
            if not names or self.config.model in names:
                replica.checked = status > 0
                return
            listed = visible(", ".join(sorted(names)[:_MODELS])[:300])
            message = f"the server has no model {self.config.model}; it lists {listed}"
        raise NoReplicaError(FailedCompletion(Failure.DENIED, message))

    async def _models(self, replica: Replica) -> tuple[int, set[str]]:
        """Status of the list of models, and the names in it."""
        try:
            async with asyncio.timeout(min(self.config.timeout, _PROBE)):
                response = await replica.origin.get("/models")
            data = parse_json(response.body).get("data") if response.status == 200 else None
        except (ConnectError, DisconnectedError, TimeoutError):
            return 0, set()
        except (BodyError, InputError, AttributeError):
            return 200, set()
        models = data if isinstance(data, list) else []
        return response.status, {str(one["id"]) for one in models if isinstance(one, dict) and "id" in one}

    def _wake_all(self) -> None:
        for change in self._line:
            change.set()

    def _start_watch(self) -> None:
        if self._watch is None and (len(self._all) > 1 or self.config.server_to_start is not None):
            self._watch = asyncio.create_task(self._watching())
            self._watch.add_done_callback(lambda _: self._wake_all())
        if self._watch is not None and self._watch.done():
            self._watch.result()  # what ended it: nobody else would find a replica

    async def _watching(self) -> None:
        """Finds replicas that were started, and those that answer again."""
        server = self.config.server_to_start
        while True:
            if server is not None and self.store is not None and (len(self._all) < server.replicas or self._down()):
                published = await asyncio.to_thread(addresses.read, self.store, server.place, server.replicas)
                self._update(published, server.replicas)
            await asyncio.gather(*(self._probe(one) for one in self._down()))
            self._wake_all()
            await asyncio.sleep(_TICK)

    def _down(self) -> list[Replica]:
        return [one for one in self._all.values() if not one.up]

    def _update(self, published: dict[int, Address], replicas: int) -> None:
        failed = [one for one in published.values() if one.state is State.FAILED]
        self._failed = failed[0].message if len(failed) == replicas else ""
        for number, address in published.items():
            replica = self._all.get(number)
            if address.state is not State.READY:
                if replica is not None:
                    replica.up = False
            elif replica is None or replica.url != address.url:
                self._all[number] = Replica(Origin(address.url, self.key, direct=True), address.url, up=False)

    async def _probe(self, replica: Replica) -> None:
        replica.up = 0 < await self.status(replica) < 500
