"""Decodes the picture, or frames of the video, that text is read from, in the decode child; large ones as a working copy."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataengine.media.image.decode import decode_rgb
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.media.video.reader import frames_even


class Page(msgspec.Struct):
    """``(H, W, 3)`` uint8, upright, and the time of the frame in seconds; 0 of a picture."""

    pixels: NDArray[Any]
    time: float


def pages(context: tuple[Limits, int, int], item: tuple[bytes, str, tuple[int, int]]) -> list[Page]:
    """``item`` is (media bytes, kind, (width, height)). A JPEG is decoded at a fraction of its size where that is enough for
    the working copy, so that a scan of any size costs little memory. Raises InputError."""
    limits, frames, longest = context
    data, kind, size = item
    if kind == "image":
        return [Page(_shrunk(decode_rgb(data, limits, _enough(size, longest)), longest), 0.0)]
    short = _enough(size, longest)
    pixels, times = frames_even(data, frames, limits, short)
    return [Page(_shrunk(frame, longest), round(time, 4)) for frame, time in zip(pixels, times, strict=True)]


def _enough(size: tuple[int, int], longest: int) -> int | None:
    """Shorter side of a picture whose longer one is ``longest``; None where it is not larger."""
    return None if max(size) <= longest else max(1, -(-min(size) * longest // max(size)))


def _shrunk(pixels: Pixels, longest: int) -> Pixels:
    height, width = pixels.shape[:2]
    if max(height, width) <= longest:
        return pixels
    scale = longest / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0))
