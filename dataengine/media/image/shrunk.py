"""Small gray copies of decoded pictures, the ones that are hashed. Imports OpenCV."""

from __future__ import annotations

import cv2
import numpy as np

from dataengine.media.image.pixels import Pixels


def small_gray(picture: Pixels, min_side: int) -> Pixels:
    """``(H, W, 3)`` or ``(H, W) uint8`` → ``(h, w) uint8``: halved by averaging while the shorter side stays ``min_side``
    or more;
    what is left over at the right and lower edge is dropped."""
    gray = picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    factor = 1
    while min(gray.shape) // (2 * factor) >= min_side:
        factor *= 2
    if factor == 1:
        return gray
    height, width = (side // factor for side in gray.shape)
    whole = gray[: height * factor, : width * factor]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
