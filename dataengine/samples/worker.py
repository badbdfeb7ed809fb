"""Base of workers that decode samples in a child process: bounded, killable, read ahead while the model works."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Failed, Ok
from dataengine.samples.decode import Decoder
from dataengine.samples.locate import Located
from dataengine.storage.workspace import Workspace


def bytes_and_kind(row: Located, data: bytes) -> tuple[bytes, str]:
    """What most decoding functions take."""
    return data, row.kind


@dataclass
class DecodingWorker:
    """Subclasses name the ``function`` that decodes (``module:function``, called as ``function(context, item)`` in the child)
    and give its ``context``, which is pickled when the first sample is decoded."""

    limits: Limits
    workspace: Workspace
    _decoder: Decoder | None = field(default=None, init=False, repr=False)

    function: ClassVar[str]
    ahead: ClassVar[int] = 32
    """Prepared samples that may wait for the model."""

    def context(self) -> Any:
        """What the function gets beside each item."""
        return self.limits

    def answer(self) -> Any:
        """Type of what the function returns: the child's answer is decoded as this and nothing else."""
        return Any

    def setup(self) -> None: ...

    def close(self) -> None:
        """End the child; the next sample starts another."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None

    def decoded(
        self, rows: Sequence[Located], item: Callable[[Located, bytes], Any] = bytes_and_kind
    ) -> Iterator[tuple[Located, Ok | Failed]]:
        """Each row with what the child made of ``item(row, bytes)``, in order."""
        if self._decoder is None:
            self._decoder = Decoder(self.function, self.context(), self.limits, self.answer(), self.ahead)
        return self._decoder.over(self.workspace.store, rows, item)
