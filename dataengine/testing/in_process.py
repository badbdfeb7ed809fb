"""A record engine without Ray, for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataengine.stage import Job, Part, Resources, Worker
    from dataengine.storage.store import Store
    from dataengine.storage.workspace import Output
    from dataengine.timings import Work


class InProcess:
    """A record engine without Ray: all parts one after another in this process. Decoding still happens in child processes."""

    def run(
        self, worker: Worker, store: Store, jobs: Sequence[Job], resources: Resources, tick: Callable[[], None]
    ) -> Iterator[tuple[Part, Output, Work]]:
        from dataengine.storage.workspace import commit_part
        from dataengine.timings import Meter

        meter = Meter()
        worker.setup()
        try:
            for job in jobs:
                if job.in_place:
                    store.delete([job.marker])
                output = worker.process(job.part)
                commit_part(store, job.marker, job.part.key, output)
                yield job.part, output, meter.take()
        finally:
            worker.close()
