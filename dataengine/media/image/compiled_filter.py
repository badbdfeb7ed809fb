"""The inner loop of resizing, compiled when this module is imported."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
def across_rows(image: Any, first: Any, counts: Any, weights: Any, bits: int) -> Any:
    """Filter ``(A, M)`` bytes along the first axis to ``(out, M)``."""
    out = np.empty((len(first), image.shape[1]), np.uint8)
    sums = np.empty(image.shape[1], np.int32)
    for o in range(len(first)):
        sums[:] = np.int32(1 << (bits - 1))
        for j in range(counts[o]):
            weight, line = weights[o, j], image[first[o] + j]
            for m in range(len(sums)):
                sums[m] += weight * np.int32(line[m])
        for m in range(len(sums)):
            out[o, m] = min(max(sums[m] >> bits, 0), 255)
    return out


across_rows(np.zeros((1, 1), np.uint8), np.zeros(1, np.int64), np.ones(1, np.int64), np.ones((1, 1), np.int32), 1)
