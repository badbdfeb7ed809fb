"""Border detection: margins of one colour, and nested frames. Imports compiled code.

Works on the brightness of a small copy, so a margin thinner than 1/256 of the longer side counts as picture. A cut-out on white
ends at its bounding box. The detected box may differ by a line or two between copies of one picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dataengine.media.image.luma import luma
from dataengine.media.image.pixels import Pixels
from dataengine.media.image.resample import resize

Box = tuple[int, int, int, int]

_SIDE = 256
_TOLERANCE = 24
"""Levels by which pixels of a margin may differ, because JPEG and video codecs ring."""
_EVEN = 0.98
_LEAST = 0.3
"""Share of a side that must remain for the rest to be a picture."""
_FRAMES = 3
_SHORT = 8
"""Pixels in a line below which its evenness cannot be judged."""


def inside(gray: Pixels) -> Box | None:
    """``(top, bottom, left, right)`` of an ``(H, W) uint8`` picture without its margins; None if too little would remain."""
    height, width = gray.shape
    ratio = max(1.0, max(height, width) / _SIDE)
    small = gray
    if ratio > 1:
        small = resize(gray, (max(1, round(height / ratio)), max(1, round(width / ratio))), "box")
    rows, columns = small.shape
    top, bottom, left, right = 0, rows, 0, columns
    for _ in range(_FRAMES):
        part = small[top:bottom, left:right]
        cut = [_margin(lines) for lines in (part, part[::-1], part.T, part.T[::-1])]
        top, bottom, left, right = top + cut[0], bottom - cut[1], left + cut[2], right - cut[3]
        if bottom - top < _LEAST * rows or right - left < _LEAST * columns:
            return None
        if not any(cut):
            break
    down, across = height / rows, width / columns
    return round(top * down), round(bottom * down), round(left * across), round(right * across)


def trimmed(rgb: Pixels) -> Pixels:
    """An ``(H, W, 3) uint8`` picture without its margins; the same array if it has none, or is nothing but margins."""
    box = inside(luma(rgb))
    if box is None or box == (0, rgb.shape[0], 0, rgb.shape[1]):
        return rgb
    return np.ascontiguousarray(rgb[box[0] : box[1], box[2] : box[3]])


def _margin(lines: NDArray[np.uint8]) -> int:
    """Number of leading lines that have the first one's colour. Looks at few of them before it looks at more: most pictures have
    no margin."""
    if lines.shape[1] < _SHORT:
        return 0
    level = int(np.median(lines[0]))
    start, count = 0, 1
    while start < len(lines):
        some = lines[start : start + count].astype(np.int16)
        even = (np.abs(some - level) <= _TOLERANCE).mean(axis=1) >= _EVEN
        if not even.all():
            return start + int(np.argmin(even))
        start, count = start + len(some), 4 * count
    return len(lines)
