"""The frames that Slow-Fast sampling takes of a video as thumbnails, and where its shots begin. Runs in the decode child."""

from __future__ import annotations

import io

import msgspec
import numpy as np
from PIL import Image

from dataengine.errors import InputError
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.media.video import shots, slowfast
from dataengine.media.video.sampling import SlowFast

#: Thumbnails of a video, at most; their longer side in pixels, and JPEG quality.
MOST = 96
_SIDE, _QUALITY = 200, 78


class Strip(msgspec.Struct):
    """``times`` (seconds) and ``kinds`` (0 slow, 1 fast) of all sampled frames; ``shown`` are the indices of those with
    ``pictures``. ``cuts``: seconds where shots begin, without the first; ``unseen``: why they are not known, else ""."""

    times: list[float]
    kinds: list[int]
    shown: list[int]
    pictures: list[bytes]
    cuts: list[float]
    unseen: str


def strip(context: tuple[Limits, SlowFast], data: bytes) -> Strip:
    """Raises InputError where the frames cannot be decoded. Cuts are hard ones, by the detector ``content``."""
    limits, how = context
    plan, frames = slowfast.sampled(data, how, limits)
    shown = evenly(len(plan.indices), MOST)
    wanted = set(shown)
    pictures = [_jpeg(frame) for n, frame in enumerate(frames) if n in wanted]
    try:
        cuts, unseen = [shot.start for shot in shots.detect(data, limits, "content")][1:], ""
    except InputError as error:
        cuts, unseen = [], str(error)
    return Strip(list(plan.times), list(plan.kinds), shown, pictures, cuts, unseen)


def evenly(count: int, most: int) -> list[int]:
    """At most so many indices below ``count``, from the first to the last."""
    if count <= most:
        return list(range(count))
    return [n * (count - 1) // (most - 1) for n in range(most)]


def _jpeg(frame: Pixels) -> bytes:
    picture = Image.fromarray(np.ascontiguousarray(frame))
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
