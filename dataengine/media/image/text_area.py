"""Share of a picture that text covers, without a model: runs of strokes of about two brightnesses.

Edges are joined along lines of text; a joined region counts where it has the shape of a line, is filled with strokes, and its
pixels are of two kinds, ink and ground. It finds print, captions and signs of 8 to 80 pixels at a longer side of 512, level
within some degrees; text on a busy ground it misses, and some fences, blinds and keyboards it takes for text. An OCR track
knows better, at a much higher price.
"""

from __future__ import annotations

import cv2
import numpy as np

from dataengine.media.image.pixels import Pixels

_LOWEST, _TALLEST = 6, 90
_ASPECT = 2.5
_FILLED = 0.35
_STEPS = 48
"""Gray levels of the morphological gradient from which a pixel is an edge."""
_TWO_KINDS = 0.7
"""Share of the variance between ink and ground (Otsu 1979)."""
_STROKES = (4.3, 10.5)
"""Changes between ink and ground along a line's middle, for each height of the line that it is long."""


def text_area(gray: Pixels) -> float:
    """Of an ``(H, W) uint8`` picture whose longer side is about 512, 0 to 1."""
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    gradient = cv2.morphologyEx(gray, cv2.MORPH_GRADIENT, element)
    edges = (np.asarray(gradient) >= _STEPS).astype(np.uint8)
    joined = cv2.morphologyEx(edges, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_RECT, (9, 1)))
    count, _, boxes, _ = cv2.connectedComponentsWithStats(joined, connectivity=4)
    covered = np.zeros(gray.shape, np.bool_)
    for left, top, width, height, area in boxes[1:count].tolist():
        if _LOWEST <= height <= _TALLEST and width >= _ASPECT * height and area >= _FILLED * width * height:
            part = slice(top, top + height), slice(left, left + width)
            if _is_text(np.ascontiguousarray(gray[part])):
                covered[part] = True
    return float(covered.mean())


def _is_text(part: Pixels) -> bool:
    level, ink = cv2.threshold(part, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    values, share = part.astype(np.float32), float(np.asarray(ink).mean())
    total = float(values.var())
    if not 0.08 <= share <= 0.92 or total <= 0:
        return False
    bright, dark = float(values[part > level].mean()), float(values[part <= level].mean())
    if share * (1 - share) * (bright - dark) ** 2 / total < _TWO_KINDS:
        return False
    height, width = part.shape
    middle = np.asarray(ink)[height // 4 : max(height // 4 + 1, 3 * height // 4)]
    strokes = float(np.abs(np.diff(middle.astype(np.int8), axis=1)).sum(axis=1).mean()) / (width / height)
    return bool(_STROKES[0] <= strokes <= _STROKES[1])
