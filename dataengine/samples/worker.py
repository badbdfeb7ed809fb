"""Base of workers that decode samples in child processes: bounded, killable, read ahead while the model works."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Failed, Ok
from dataengine.samples.decode import Decoded, Decoder
from dataengine.samples.lanes import Lanes
from dataengine.samples.locate import Located, objects
from dataengine.samples.prefetch import Prefetch
from dataengine.stage import Feed
from dataengine.storage.row_packs import PackedRows
from dataengine.storage.workspace import Workspace

R = TypeVar("R")

#: Held while a worker starts its children or loads a model: it may serve two parts at once.
ONCE = threading.RLock()


def bytes_and_kind(row: Located, data: bytes) -> tuple[bytes, str]:
    """What most decoding functions take."""
    return data, row.kind


@dataclass
class DecodingWorker:
    """Subclasses name the ``function`` that decodes (``module:function``, called as ``function(context, item)`` in a child) and
    give its ``context``, which is pickled when the first sample is decoded. Whatever ``feed`` is, results are the same."""

    limits: Limits
    workspace: Workspace
    feed: Feed = field(default=Feed(), init=False, repr=False)
    _decoder: Decoder | None = field(default=None, init=False, repr=False)
    _lanes: Lanes | None = field(default=None, init=False, repr=False)

    function: ClassVar[str]
    ahead: ClassVar[int] = 256
    """Prepared samples that may wait for the model, beside those of one batch."""
    overlaps: ClassVar[bool] = False
    """Whether ``process`` may be called for a part while it works on another."""

    def context(self) -> Any:
        """What the function gets beside each item."""
        return self.limits

    def answer(self) -> Any:
        """Type of what the function returns: the child's answer is decoded as this and nothing else."""
        return Any

    def samples(self, rows: PackedRows | Sequence[Located]) -> Sequence[Located]:
        """The samples of a part: read from the place of its rows, or as they are given."""
        if not isinstance(rows, PackedRows):
            return rows
        return objects(rows.read(self.workspace.store)) if rows.rows else []

    def setup(self) -> None: ...

    def close(self) -> None:
        """End the children; the next sample starts others."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None
        if self._lanes is not None:
            self._lanes.close()
            self._lanes = None

    def decoded(
        self, rows: Iterable[Located], item: Callable[[Located, bytes], Any] = bytes_and_kind
    ) -> Iterator[tuple[Located, Ok | Failed]]:
        """Each row with what a child made of ``item(row, bytes)``, in order."""
        return self._started()[0].over(self.workspace.store, rows, item)

    def computed(
        self,
        rows: Sequence[Located],
        size: int,
        work: Callable[[list[Decoded]], R],
        item: Callable[[Located, bytes], Any] = bytes_and_kind,
    ) -> Iterator[R]:
        """``work`` of every ``size`` consecutive rows with what a child made of each, in order. The next ones are decoded
        meanwhile and, on an accelerator, given to ``work`` before it has ended."""
        if not rows:
            return
        decoder, lanes = self._started()
        batches: Prefetch[Decoded] = decoder.batches(self.workspace.store, rows, size, item)
        with closing(batches), closing(lanes.over(work, batches)) as results:
            yield from results

    def _started(self) -> tuple[Decoder, Lanes]:
        with ONCE:
            if self._decoder is None:
                context, answer = self.context(), self.answer()
                self._decoder = Decoder(self.function, context, self.limits, answer, self.ahead, self.feed.decoders)
            if self._lanes is None:
                self._lanes = Lanes(self.feed.lanes)
            return self._decoder, self._lanes
