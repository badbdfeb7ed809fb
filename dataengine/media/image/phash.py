"""64-bit DCT perceptual hash (pHash), equal to imagehash's ``phash`` on the same pixels.

Zauner (2010), "Implementation and Benchmarking of Perceptual Image Hash Functions", section 3.2.1: 32 × 32 pixels, DCT-II,
the 8 × 8 lowest frequencies; a bit is set where a coefficient lies above their median. The transform is two small
matrix products, so that a decode process imports no scipy (0.3 s).

Hashes are comparable only if their pixels were decoded the same way: ``image.decode.decode_gray`` with ``MIN_SIDE``. On 36
photos and drawings, copies resized to 50-150 % and saved as JPEG 30-90 are within 6 bits, except 1 in 100 (8 bits).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

#: Version of the whole path from bytes to hash; increased when a change could flip a bit.
VERSION = "phash-dct-2"

#: Smallest shorter side, in pixels, that a picture is decoded at for hashing. 192 flips slightly fewer bits and takes twice the
#: time on 500 × 375 JPEGs.
MIN_SIDE = 128

_SIDE, _LOW = 32, 8
_BASIS = 2 * np.cos(np.pi * np.arange(_LOW)[:, None] * (2 * np.arange(_SIDE) + 1) / (2 * _SIDE))
_WEIGHTS = 1 << np.arange(_LOW * _LOW - 1, -1, -1, dtype=np.uint64)

#: Median distance of the coefficients from their median below which bits depend on the encoding rather than the content.
#: Flat pictures with sensor noise reach 30; below 64, JPEG 30 flips 14 or more of 64 bits.
_STRUCTURE = 64.0


def phash(gray: npt.NDArray[np.uint8]) -> int | None:
    """Hash of an ``(H, W) uint8`` picture as signed int64, first coefficient in the highest bit; None for pictures without
    structure: flat ones, and those so regular (a chessboard) that most coefficients vanish."""
    small = Image.fromarray(gray).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    pixels = np.asarray(small, np.float64)
    # Rounded, so that a zero with rounding noise does not depend on the processor.
    low: npt.NDArray[Any] = np.round(_BASIS @ pixels @ _BASIS.T, 6).ravel()
    distance = low - np.median(low)
    if np.median(np.abs(distance)) < _STRUCTURE:
        return None
    return int(_WEIGHTS[distance > 0].sum(dtype=np.uint64).view(np.int64))
