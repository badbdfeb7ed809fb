"""Encoding of pictures that a model is shown."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from dataengine.media.image.pixels import Pixels


def encode_jpeg(pixels: Pixels, side: int, quality: int) -> bytes:
    """A JPEG of ``(H, W, 3) uint8``, shrunk until its shorter side has at most ``side`` pixels."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    scale = side / min(picture.size)
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=quality)
    return encoded.getvalue()
