"""From whatever a picture is stored as to plain 8-bit arrays: upright, transparency over white, deep pixels scaled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]

_WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
_DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_CEILINGS = (1.0, 255.0, 65535.0)


def to_rgb(image: Image.Image) -> Image.Image:
    """``image`` in mode RGB."""
    return _opaque(image).convert("RGB")


def to_gray(image: Image.Image) -> Image.Image:
    """``image`` in mode L, with the weights of ITU-R BT.601."""
    return _opaque(image).convert("L")


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """``(H, W[, 3])`` as it should be shown, for an EXIF ``orientation`` of 1 to 8."""
    if orientation in (2, 4, 5, 7):
        pixels = pixels[:, ::-1]
    turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)
    return np.ascontiguousarray(np.rot90(pixels, turns))


def _opaque(image: Image.Image) -> Image.Image:
    """Without transparency and with 8 bits a channel; the mode is one that Pillow converts exactly."""
    if image.mode in _DEEP:
        return _eight_bits(image)
    if image.mode not in _WITH_ALPHA and "transparency" not in image.info:
        return image
    picture = image.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    return white


def _eight_bits(image: Image.Image) -> Image.Image:
    """Gray of 16 or 32 bits, scaled from the smallest usual range that holds it: 0-1 (floating point only), 8 bits,
    16 bits, or its own maximum. 16-bit files always count as 16 bits."""
    values = np.asarray(image, np.float64)
    values = np.where(np.isfinite(values), values, 0.0)
    top = float(values.max())
    ceilings = _CEILINGS if image.mode == "F" else _CEILINGS[1:] if image.mode == "I" else _CEILINGS[2:]
    ceiling = next((c for c in ceilings if top <= c), top)
    return Image.fromarray((values.clip(0, ceiling) * (255 / ceiling)).round().astype(np.uint8))
