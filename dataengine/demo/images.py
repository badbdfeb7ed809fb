"""Pictures of the demo corpus: edits that make near-duplicates, and encoders. Pillow only; one picture takes milliseconds.

Edits and encodings are written as words in the YAML: ``resize 0.5``, ``crop 3``, ``brightness 1.08``; ``jpeg 40``,
``jpeg 92 cmyk``, ``jpeg 92 rotated``, ``webp 80``, ``webp lossless``, ``tiff lzw``, ``png``, ``png 16``, ``gif``, ``bmp``.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image

from dataengine.errors import UsageError

_ORIENTATION = 0x0112
_TURNED_BACK = 6
"""EXIF orientation: to be displayed rotated by 90 degrees clockwise."""


def open_image(data: bytes) -> Image.Image:
    """Decode the first frame of a picture."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def edit(image: Image.Image, edits: Iterable[str]) -> Image.Image:
    """Apply ``edits`` in order; palettes become RGB first. Raises UsageError on an unknown edit."""
    for words in edits:
        verb, _, value = words.partition(" ")
        image = image.convert("RGB") if image.mode == "P" else image
        if verb == "resize":
            size = (round(image.width * float(value)), round(image.height * float(value)))
            image = image.resize(size, Image.Resampling.LANCZOS)
        elif verb == "crop":
            image = image.crop(crop_box(image.width, image.height, float(value)))
        elif verb == "brightness":
            image = _brighten(image, float(value))
        else:
            raise UsageError(f"planted.yaml: unknown edit {words!r}; known: brightness, crop, resize")
    return image


def crop_box(width: int, height: int, percent: float) -> tuple[int, int, int, int]:
    """Crop box ``(left, top, right, bottom)`` that removes ``percent`` of each dimension, most of it left and top."""
    x, y = width * percent / 100, height * percent / 100
    return round(x * 0.7), round(y * 0.7), width - round(x * 0.3), height - round(y * 0.3)


def encode(image: Image.Image, encoding: str) -> bytes:
    """Encode ``image`` as ``encoding`` says. Raises UsageError on an unknown one."""
    form, *options = encoding.split()
    out = io.BytesIO()
    if form == "jpeg":
        image, settings = _for_jpeg(image, options)
    elif form == "webp":
        settings = {"lossless": True} if options == ["lossless"] else {"quality": int(options[0])}
    elif form == "tiff":
        settings = {"compression": "tiff_lzw" if options == ["lzw"] else "raw"}
    elif form == "png":
        image, settings = (_sixteen_bit(image) if options == ["16"] else image), {}
    elif form in ("gif", "bmp"):
        settings = {}
    else:
        raise UsageError(f"demo corpus: unknown encoding {encoding!r}")
    image.save(out, form.upper(), **settings)
    return out.getvalue()


def _for_jpeg(image: Image.Image, options: list[str]) -> tuple[Image.Image, dict[str, Any]]:
    settings: dict[str, Any] = {"quality": int(options[0])}
    image = image if image.mode == "L" else image.convert("RGB")
    if "cmyk" in options:
        image = image.convert("CMYK")
    if "rotated" in options:
        exif = Image.Exif()
        exif[_ORIENTATION] = _TURNED_BACK
        image, settings["exif"] = image.transpose(Image.Transpose.ROTATE_90), exif.tobytes()
    return image, settings


def _brighten(image: Image.Image, factor: float) -> Image.Image:
    levels = [min(255, round(v * factor)) for v in range(256)]
    return image.point(levels * len(image.getbands()))


def _sixteen_bit(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
