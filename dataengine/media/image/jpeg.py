"""JPEG through libjpeg-turbo, shrunk while it is decoded: three times the speed of Pillow, and it tells of damage that
Pillow passes over (a broken Huffman code gives a gray lower half in silence).

Its warnings are judged: bytes of padding before the end marker harm nobody; whatever loses pixels is a failure. What
it cannot read at all (CMYK, odd sampling, garbage between header segments) is left to Pillow.
"""

from __future__ import annotations

import re
from typing import Literal

import simplejpeg

from dataengine.errors import InputError
from dataengine.media.image.pixels import Pixels

_END = b"\xff\xd9"
_LOST = ("premature end of data segment", "bad Huffman code", "instead of RST")
_PADDING = 16
_FACTORS = (1, 2, 4, 8)
"""libjpeg-turbo has vector code for these; at 5/8 it is slower than at full size."""


def decode(data: bytes, colorspace: Literal["RGB", "GRAY"], min_side: int | None) -> Pixels | None:
    """``(H, W, 3)`` or ``(H, W)``, not turned upright, at the smallest of the scales 1, 1/2, 1/4, 1/8 whose shorter side is
    not below ``min_side`` (None: at full size); None where Pillow has to do it. Raises InputError ``truncated`` or
    ``corrupt``."""
    try:
        height, width, stored, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    if stored in ("CMYK", "YCCK"):
        return None
    factor = 1 if min_side is None else max(f for f in _FACTORS if f == 1 or min(width, height) // f >= min_side)
    size = (-(-width // factor), -(-height // factor))
    try:
        return _decode(data, colorspace, size, strict=True)
    except ValueError as error:
        return _decode(data, colorspace, size, strict=False) if _harmless(data, str(error)) else None


def _decode(data: bytes, colorspace: str, size: tuple[int, int], *, strict: bool) -> Pixels:
    """``size`` (width, height) is one that a scale of ``_FACTORS`` gives exactly."""
    pixels: Pixels = simplejpeg.decode_jpeg(
        data, colorspace=colorspace, min_width=size[0], min_height=size[1], strict=strict
    )
    return pixels[:, :, 0] if colorspace == "GRAY" else pixels


def _harmless(data: bytes, warning: str) -> bool:
    """True: decode again and ignore it. False: let Pillow try. Raises what is worse."""
    if "Premature end of JPEG file" in warning:
        raise InputError("truncated", f"the JPEG data end early, after {len(data):,} bytes")
    if any(sign in warning for sign in _LOST):
        raise InputError("corrupt", f"damaged JPEG data: {warning}")
    if "emory" in warning:
        raise MemoryError(warning)
    if found := re.search(r"(\d+) extraneous bytes before marker 0xd9", warning):
        if not _is_padding(data, int(found[1])):
            raise InputError("corrupt", f"damaged JPEG data: {warning}")
        return True
    return False


def _is_padding(data: bytes, count: int) -> bool:
    """A few bytes, or one byte repeated, before the end marker are a writer's habit; many different ones are picture
    data that the decoder lost its way in."""
    end = data.rfind(_END)
    return count <= _PADDING or len(set(data[end - count : end])) == 1
