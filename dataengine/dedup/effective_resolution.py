"""Which of several copies of a picture has the most pixels that show something: a stretched copy is no better than what it
was made from.

A copy of more pixels counts as less than a smaller one where it resolves no more lines (``media.image.detail``) and is less
sharp, pixel by pixel; so does one of the same size that is much less sharp. A crop is as sharp as the whole, and a shrunk copy
resolves fewer lines, so neither makes the original count as less. Copies of like size are not told apart by small differences,
which saving them again makes, but left to what decides next.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

#: Ratio of lines up to which a larger copy resolves no more than a smaller one, and of sharpness up to which it is less sharp.
#: Of 17 photographs stretched 1.25, 1.5 and 2 times by three kernels and saved as PNG or JPEG 95 or 75 all were found by these;
#: a larger original lost against copies shrunk to 0.8 or 0.5 only if it was soft (``detail`` under 0.4), or shrunk by nearest
#: neighbours.
_LINES, _SHARPNESS = 1.03, 0.85
#: ``detail`` of a smaller copy under which it is too soft to say that the larger one was stretched from it.
_SOFT = 0.3
#: Ratio of sides within which copies are of like size, and the ratio of sharpness that still tells them apart.
_LIKE, _MUCH = 1.025, 0.75


def effective_pixels(members: pa.Table) -> Int64:
    """``(n,)`` of rows (component, width, height, detail) of whole components: pixels, or one less than those of the copy that
    a stretched one cannot stand for."""
    width, height = (members[name].to_numpy().astype(np.int64) for name in ("width", "height"))
    pixels = width * height
    if "detail" not in members.column_names:
        return pixels
    detail = members["detail"].to_numpy(zero_copy_only=False).astype(np.float64)
    component: Any = members["component"].combine_chunks().dictionary_encode()
    code = component.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    measured = np.flatnonzero(np.isfinite(detail))
    order = measured[np.lexsort((-detail[measured], pixels[measured], code[measured]))]
    for rows in np.split(order, np.flatnonzero(np.diff(code[order])) + 1):
        sizes, each = np.unique(
            np.stack([pixels[rows], -detail[rows]]), axis=1, return_inverse=True
        )  # equal ones count alike
        pixels[rows] = _counted(sizes[0].astype(np.int64), -sizes[1])[each.ravel()]
    return pixels


def _counted(pixels: Int64, detail: Float64) -> Int64:
    """The pixels of one component's different pictures, in the order of their number, with those of stretched ones replaced."""
    counted, side = pixels.copy(), np.sqrt(pixels)
    for n in range(1, len(counted)):
        size, sharpness = side[n] / side[:n], detail[n] / np.maximum(detail[:n], 1e-9)
        least = np.where(size > _LIKE, _SHARPNESS, _MUCH)
        copied = (sharpness <= least) & (size * sharpness <= _LINES) & (detail[:n] >= _SOFT)
        if copied.any():
            counted[n] = counted[:n][copied].min() - 1
    return counted
