"""Media facts and perceptual hashes of a file, from one decode.

Images are decoded to their last frame. Videos are demuxed to their last packet, and decoded only at the hashed frames and the
last one; decoding all of a long video would take minutes and detect little more damage.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from dataengine.errors import InputError
from dataengine.media.image import decode
from dataengine.media.image.letterbox import bars
from dataengine.media.image.phash import MIN_SIDE, VERSION, phash
from dataengine.media.image.pixels import Pixels, to_gray
from dataengine.media.limits import Limits
from dataengine.media.sniff import video_format
from dataengine.media.video import reader

_MAX_HASHES = 64
_LOOK_PIXELS = 1 << 24
"""Larger pictures are hashed from a gray copy, which JPEGs are decoded to at a fraction, and not shown to ``look``: their facts
must not fail for want of the time or memory that it would take."""
_ROUNDING = 0.02
"""Seconds by which containers differ in the duration of the same video."""


Look = Callable[[Pixels, int], None]


def inspect(limits: Limits, data: bytes, look: Look | None = None) -> dict[str, Any]:
    """Columns ``contracts.FACTS`` of one file. ``look`` is shown what ``decode_rgb`` gives of a picture that is not very large,
    and its number of frames; where it fails, the facts do not. Raises InputError."""
    limits.check_bytes(len(data))
    return _video(limits, data) if video_format(data) else _image(limits, data, look)


def hash_times(duration: float) -> npt.NDArray[np.float64]:
    """Seconds at which a video's frames are hashed: 0, 1, 2, …; every 2nd, 4th, 8th, … second if that were more than 64.

    Copies at 12, 15, 24, 25 and 30 frames a second have a frame at every whole second, and coarser grids are subsets of finer
    ones, so that a long video still shares hashes with its trimmed copy.
    """
    end = duration - _ROUNDING
    step = 1
    while end > _MAX_HASHES * step:
        step *= 2
    return np.arange(0.0, max(end, step), step)[:_MAX_HASHES]


def _image(limits: Limits, data: bytes, look: Look | None) -> dict[str, Any]:
    from dataengine.media.image.shrunk import small_gray

    with decode.opened(data, limits) as picture:
        stored_frames = getattr(picture, "n_frames", 1) if picture.format in decode.ANIMATED else 1
        limits.check_frames(stored_frames)
        # The default image of an APNG, for viewers that cannot play it, is none of its frames.
        frames = stored_frames - bool(getattr(picture, "default_image", False))
        media, mode, stored = decode.describe(picture), picture.mode, decode.orientation(picture)
        if math.prod(picture.size) > _LOOK_PIXELS:
            shown = decode.gray(picture, data, MIN_SIDE, limits)
        else:
            shown = decode.rgb(picture, data, limits)
            if look:
                with suppress(InputError, MemoryError, *decode.ERRORS):
                    look(shown, frames)
        orientation = decode.orientation(picture)
        width, height = picture.size[::-1] if orientation >= 5 else picture.size
        duration = _play(picture, data, stored_frames, limits) if stored_frames > 1 else None
    return {
        "kind": "image",
        "format": media.format,
        "ext": media.ext,
        "width": width,
        "height": height,
        # Pillow turns TIFF upright while it loads and drops the tag.
        "orientation": stored if stored != 1 else orientation,
        "mode": mode,
        "frames": frames,
        "fps": round(frames / duration, 6) if duration else None,
        "duration": duration,
        "codec": None,
        "audio": False,
        "phash": phash(small_gray(shown, MIN_SIDE)),
        "frame_hashes": [],
        "hash_version": VERSION,
    }


def _play(picture: Image.Image, data: bytes, frames: int, limits: Limits) -> float | None:
    """Decode all frames of an animation and return its duration in seconds, None for pages without timing."""
    total = float(picture.info.get("duration", 0))
    for index in range(1, frames):
        picture.seek(index)
        decode.load(picture, data, limits)
        total += float(picture.info.get("duration", 0))
    return round(total / 1000, 6) or None


def _video(limits: Limits, data: bytes) -> dict[str, Any]:
    clip = reader.probe(data, limits)
    wanted = np.append(clip.at(hash_times(clip.duration)), clip.frames - 1)
    frames = reader.read(data, clip, wanted, short_side=MIN_SIDE)
    grays = [np.asarray(to_gray(Image.fromarray(frame))) for frame in frames[:-1]]
    return {
        "kind": "video",
        "format": clip.media.format,
        "ext": clip.media.ext,
        "width": clip.width,
        "height": clip.height,
        "orientation": 1,
        "mode": clip.mode,
        "frames": clip.frames,
        "fps": clip.fps,
        "duration": clip.duration,
        "codec": clip.codec,
        "audio": clip.audio,
        "phash": None,
        "frame_hashes": _frame_hashes(grays),
        "hash_version": VERSION,
    }


def _frame_hashes(grays: list[npt.NDArray[np.uint8]]) -> list[int]:
    """Hashes of the frames and, if letterboxed, of their inner pictures: a copy may have the bars or not."""
    box = bars(grays)
    inner = [] if box is None else [gray[box[0] : box[1], box[2] : box[3]] for gray in grays]
    return [h for h in map(phash, [*grays, *inner]) if h is not None]
