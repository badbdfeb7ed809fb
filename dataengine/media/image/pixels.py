"""Pixel format conversion to 8-bit RGB or gray: transparency over white, 16- and 32-bit pixels scaled, EXIF orientation
applied."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]

_WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
_DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_CEILINGS = (1.0, 255.0, 65535.0)


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert to mode RGB, transparency over white."""
    return _opaque(image).convert("RGB")


def to_gray(image: Image.Image) -> Image.Image:
    """Convert to mode L by the weights of ITU-R BT.601, transparency over white."""
    return _opaque(image).convert("L")


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Apply an EXIF ``orientation`` of 1 to 8 to ``(H, W[, C])`` pixels."""
    if orientation in (2, 4, 5, 7):
        pixels = pixels[:, ::-1]
    turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)
    return np.ascontiguousarray(np.rot90(pixels, turns))


def _opaque(image: Image.Image) -> Image.Image:
    """Remove transparency and reduce to 8 bits a channel, in a mode that Pillow converts exactly."""
    if image.mode in _DEEP:
        return _eight_bits(image)
    if image.mode not in _WITH_ALPHA and "transparency" not in image.info:
        return image
    picture = image.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    return white


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16- or 32-bit gray to 8 bits, from the smallest usual range that contains it: 0-1 (floating point only), 8 bits, 16
    bits, or its own maximum. 16-bit files always count as 16 bits."""
    values = np.asarray(image, np.float64)
    values = np.where(np.isfinite(values), values, 0.0)
    top = float(values.max())
    ceilings = _CEILINGS if image.mode == "F" else _CEILINGS[1:] if image.mode == "I" else _CEILINGS[2:]
    ceiling = next((c for c in ceilings if top <= c), top)
    return Image.fromarray((values.clip(0, ceiling) * (255 / ceiling)).round().astype(np.uint8))
