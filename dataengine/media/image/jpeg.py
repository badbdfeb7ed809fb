"""JPEG decoding by libjpeg-turbo with DCT scaling: three times as fast as Pillow, and strict where Pillow is silent (a broken
Huffman code gives it a gray lower half).

Warnings are classified: padding before the end marker is harmless, anything that loses pixels is a failure. What it cannot read
(CMYK, odd sampling, garbage between header segments) is left to Pillow.
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
"""Scales with SIMD code in libjpeg-turbo; 5/8 is slower than full size."""


def decode(data: bytes, colorspace: Literal["RGB", "GRAY"], min_side: int | None) -> Pixels | None:
    """Decode to ``(H, W, 3)`` or ``(H, W) uint8``, as stored, at the smallest of the scales 1, 1/2, 1/4, 1/8 whose shorter side
    is at least ``min_side`` (None: full size); None if Pillow has to decode it. Raises InputError ``truncated`` or
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
    """Decode at ``size`` (width, height), which one of ``_FACTORS`` gives exactly."""
    pixels: Pixels = simplejpeg.decode_jpeg(
        data, colorspace=colorspace, min_width=size[0], min_height=size[1], strict=strict
    )
    return pixels[:, :, 0] if colorspace == "GRAY" else pixels


def _harmless(data: bytes, warning: str) -> bool:
    """Classify a warning: True to decode again without it, False to let Pillow try; raises InputError if pixels are lost."""
    if "Premature end of JPEG file" in warning:
        raise InputError("truncated", f"the JPEG data end early, after {len(data):,} bytes")
    if any(sign in warning for sign in _LOST):
        raise InputError("corrupt", f"damaged JPEG data: {warning}")
    if "emory" in warning:
        raise MemoryError(warning)
    if match := re.search(r"(\d+) extraneous bytes before marker 0xd9", warning):
        if not _is_padding(data, int(match[1])):
            raise InputError("corrupt", f"damaged JPEG data: {warning}")
        return True
    return False


def _is_padding(data: bytes, count: int) -> bool:
    """True if the bytes before the end marker are few or all equal; many different ones are pixel data that the decoder lost."""
    end = data.rfind(_END)
    return count <= _PADDING or len(set(data[end - count : end])) == 1
