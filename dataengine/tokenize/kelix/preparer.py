"""Preprocessing of the Kelix tokenizer, run in the decode child: frames in whole tokens, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataengine.tokenize.base import Frame, Grid, Timeline
from dataengine.tokenize.patches import Native, grid_of, sized


@dataclass(frozen=True, eq=False)
class Pixels:
    """Frames ``(28 h, 28 w, 3) uint8`` of one sample; a picture has one and no timeline."""

    frames: list[NDArray[np.uint8]]
    grid: Grid
    timeline: Timeline | None = None


class PixelPreparer(Native):
    """Resizes a picture to whole tokens."""

    def __call__(self, frames: Sequence[Frame], timeline: Timeline | None = None) -> Pixels:
        """A picture ``(H, W, 3)``, or frames of a video at their sizes → Pixels. Raises InputError."""
        resized = sized(self, frames, timeline)
        return Pixels(resized, grid_of(resized, timeline), timeline)
