"""``edges``: share of a picture's pixels on an edge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa


class Edges:
    """0 is a flat colour; of a video the mean over its frames."""

    name = "edges"
    version = "1"
    fields = [pa.field("edges", pa.float64())]  # noqa: RUF012
    frames = 4
    min_side: int | None = 256

    def __init__(self, *, threshold: int = 32) -> None:
        self.threshold = threshold

    def validate(self) -> None:
        """Any threshold will do."""

    def setup(self, device: str, threads: int) -> None:
        """There is no model to load."""

    def prepare(self, frames: Sequence[np.ndarray[Any, np.dtype[np.uint8]]]) -> float:
        """``(H, W, 3)`` RGB frames → one number."""
        return float(np.mean([self._share(frame) for frame in frames]))

    def score(self, prepared: Sequence[Any], captions: Sequence[Sequence[str]]) -> dict[str, list[Any]]:
        return {"edges": [round(value, 4) for value in prepared]}

    def _share(self, frame: np.ndarray[Any, np.dtype[np.uint8]]) -> float:
        gray = frame.mean(axis=2)
        across, down = np.abs(np.diff(gray, axis=1))[:-1], np.abs(np.diff(gray, axis=0))[:, :-1]
        return float((np.maximum(across, down) > self.threshold).mean()) if across.size and down.size else 0.0
