"""Detects the letterbox and pillarbox bars of clips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dataengine.media.image.pixels import Pixels

Box = tuple[int, int, int, int]

_BLACK, _SHIFT = 48, 0.02
"""Brightest level of a bar, and the difference in thickness of opposite bars, as a share of the side."""
_EVEN = 0.98
_LEAST = 0.3
"""Share of a side that must remain for the rest to be a picture."""


def bars(frames: Sequence[Pixels]) -> Box | None:
    """``(top, bottom, left, right)`` of a clip's frames without letterbox or pillarbox bars; None if it has none. ``frames`` are
    ``(H, W) uint8`` of equal size; a bar stays black in all of them, on both opposite sides (one side may be night)."""
    dark = np.max(np.stack(frames), axis=0) <= _BLACK
    height, width = dark.shape
    (top, bottom), (left, right) = _opposite(dark), _opposite(dark.T)
    if not top and not left:
        return None
    if height - top - bottom < _LEAST * height or width - left - right < _LEAST * width:
        return None
    return top, height - bottom, left, width - right


def _opposite(dark: NDArray[np.bool_]) -> tuple[int, int]:
    """Number of dark lines at the beginning and at the end; 0 unless both are about equal."""
    even = dark.mean(axis=1) >= _EVEN
    if even.all():
        return 0, 0
    first, last = int(np.argmin(even)), int(np.argmin(even[::-1]))
    return (first, last) if first and last and abs(first - last) <= max(2, _SHIFT * len(even)) else (0, 0)
