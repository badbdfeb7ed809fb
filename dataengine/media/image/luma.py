"""RGB to gray by Pillow's formula, compiled: a quarter of its time, the same values."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from dataengine.media.image.pixels import Pixels


def luma(rgb: Pixels) -> Pixels:
    """``(H, W, 3) uint8`` → ``(H, W) uint8``: weights of ITU-R BT.601 in 2**-16, as ``Image.convert("L")`` has them."""
    gray: Pixels = _luma(np.ascontiguousarray(rgb).reshape(-1, 3)).reshape(rgb.shape[:2])
    return gray


@numba.njit(nogil=True, cache=True)
def _luma(rgb: Any) -> Any:
    gray = np.empty(len(rgb), np.uint8)
    for n in range(len(rgb)):
        red, green, blue = np.uint32(rgb[n, 0]), np.uint32(rgb[n, 1]), np.uint32(rgb[n, 2])
        gray[n] = (
            np.uint32(19595) * red + np.uint32(38470) * green + np.uint32(7471) * blue + np.uint32(32768)
        ) >> np.uint32(16)
    return gray


luma(np.zeros((1, 1, 3), np.uint8))  # compiled when imported, so that no process compiles after it was confined
