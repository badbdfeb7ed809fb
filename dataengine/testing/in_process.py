"""A record engine without Ray, for tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

from dataengine.errors import RunError

if TYPE_CHECKING:
    from dataengine.models.serving.service import RunningService, Service
    from dataengine.stage import Job, Part, Resources, Worker
    from dataengine.storage.store import Store
    from dataengine.storage.workspace import Output
    from dataengine.timings import Work


class InProcess:
    """A record engine without Ray: all parts one after another in this process. Decoding still happens in child processes."""

    def run(
        self, worker: Worker, store: Store, jobs: Sequence[Job], resources: Resources, tick: Callable[[], None]
    ) -> Generator[tuple[Part, Output, Work], None, None]:
        from dataengine.storage.workspace import commit_part
        from dataengine.timings import Meter

        meter = Meter()
        worker.setup()
        try:
            for job in jobs:
                if job.in_place:
                    store.delete([job.marker])
                with meter.part():
                    output = worker.process(job.part)
                    commit_part(store, job.marker, job.part.key, output)
                    work = meter.take()
                yield job.part, output, work
        finally:
            worker.close()

    def host(self, service: Service, resources: Resources) -> RunningService:
        """Run a service in a thread."""
        return _Hosted(service)


class _Hosted:
    """A RunningService."""

    def __init__(self, service: Service) -> None:
        self._service, self._error = service, ""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._service.run("127.0.0.1")
        except RunError as error:
            self._error = str(error)

    def failure(self) -> str:
        return self._error

    def stop(self) -> None:
        self._service.stop()
        self._thread.join()
