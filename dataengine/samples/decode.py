"""Decodes samples for a worker in child processes, read ahead while the model works."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any

from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Failed, Ok, Sandbox
from dataengine.samples.locate import Located, payloads
from dataengine.samples.prefetch import Prefetch
from dataengine.storage.store import Store
from dataengine.timings import failed

_BYTES = 128 << 20
"""Bytes of decoded samples that may wait for the model."""

Decoded = tuple[Located, Ok | Failed]


class Decoder:
    """``children`` decode processes calling ``function(context, item)``, whose results are of type ``answer``; kept for many
    parts. ``ahead``: prepared samples that may wait for the model, beside those of one batch."""

    def __init__(
        self, function: str, context: Any, limits: Limits, answer: Any, ahead: int = 32, children: int = 1
    ) -> None:
        self._ahead = ahead
        self._turn = threading.Lock()
        self._sandbox = Sandbox(function, context, workers=children, limits=limits, answer=answer)
        self._sandbox.__enter__()

    def over(
        self, store: Store, rows: Iterable[Located], item: Callable[[Located, bytes], Any]
    ) -> Iterator[tuple[Located, Ok | Failed]]:
        """Each row with what a child made of ``item(row, bytes)``, in order."""
        with closing(self.batches(store, rows, 1, item)) as batches:
            for [decoded] in batches:
                yield decoded

    def batches(
        self, store: Store, rows: Iterable[Located], size: int, item: Callable[[Located, bytes], Any]
    ) -> Prefetch[Decoded]:
        """The same in lists of ``size``. Where it is called again before the rows are at an end, as for another part, the other
        rows are decoded after these."""
        return Prefetch(self._outcomes(store, rows, item), size, size - 1 + self._ahead, _BYTES, _weight)

    def _outcomes(
        self, store: Store, rows: Iterable[Located], item: Callable[[Located, bytes], Any]
    ) -> Iterator[Decoded]:
        held: deque[Located] = deque()

        def items() -> Iterator[Any]:
            for row, data in payloads(store, rows):
                held.append(row)
                yield item(row, data)

        with self._turn, closing(self._sandbox.map(items())) as outcomes:
            for outcome in outcomes:
                if isinstance(outcome, Failed):
                    failed(outcome.failure)
                yield held.popleft(), outcome

    def close(self) -> None:
        self._sandbox.__exit__(None, None, None)


def _weight(decoded: Decoded) -> int:
    _, outcome = decoded
    return outcome.bytes if isinstance(outcome, Ok) else 0
