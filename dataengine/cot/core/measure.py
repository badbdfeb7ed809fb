"""Brightness, colour strength and colour temperature of picture parts, in integer arithmetic so that every CPU agrees.

Named parts are boxes in thousandths of the sides (papers' grounding labels use the same scale), so a part means the same
at any size.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from PIL import Image

from dataengine.media.image.pixels import Pixels

Box = tuple[int, int, int, int]

#: Left, top, right, bottom in thousandths.
PARTS: dict[str, Box] = {
    "whole picture": (0, 0, 1000, 1000),
    "left half": (0, 0, 500, 1000),
    "right half": (500, 0, 1000, 1000),
    "upper half": (0, 0, 1000, 500),
    "lower half": (0, 500, 1000, 1000),
    "left third": (0, 0, 333, 1000),
    "middle third": (333, 0, 667, 1000),
    "right third": (667, 0, 1000, 1000),
    "upper third": (0, 0, 1000, 333),
    "central band": (0, 333, 1000, 667),
    "lower third": (0, 667, 1000, 1000),
    "upper left quarter": (0, 0, 500, 500),
    "upper right quarter": (500, 0, 1000, 500),
    "lower left quarter": (0, 500, 500, 1000),
    "lower right quarter": (500, 500, 1000, 1000),
}
SIDES = ("left half", "right half")
LEVELS = ("upper half", "lower half")
COLUMNS = ("left third", "middle third", "right third")
BANDS = ("upper third", "central band", "lower third")
QUARTERS = ("upper left quarter", "upper right quarter", "lower left quarter", "lower right quarter")

CELLS = 4
"""An extreme is looked for among CELLS x CELLS equal cells of a box."""


@dataclass(frozen=True)
class Quality:
    """Something pixels have more or less of; ``scale`` says as a clause what its numbers mean. ``margin``: how far two mean
    values must differ for the answer to be sure (decoders differ by less than 1)."""

    name: str
    most: str
    least: str
    more: str
    noun: str
    scale: str
    margin: int


QUALITIES = {
    "brightness": Quality(
        "brightness", "brightest", "darkest", "brighter", "mean brightness", "0 is black and 255 is white", 10
    ),
    "chroma": Quality(
        "chroma", "most colourful", "least colourful", "more colourful", "mean colour strength",
        "0 is pure grey and 255 a pure colour", 10,
    ),
    "warmth": Quality(
        "warmth", "warmest in colour", "coldest in colour", "warmer in colour", "mean colour temperature",
        "above 0 there is more red than blue, below 0 more blue than red", 12,
    ),
}  # fmt: skip


def cut(pixels: Pixels, box: Box) -> Pixels:
    """The part of ``(H, W, 3)`` within ``box``, at least one pixel."""
    height, width = pixels.shape[:2]
    left, right = _span(box[0], box[2], width)
    top, bottom = _span(box[1], box[3], height)
    return pixels[top:bottom, left:right]


def mean(quality: str, pixels: Pixels) -> int:
    """Mean of a quality over ``(H, W, 3)``, rounded to a whole number: brightness (luma of BT.601) and chroma (largest
    minus smallest channel) from 0 to 255, warmth (red minus blue) from -255 to 255."""
    height, width = pixels.shape[:2]
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    if quality == "chroma":
        gaps = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
        total = 1000 * int(gaps.sum(axis=0, dtype=np.uint32).sum())
    else:
        columns = np.ascontiguousarray(pixels).reshape(height, 3 * width).sum(axis=0, dtype=np.uint32)
        r, g, b = (int(n) for n in columns.reshape(width, 3).sum(axis=0))
        total = 1000 * (r - b) if quality == "warmth" else 299 * r + 587 * g + 114 * b
    return _rounded(total, 1000 * height * width)


def extreme(quality: str, pixels: Pixels, highest: bool) -> int:
    """The highest or lowest ``mean`` among the CELLS x CELLS cells of ``(H, W, 3)``."""
    steps = [1000 * i // CELLS for i in range(CELLS + 1)]
    boxes = [(left, top, right, bottom) for top, bottom in pairwise(steps) for left, right in pairwise(steps)]
    values = [mean(quality, cut(pixels, box)) for box in boxes]
    return max(values) if highest else min(values)


def thumbnail(pixels: Pixels, width: int, height: int) -> npt.NDArray[np.int32]:
    """``(height, width, 3)`` means of equal boxes."""
    small = Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX)
    return np.asarray(small).astype(np.int32)


def _span(start: int, stop: int, length: int) -> tuple[int, int]:
    first = min(start * length // 1000, length - 1)
    return first, max(first + 1, stop * length // 1000)


def _rounded(total: int, count: int) -> int:
    """Nearest whole number, halves upwards."""
    return (2 * total + count) // (2 * count)
