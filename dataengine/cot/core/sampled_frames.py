"""Samples the frames of a video as a sampling says; for the decode child, as it compiles what it needs when it is imported."""

from __future__ import annotations

import json
import math

import numpy as np

from dataengine.cot.core.frame_sampling import EVEN, SLOW_FAST, SampledFrames
from dataengine.errors import InputError
from dataengine.media.limits import Limits
from dataengine.media.video import slowfast
from dataengine.media.video.reader import probe
from dataengine.media.video.sampling import SLOW, SlowFast


def sample_frames(data: bytes, sampling: str, limits: Limits) -> SampledFrames:
    """Times and kinds of the frames of a video. Raises InputError."""
    name, _, rest = sampling.partition(" ")
    if name == SLOW_FAST:
        plan = slowfast.plan(data, _settings(rest), limits)
        return SampledFrames(tuple(map(_rounded_up, plan.times)), plan.kinds)
    if name != EVEN or not rest.isdecimal() or not 1 <= int(rest) <= 1024:
        raise InputError("bad_record", f"unknown frame sampling {sampling[:80]!r}")
    clip = probe(data, limits)
    middles = (np.arange(int(rest)) + 0.5) * clip.duration / int(rest)
    times = clip.times[np.unique(clip.at(middles))].tolist()
    return SampledFrames(tuple(map(_rounded_up, times)), (SLOW,) * len(times))


def _rounded_up(seconds: float) -> float:
    return math.ceil(100 * seconds - 1e-6) / 100


def _settings(text: str) -> SlowFast:
    try:
        return SlowFast(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise InputError("bad_record", f"invalid settings of Slow-Fast sampling: {error}") from None
