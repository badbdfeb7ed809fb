"""Digests of a picture's pixels, and small gray copies of it with and without its margins."""

from __future__ import annotations

import hashlib

import numpy as np

from dataengine.media.image.borders import Box, inside
from dataengine.media.image.decode import decode_rgb
from dataengine.media.image.luma import luma
from dataengine.media.image.pixels import Pixels
from dataengine.media.image.resample import resize
from dataengine.media.limits import Limits
from dataengine.media.measures import SHAPE, SIDE, Fingerprint


def fingerprint(limits: Limits, item: tuple[bytes, int]) -> Fingerprint:
    """``item`` is (bytes of a picture, its frames). For a decode child. Raises InputError."""
    data, frames = item
    return fingerprint_of(decode_rgb(data, limits), frames)


def fingerprint_of(rgb: Pixels, frames: int) -> Fingerprint:
    """Of what ``decode_rgb`` gives of a picture that has so many frames; an animation's pixels have no digest."""
    return {"pixels": pixel_digest(rgb) if frames == 1 else None, "thumbnail": thumbnail(rgb).tobytes()}


def pixel_digest(rgb: Pixels) -> str:
    """128 bits of SHA-256 over size and pixels, ``(H, W, 3) uint8``, in hex."""
    height, width = rgb.shape[:2]
    digest = hashlib.sha256(f"{height} {width} ".encode())
    digest.update(np.ascontiguousarray(rgb).data)
    return digest.hexdigest()[:32]


def thumbnail(rgb: Pixels) -> Pixels:
    """``SHAPE uint8`` of an ``(H, W, 3) uint8`` picture; both views are the same where it has no margins, or is nothing else."""
    gray = luma(rgb)
    whole = _view(gray)
    box = inside(gray)
    inner = whole if box is None or box == (0, gray.shape[0], 0, gray.shape[1]) else _view(_cut(gray, box))
    return np.stack([whole, inner])


def _cut(gray: Pixels, box: Box) -> Pixels:
    return np.ascontiguousarray(gray[box[0] : box[1], box[2] : box[3]])


def _view(gray: Pixels) -> Pixels:
    height, width = gray.shape
    pixels = np.zeros(SHAPE[1:], np.uint8)
    pixels[:-1] = resize(gray, (SIDE, SIDE), "box")
    pixels[-1, :2] = [max(1, round(255 * side / max(height, width))) for side in (height, width)]
    pixels[-1, 2] = min(255, height, width)
    return pixels
