"""Frame similarity of Slow-Fast sampling (Keye-VL-1.5, arXiv 2509.01563, and keye-vl-utils).

Exact integer arithmetic, so that a frame's kind does not depend on rounding: frames are downscaled with the fixed-point weights
of torch's antialiased bilinear filter for bytes, and compared by patch in HSV."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numba
import numpy as np

from dataengine.media.image.pixels import Pixels
from dataengine.media.image.resample import Weights, filtered

PATCH = 28
_COSINE = 0.7


class Reducer:
    """Downscales frames of ``height`` x ``width`` to ``to`` (height, width; multiples of the patch) for comparison."""

    def __init__(self, height: int, width: int, to: tuple[int, int]) -> None:
        self._to = to
        self._rows, self._columns = _weights(height, to[0]), _weights(width, to[1])

    def __call__(self, frame: Pixels) -> Pixels:
        """``(H, W, 3) uint8`` RGB to downscaled HSV."""
        small = filtered(frame, self._rows, self._columns) if frame.shape[:2] != self._to else frame
        return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2HSV), np.uint8)


def similarity(a: Pixels, b: Pixels) -> float:
    """Share of patches with a cosine above 0.7, among those not black in both HSV pictures; 1 if all are. In float32 as in torch,
    where 9 of 10 is less than 0.9."""
    similar, compared = _similar_patches(a, b)
    return float(np.float32(similar) / np.float32(compared)) if compared else 1.0


def _weights(size: int, to: int) -> Weights:
    """Triangle filter as wide as an output pixel (or an input pixel, if that is wider), in 16-bit fixed point."""
    scale = size / to
    support = max(scale, 1.0)
    centres = scale * (np.arange(to) + 0.5)
    first = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    counts = np.minimum((centres + support + 0.5).astype(np.int64), size) - first
    most = math.ceil(support) * 2 + 1
    j = np.arange(most)
    distance = np.abs((j[None, :] + first[:, None] - centres[:, None] + 0.5) / support)
    weights = np.where(j[None, :] < counts[:, None], np.maximum(1.0 - distance, 0.0), 0.0)
    weights /= weights.sum(1, keepdims=True)
    bits = 0
    while bits < 22 and int(0.5 + weights.max() * (1 << (bits + 1))) < 1 << 15:
        bits += 1
    return Weights(first, counts, np.floor(weights * (1 << bits) + 0.5).astype(np.int32), bits)


@numba.njit(nogil=True, cache=True)
def _similar_patches(a: Any, b: Any) -> Any:
    similar, compared = np.int64(0), np.int64(0)
    for top in range(0, a.shape[0], PATCH):
        for left in range(0, a.shape[1], PATCH):
            both = first = second = np.int64(0)
            for y in range(top, top + PATCH):
                for x in range(left, left + PATCH):
                    for c in range(3):
                        p, q = np.int64(a[y, x, c]), np.int64(b[y, x, c])
                        both += p * q
                        first += p * p
                        second += q * q
            if first or second:
                compared += 1
                similar += both > _COSINE * math.sqrt(float(first)) * math.sqrt(float(second))
    return similar, compared


def _compile() -> None:
    """Compile, or load what was compiled, at import: a decode child may not keep it later, and counts it as an item's time."""
    frame = np.zeros((2 * PATCH, 2 * PATCH, 3), np.uint8)
    small = Reducer(2 * PATCH, 2 * PATCH, (PATCH, PATCH))(frame)
    similarity(small, small)


_compile()
