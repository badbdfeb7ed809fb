"""Natural scene statistics of BRISQUE (Mittal, Moorthy and Bovik 2012): how far a picture's local contrast is from that of
undistorted photographs.

Brightness less its local mean, over its local deviation, has a bell-shaped distribution in undistorted photographs, and so have
products of neighbours; the shapes of these distributions at two scales are the 36 features.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
import numpy.typing as npt

from dataengine.media.image.pixels import Pixels

Float64 = npt.NDArray[np.float64]

FEATURES = 36
_KERNEL, _SIGMA, _FLOOR = (7, 7), 7 / 6, 1 / 255
_SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))


def features(picture: Pixels) -> Float64:
    """``(36,)`` of an ``(H, W, 3) uint8`` picture."""
    gray = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float64) / 255
    size = max(8, gray.shape[1] // 2), max(8, gray.shape[0] // 2)
    half = np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_CUBIC), np.float64)
    return np.concatenate([_at_one_scale(gray), _at_one_scale(half)])


def _at_one_scale(gray: Float64) -> Float64:
    mean = cv2.GaussianBlur(gray, _KERNEL, _SIGMA)
    deviation = np.sqrt(np.abs(cv2.GaussianBlur(gray * gray, _KERNEL, _SIGMA) - mean * mean))
    contrast = (gray - mean) / (deviation + _FLOOR)
    shape, _, left, right = _fitted(contrast)
    values = [shape, (left + right) / 2]
    for down, across in _SHIFTS:
        values += _fitted(_neighbours(contrast, down, across))
    return np.array(values)


def _neighbours(contrast: Float64, down: int, across: int) -> Float64:
    """Products of each value and the one that far off."""
    height, width = contrast.shape
    first = contrast[: height - down, max(0, -across) : width - max(0, across)]
    return first * contrast[down:, max(0, across) : width - max(0, -across)]


def _fitted(values: Float64) -> tuple[float, float, float, float]:
    """Shape, mean, and variances of the left and right side of an asymmetric generalised Gaussian with the moments of
    ``values``."""
    values = values if values.size else np.zeros(1)
    squares = values * values
    below = values < 0
    left, right = (float(squares[side].mean()) if side.any() else 1e-12 for side in (below, ~below))
    left, right, every = max(left, 1e-12), max(right, 1e-12), max(float(squares.mean()), 1e-12)
    ratio = np.sqrt(left / right)
    observed = float(np.abs(values).mean()) ** 2 / every
    wanted = observed * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shapes, ratios, means = _table()
    n = int(np.clip(np.searchsorted(ratios, wanted), 0, len(shapes) - 1))
    return float(shapes[n]), float((np.sqrt(right) - np.sqrt(left)) * means[n]), left, right


@functools.cache
def _table() -> tuple[Float64, Float64, Float64]:
    """Shapes, the ratio of squared mean magnitude to mean square of each, ascending, and the factor of its mean."""
    from math import gamma

    shapes = np.arange(0.2, 10.001, 0.001)
    of_one, of_two, of_three = (np.array([gamma(k / a) for a in shapes]) for k in (1, 2, 3))
    return shapes, of_two**2 / (of_one * of_three), np.sqrt(of_one / of_three) * of_two / of_one
