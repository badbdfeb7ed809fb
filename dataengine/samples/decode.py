"""Decodes samples for a worker in a child process, read ahead while the model works."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Failed, Ok, Sandbox
from dataengine.samples.locate import Located, Prefetch, payloads
from dataengine.storage.store import Store


class Decoder:
    """One decode child calling ``function(context, item)``, whose results are of type ``answer``; kept for many parts.
    ``ahead`` prepared samples may wait for the model."""

    def __init__(self, function: str, context: Any, limits: Limits, answer: Any, ahead: int = 32) -> None:
        self._ahead = ahead
        self._sandbox = Sandbox(function, context, workers=1, limits=limits, answer=answer)
        self._sandbox.__enter__()

    def over(
        self, store: Store, rows: Sequence[Located], item: Callable[[Located, bytes], Any]
    ) -> Iterator[tuple[Located, Ok | Failed]]:
        """Each row with what the child made of ``item(row, bytes)``, in order."""
        return Prefetch(self._outcomes(store, rows, item), self._ahead)

    def _outcomes(
        self, store: Store, rows: Sequence[Located], item: Callable[[Located, bytes], Any]
    ) -> Iterator[tuple[Located, Ok | Failed]]:
        held: deque[Located] = deque()

        def items() -> Iterator[Any]:
            for row, data in payloads(store, rows):
                held.append(row)
                yield item(row, data)

        for outcome in self._sandbox.map(items()):
            yield held.popleft(), outcome

    def close(self) -> None:
        self._sandbox.__exit__(None, None, None)
