"""A simulated accelerator: decoding that costs nothing, and a model that takes so many seconds a row and leaves the CPU alone.

It shows on a machine without a GPU how busy one would be kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dataengine.media.image.pixels import Pixels

SIDE = 224
_PICTURE = np.zeros((1, SIDE, SIDE, 3), np.uint8)


def instant(context: Any, item: tuple[bytes, str]) -> list[NDArray[np.uint8]]:
    """What ``dataengine.embed.views.prepare`` gives, at once: a picture of the size of CLIP's that starts with the item's first
    bytes."""
    head = np.frombuffer(item[0][:SIDE], np.uint8)
    _PICTURE[0, 0, : len(head), 0] = head
    return [_PICTURE]


class SimulatedDevice:
    """Computes one batch at a time; others wait. ``busy``: seconds that it has computed."""

    def __init__(self, seconds_a_row: float) -> None:
        self.seconds_a_row, self.busy = seconds_a_row, 0.0
        self._one = threading.Lock()

    def compute(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """``(B, ...)`` → ``(B, 8)``, the first values of each row."""
        with self._one:
            begun = time.perf_counter()
            if self.seconds_a_row:
                time.sleep(self.seconds_a_row * len(rows))
            self.busy += time.perf_counter() - begun
        return rows[:, 0, :8, 0].astype(np.float32)


class SimulatedEncoder:
    """An encoder of pictures on a simulated device, in batches of fixed size."""

    name, version, frames = "simulated", "simulated-1", 1
    dims = (8, 8)
    min_side: int | None = SIDE

    def __init__(self, device: SimulatedDevice | None = None) -> None:
        self.device = device

    def validate(self) -> None: ...

    def setup(self, device: str, threads: int) -> None: ...

    def prepare(self, frames: Sequence[Pixels]) -> Any:
        raise NotImplementedError("its pictures come from `instant`")

    def pictures(self, prepared: Sequence[Any]) -> list[NDArray[np.float32]]:
        if self.device is None:
            raise RuntimeError("an encoder without a device only prepares")
        rows = self.device.compute(np.concatenate(prepared)) + 1
        return list((rows / np.linalg.norm(rows, axis=1, keepdims=True))[:, None])

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.tile(np.eye(1, 8, dtype=np.float32), (len(texts), 1))
