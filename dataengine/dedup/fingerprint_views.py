"""Digests of a picture's pixels, and small gray copies of it with and without its margins."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Annotated, TypedDict

import numpy as np
from msgspec import Meta
from PIL import Image

from dataengine.media.image.borders import trimmed
from dataengine.media.image.decode import decode_rgb
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits

#: Of what confirms a pair (confirm.py), from thumbnails on; here, so that who names it need not compile it.
CONFIRM_VERSION = "gradients-2"
#: Of the pictures in a thumbnail.
SIDE = 64
#: What ``thumbnail`` gives: whole and trimmed picture, of each 64 rows and one more that tells its height and width, 255
#: for the longer one, and the pixels of the shorter one (at most 255).
SHAPE = (2, SIDE + 1, SIDE)
_BYTES = math.prod(SHAPE)


class Fingerprint(TypedDict):
    """Columns ``pixels`` and ``thumbnail`` of contracts.FINGERPRINTS."""

    pixels: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")] | None
    thumbnail: Annotated[bytes, Meta(min_length=_BYTES, max_length=_BYTES)]


def fingerprint(limits: Limits, item: tuple[bytes, int]) -> Fingerprint:
    """``item`` is (bytes of a picture, its frames). For a decode child. Raises InputError."""
    data, frames = item
    rgb = decode_rgb(data, limits)
    return {"pixels": pixel_digest(rgb) if frames == 1 else None, "thumbnail": thumbnail(views(rgb)).tobytes()}


def views(rgb: Pixels) -> list[Pixels]:
    """One or two ``(H, W, 3) uint8``: the picture, and, where it has margins, the picture without them."""
    inner = trimmed(rgb)
    return [rgb] if inner is rgb else [rgb, inner]


def pixel_digest(rgb: Pixels) -> str:
    """128 bits of SHA-256 over size and pixels, ``(H, W, 3) uint8``, in hex."""
    height, width = rgb.shape[:2]
    digest = hashlib.sha256(f"{height} {width} ".encode())
    digest.update(np.ascontiguousarray(rgb).data)
    return digest.hexdigest()[:32]


def thumbnail(shown: Sequence[Pixels]) -> Pixels:
    """``SHAPE uint8`` of a picture's ``views``."""
    pixels = np.zeros(SHAPE, np.uint8)
    for k, picture in enumerate((shown[0], shown[-1])):
        height, width = picture.shape[:2]
        image = Image.fromarray(picture).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
        pixels[k, :-1] = np.asarray(image)
        pixels[k, -1, :2] = [max(1, round(255 * side / max(height, width))) for side in (height, width)]
        pixels[k, -1, 2] = min(255, height, width)
    return pixels
