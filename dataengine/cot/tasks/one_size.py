"""Centre-crops pictures of several videos to one size, so that a picture's size, and the number of its codes, tell nothing."""

from __future__ import annotations

import numpy as np
from PIL import Image

from dataengine.media.image.pixels import Pixels

SIDE = 168
"""Shorter side at which frames are decoded, and the longer side of what is shown; 12 patches of 14."""
_WIDE = (168, 126)
_LEAST = 0.9
"""What is smaller by more would be enlarged visibly."""


def size_for(pixels: Pixels) -> tuple[int, int]:
    """Width and height, 4 to 3 or 3 to 4, as the pictures ``(..., H, W, 3)`` of one video are wide or tall."""
    height, width = pixels.shape[-3:-1]
    return _WIDE if width >= height else (_WIDE[1], _WIDE[0])


def fits(pixels: Pixels, size: tuple[int, int]) -> bool:
    """Whether ``(..., H, W, 3)`` are large enough."""
    height, width = pixels.shape[-3:-1]
    return bool(width >= _LEAST * size[0] and height >= _LEAST * size[1])


def one_size(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """The largest part of ``(H, W, 3)`` with the proportions of ``size`` around its centre, at that size."""
    height, width = pixels.shape[:2]
    scale = min(width / size[0], height / size[1])
    across, down = min(round(size[0] * scale), width), min(round(size[1] * scale), height)
    left, top = (width - across) // 2, (height - down) // 2
    part = pixels[top : top + down, left : left + across]
    return np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BILINEAR))
