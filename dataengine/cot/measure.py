"""What is measured in pixels, in whole-number arithmetic so that every CPU finds the same.

Named parts are boxes in thousandths of the sides (papers' grounding labels use the same scale), so a part means the same
at any size.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from PIL import Image

from dataengine.media.pixels import Pixels

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
    """Something pixels have more or less of. ``margin``: how far two mean values must differ for the answer to be sure
    (decoders differ by less than 1)."""

    name: str
    most: str
    least: str
    more: str
    noun: str
    scale: str
    margin: int


QUALITIES = {
    "brightness": Quality(
        "brightness", "brightest", "darkest", "brighter", "mean brightness", "0 is black, 255 is white", 10
    ),
    "chroma": Quality(
        "chroma", "most colourful", "least colourful", "more colourful", "colour strength",
        "the mean gap between the strongest and the weakest channel, 0 for grey", 10,
    ),
    "warmth": Quality(
        "warmth", "warmest in colour", "coldest in colour", "warmer in colour", "warmth", "mean red minus mean blue", 12
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
    if quality == "chroma":
        total = int(pixels.max(axis=2).sum(dtype=np.int64) - pixels.min(axis=2).sum(dtype=np.int64)) * 1000
    else:
        red, green, blue = (int(n) for n in pixels.sum(axis=(0, 1), dtype=np.int64))
        total = 1000 * (red - blue) if quality == "warmth" else 299 * red + 587 * green + 114 * blue
    return _rounded(total, 1000 * pixels.shape[0] * pixels.shape[1])


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
