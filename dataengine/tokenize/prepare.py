"""Decodes media for a tokenizer: bytes → frames → the input of ``encode``. For the decode child: what it needs is compiled at
import."""

from __future__ import annotations

from typing import Any

from dataengine.media.image.decode import decode_rgb
from dataengine.media.image.resize import PATCH
from dataengine.media.limits import Limits
from dataengine.media.video import slowfast
from dataengine.media.video.reader import frames_even
from dataengine.tokenize.base import FIT_FRAMES, Preparer, Timeline

Context = tuple[Limits, Preparer]
Item = tuple[bytes, str]


def prepare(context: Context, item: Item) -> Any:
    """Decode ``item`` (media bytes, kind) for encoding: a picture, or the slow and fast frames of a video. Raises InputError."""
    limits, preparer = context
    data, kind = item
    if kind == "image":
        return preparer([decode_rgb(data, limits)])
    plan, frames = slowfast.sampled(data, preparer.video, limits)
    timeline = Timeline(plan.kinds, plan.times, (plan.fast[0] // PATCH, plan.fast[1] // PATCH))
    return preparer(list(frames), timeline)


def prepare_stills(context: Context, item: Item) -> list[Any]:
    """Decode ``item`` for fitting: a picture, or a few evenly spaced frames of a video, each as a picture. Raises InputError."""
    limits, preparer = context
    data, kind = item
    frames = [decode_rgb(data, limits)] if kind == "image" else frames_even(data, FIT_FRAMES, limits)[0]
    return [preparer([frame]) for frame in frames]
