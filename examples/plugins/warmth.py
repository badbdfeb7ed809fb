"""A plugin file: the scorer ``warmth``, how warm the colours of a picture are.

In a recipe: ``plugins: [examples/plugins/warmth.py]`` and ``score: {scorers: [{name: technical}, {name: warmth}]}``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

import dataengine
from dataengine.errors import UsageError


class Warmth:
    """``warmth``: mean of red less blue, from -1 (blue) to 1 (red); of a video the mean over its frames. ``tone`` names it."""

    name = "warmth"
    version = "1"
    fields = [pa.field("warmth", pa.float64()), pa.field("tone", pa.string())]  # noqa: RUF012
    frames = 4
    min_side: int | None = 128

    def __init__(self, *, margin: float = 0.02) -> None:
        self.margin = margin

    def validate(self) -> None:
        if not 0 <= self.margin < 1:
            raise UsageError(f"score.scorers: warmth: margin is a number from 0 to 1, not {self.margin!r}")

    def setup(self, device: str, threads: int) -> None:
        """There is no model to load."""

    def prepare(self, frames: Sequence[np.ndarray[Any, np.dtype[np.uint8]]]) -> float:
        """In the decode child: ``(H, W, 3)`` RGB frames → one number."""
        return float(np.mean([frame[..., 0].mean() - frame[..., 2].mean() for frame in frames])) / 255

    def score(self, prepared: Sequence[Any], captions: Sequence[Sequence[str]]) -> dict[str, list[Any]]:
        """Beside the model: a value a sample and field."""
        return {"warmth": [round(value, 4) for value in prepared], "tone": [self._tone(value) for value in prepared]}

    def _tone(self, value: float) -> str:
        return "neutral" if abs(value) <= self.margin else "warm" if value > 0 else "cold"


SCORERS: list[type[dataengine.Scorer]] = [Warmth]
