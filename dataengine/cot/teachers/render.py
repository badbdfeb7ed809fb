"""What a model is shown of a sample, and what tools make of it for a model; runs in the decode child."""

from __future__ import annotations

import io
from collections.abc import Collection

import numpy as np
from PIL import Image

from dataengine.cot.core import frame_sampling, tools
from dataengine.cot.core.sample import working_size
from dataengine.cot.core.shard_files import encode_png
from dataengine.media.image.decode import decode_rgb
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.media.video.reader import frames_at
from dataengine.media.video.sampling import FAST

SIDE, FRAME_SIDE = 768, 252
"""Pixels of the shorter side of a picture and of a frame, at most; a fast frame has about a third of the area."""
FAST_SIDE = 138
_PICTURE = 448
"""As ``source.PICTURE_SIDE``: what tools work on is what they are checked on."""


def shown(limits: Limits, item: tuple[str, bytes, Collection[str]]) -> dict[str, list[bytes]]:
    """JPEGs of a sample by the way its frames are taken; of a picture by "". Raises InputError."""
    kind, data, ways = item
    if kind == "image":
        return {"": [_jpeg(decode_rgb(data, limits, SIDE), SIDE)]}
    return {way: _frames(data, way, limits) for way in sorted(ways)}


def ran(limits: Limits, item: tuple[bytes, str]) -> bytes | str:
    """What a program of a model makes of a picture: a PNG, the numbers of its measurements, or why it was refused. Raises
    InputError where the picture cannot be decoded."""
    data, code = item
    made = tools.tried(code, working_size(decode_rgb(data, limits, _PICTURE)))
    return made if isinstance(made, str) else encode_png(made)


def _frames(data: bytes, way: str, limits: Limits) -> list[bytes]:
    found = frame_sampling.take(data, way, limits)
    frames = frames_at(data, found.times, limits, FRAME_SIDE)
    sides = (FAST_SIDE if kind == FAST else FRAME_SIDE for kind in found.kinds)
    return [_jpeg(frame, side) for frame, side in zip(frames, sides, strict=True)]


def _jpeg(pixels: Pixels, side: int) -> bytes:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    scale = side / min(picture.size)
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()
