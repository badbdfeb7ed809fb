"""Decodes a sample for tasks: pixels of a fixed working size, each form of it when it is first asked for.

The size is part of the contract (``record.VERSION``): what is measured does not depend on how large the original was, at
the price of details below it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.sampled_frames import sample_frames
from dataengine.errors import InputError
from dataengine.media.image.decode import decode_rgb
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.media.video.reader import frames_even, frames_near, probe

PICTURE_SIDE = 448
"""Pixels of the shorter side of a picture that is measured; smaller pictures stay as they are."""


def decoded(
    id_: str,
    kind: str,
    data: bytes,
    limits: Limits,
    captions: tuple[str, ...] = (),
    facts: Mapping[str, Any] | None = None,
) -> CotInput:
    """Decode the sample in ``data`` lazily, each form once. Its functions (and a video without known duration, at once)
    raise InputError."""
    known = dict(facts or {})
    if kind == "video" and not known.get("duration"):
        known["duration"] = probe(data, limits).duration
    picture = cache(lambda: working_size(decode_rgb(data, limits, PICTURE_SIDE)))
    frames = cache(lambda count, side: frames_even(data, count, limits, side))
    near = cache(lambda times, side: frames_near(data, times, limits, side))
    sampled = cache(lambda sampling: sample_frames(data, sampling, limits))
    loaders = _only("image", kind, picture), _only("video", kind, frames)
    shown, at_times = _only("video", kind, sampled), _only("video", kind, near)
    return CotInput(id_, kind, *loaders, captions, known, shown, frames_near=at_times)


def working_size(pixels: Pixels) -> Pixels:
    """``(H, W, 3)`` shrunk to a shorter side of PICTURE_SIDE; smaller ones as they are."""
    height, width = pixels.shape[:2]
    shorter = min(height, width)
    if shorter <= PICTURE_SIDE:
        return pixels
    size = (max(1, round(width * PICTURE_SIDE / shorter)), max(1, round(height * PICTURE_SIDE / shorter)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def _only(required: str, kind: str, load: Callable[..., Any]) -> Callable[..., Any]:
    if kind == required:
        return load

    def refuse(*_: Any) -> Any:
        raise InputError("wrong_kind", f"a task for {required}s got a sample of kind {kind}")

    return refuse
