"""What a service is: a process that serves requests while stages run, placed on a machine by an engine."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from dataengine.stage import Resources


class Service(Protocol):
    """A process that serves requests while stages run, as a replica of a model server does; picklable."""

    def run(self, host: str) -> None:
        """Serve at an address of ``host`` until ``stop``. Raises RunError."""

    def stop(self) -> None:
        """Have ``run`` return; called in another thread."""


class RunningService(Protocol):
    """A service where an engine has placed it."""

    def failure(self) -> str:
        """Why it runs no more; "" while it does, or waits for a free place."""

    def stop(self) -> None:
        """End it, and all processes that it started."""


@runtime_checkable
class ServiceEngine(Protocol):
    """Places services on machines; they end with this process at the latest, however it ends."""

    def host(self, service: Service, resources: Resources) -> RunningService:
        """Start a service on ``resources``. Raises RunError where there will never be room."""
