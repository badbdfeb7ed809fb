"""Runs a network over rows in batches of one fixed shape, on a CPU or on CUDA.

On CUDA rows go to the device as they are (uint8), from pinned memory and on a stream of its own, so that those of one call are
copied while the network works on those of another (``samples.lanes``). Where the device has too little memory for a batch, it
is halved, once, and the same rows are computed again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import RunError
from dataengine.models.device import Float32

if TYPE_CHECKING:
    from torch import Tensor

R = TypeVar("R")

_log = logging.getLogger(__name__)


class BatchSize:
    """How much of ``what`` is computed at once on a device: ``size``, or half of it where memory does not suffice."""

    def __init__(self, size: int, what: str) -> None:
        self.size, self._full, self._what = size, size, what
        self._lock = threading.Lock()

    def fitting(self, work: Callable[[int], R]) -> R:
        """``work`` of the size. Raises RunError where CUDA has no memory for half of it either."""
        import torch

        size = self.size
        try:
            return work(size)
        except torch.OutOfMemoryError as error:
            reason = str(error).split(". ")[0]
        # Out of the handler, whose traceback would keep what was computed so far in memory.
        self._halve(size, reason)
        try:
            return work(self.size)
        except torch.OutOfMemoryError as error:
            reason = str(error).split(". ")[0]
        raise self._exhausted(reason)

    def _halve(self, size: int, reason: str) -> None:
        import torch

        with self._lock:
            if size == self.size:
                if size < self._full or size == 1:
                    raise self._exhausted(reason)
                self.size = size // 2
                _log.warning("%s; from here on a batch has %d %s instead of %d", reason, self.size, self._what, size)
        torch.cuda.empty_cache()

    def _exhausted(self, reason: str) -> RunError:
        return RunError(
            f"{reason}, though a batch has {self.size} {self._what}, where {self._full} are asked for: make batches smaller "
            "in the recipe, or free the GPU of other work"
        )


class Batched:
    """``compute`` maps a batch ``(size, ...)`` on ``device`` to a tensor with a row for each of its rows."""

    def __init__(self, device: str, size: int, compute: Callable[[Tensor], Tensor]) -> None:
        self._device, self._compute = device, compute
        self._batch = BatchSize(size, "rows")
        self._copies: Any = None
        if device.startswith("cuda"):
            import torch

            self._copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def __call__(self, rows: Sequence[NDArray[Any]]) -> Float32:
        """The result for all rows of some arrays, at least one row. The last batch is filled up with zeros: one shape for every
        batch means one computation for every row, so that a result does not depend on what else is computed."""
        return self._batch.fitting(lambda size: self._over(rows, size))

    def _over(self, rows: Sequence[NDArray[Any]], size: int) -> Float32:
        import torch

        count = sum(len(some) for some in rows)
        with torch.inference_mode():
            device_rows = self._on_device(self._filled(rows, count, size))
            starts = range(0, len(device_rows), size)
            results = torch.cat([self._compute(device_rows[start : start + size]) for start in starts])[:count]
            array: Float32 = results.float().cpu().numpy()
        return array

    def _filled(self, rows: Sequence[NDArray[Any]], count: int, size: int) -> Tensor:
        """All rows, and zeros up to whole batches, in one tensor of the host's memory."""
        import torch

        shape = (-(-count // size) * size, *rows[0].shape[1:])
        dtype = torch.from_numpy(np.empty(0, rows[0].dtype)).dtype
        host = torch.empty(shape, dtype=dtype, pin_memory=self._copies is not None)
        np.concatenate(rows, out=host.numpy()[:count])
        host[count:] = 0
        return host

    def _on_device(self, host: Tensor) -> Tensor:
        if self._copies is None:
            return host
        import torch

        with torch.cuda.stream(self._copies):
            copied = host.to(self._device, non_blocking=True)
        computing = torch.cuda.current_stream(copied.device)
        computing.wait_stream(self._copies)
        copied.record_stream(computing)
        return copied


def uploaded(array: NDArray[Any], device: str) -> Tensor:
    """A tensor on ``device``; on CUDA from pinned memory, without waiting for the copy."""
    import torch

    tensor = torch.from_numpy(np.require(array, requirements=["C", "W"]))
    return tensor.pin_memory().to(device, non_blocking=True) if device.startswith("cuda") else tensor.to(device)
