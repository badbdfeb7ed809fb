"""Technical quality from pixels alone: blur, entropy, brightness, contrast and saturation, at one size for all pictures.

Sums are those of integers, exact in any order; only what is made of them is rounded.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from dataengine.media.image.pixels import Pixels
from dataengine.media.measures import Measures

#: Longer side at which everything is measured.
_SIDE = 512
_LEVELS = np.arange(256.0)


def measure(picture: Pixels) -> Measures:
    """Of an upright ``(H, W, 3) uint8`` picture."""
    height, width = picture.shape[:2]
    small = _small(picture)
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    counts = cv2.calcHist([gray], [0], None, [256], [0, 256]).ravel().astype(np.float64)
    mean = float(counts @ _LEVELS) / gray.size
    return Measures(
        aspect=width / height,
        blur=_variance(cv2.Laplacian(gray, cv2.CV_16S)),
        entropy=_entropy(counts / gray.size),
        brightness=mean / 255,
        contrast=float(np.sqrt(counts @ (_LEVELS - mean) ** 2 / gray.size)) / 255,
        saturation=cv2.sumElems(cv2.cvtColor(small, cv2.COLOR_RGB2HSV))[1] / gray.size / 255,
    )


def _small(picture: Pixels) -> Pixels:
    longer = max(picture.shape[:2])
    if longer <= _SIDE:
        return picture
    height, width = (max(1, round(side * _SIDE / longer)) for side in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _variance(values: npt.NDArray[Any]) -> float:
    """Variance of integers; OpenCV gives the root of the sum of squares, squared."""
    total, squares = int(cv2.sumElems(values)[0]), round(cv2.norm(values, cv2.NORM_L2SQR))
    return (values.size * squares - total * total) / values.size**2


def _entropy(shares: npt.NDArray[np.float64]) -> float:
    present = shares[shares > 0]
    return float(-(present * np.log2(present)).sum())
