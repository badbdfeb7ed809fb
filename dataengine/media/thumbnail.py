"""JPEG thumbnails of pictures and videos, without metadata of the original. Runs in the decode child."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from dataengine.media.image.decode import decode_rgb
from dataengine.media.limits import Limits
from dataengine.media.video.reader import frames_even

#: Longer side in pixels, and JPEG quality: some 5 KB each.
_SIDE, _QUALITY = 160, 78


def thumbnail(limits: Limits, item: tuple[bytes, str]) -> bytes:
    """Thumbnail of ``item``, (media bytes, kind); of a video's middle frame. Raises InputError."""
    data, kind = item
    pixels = decode_rgb(data, limits, min_side=_SIDE) if kind == "image" else frames_even(data, 1, limits)[0][0]
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
