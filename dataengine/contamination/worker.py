"""Base of workers that decode benchmark items in a child process: bounded, killable, nothing kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from dataengine.contamination.benchmarks import Reader
from dataengine.errors import InputError
from dataengine.ingest.occurrence import Occurrence
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Failed, Ok, Sandbox
from dataengine.storage.workspace import Workspace


@dataclass
class ItemWorker:
    """Subclasses name the ``function`` that decodes (``module:function``, called as ``function(context, payload)`` in the
    child)."""

    limits: Limits
    workspace: Workspace
    readers: dict[str, Reader]
    _sandbox: Sandbox | None = field(default=None, init=False, repr=False)

    function: ClassVar[str]

    def context(self) -> Any:
        """Second argument of the decode function; pickled when the first item is decoded."""
        return self.limits

    def answer(self) -> Any:
        """Type of what the function returns: the child's answer is decoded as this and nothing else."""
        return Any

    def payload(self, data: bytes) -> Any:
        """What the function takes for an item's bytes."""
        return data

    def setup(self) -> None: ...

    def close(self) -> None:
        """End the child; the next part starts another."""
        if self._sandbox is not None:
            self._sandbox.__exit__(None, None, None)
            self._sandbox = None

    def decoded(self, name: str, spec: Any) -> Iterator[tuple[Occurrence, Ok | Failed]]:
        """Each item of a benchmark's part, in order, with what the child made of it; ``Ok(None)`` for one without media in a
        list of questions."""
        if self._sandbox is None:
            sandbox = Sandbox(self.function, self.context(), workers=1, limits=self.limits, answer=self.answer())
            self._sandbox = sandbox.__enter__()
        held = deque[tuple[Occurrence, Ok | Failed | None]]()
        for outcome in self._sandbox.map(self._payloads(self.readers[name], spec, held)):
            yield from _known(held)
            yield held.popleft()[0], outcome
        yield from _known(held)

    def _payloads(self, reader: Reader, spec: Any, held: deque[tuple[Occurrence, Ok | Failed | None]]) -> Iterator[Any]:
        for item in reader.occurrences(spec):
            if reader.wordy and item.error is None:
                held.append((item, Ok(None)))
                continue
            try:
                data = item.read(self.limits)
            except InputError as error:
                held.append((item, Failed(error.failure, error.message)))
                continue
            held.append((item, None))
            yield self.payload(data)


def _known(held: deque[tuple[Occurrence, Ok | Failed | None]]) -> Iterator[tuple[Occurrence, Ok | Failed]]:
    """The first items, as far as their outcome needs no child."""
    while held and (outcome := held[0][1]) is not None:
        yield held.popleft()[0], outcome
