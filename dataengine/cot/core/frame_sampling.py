"""Which frames of a video a record shows: evenly spaced ones, or those of Slow-Fast sampling.

A *way* is a text that says all of it (``even 16``, ``slow-fast {settings as JSON}``), so that whoever checks a record can take
the same frames without the recipe.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from dataengine.cot.core.record import SAMPLE
from dataengine.errors import InputError
from dataengine.media.limits import Limits
from dataengine.media.video import slowfast
from dataengine.media.video.reader import probe
from dataengine.media.video.sampling import SLOW, SlowFast
from dataengine.models.serving.messages import VideoBlock

EVEN, SLOW_FAST = "even", "slow-fast"
KEYE = (f"{EVEN} 16", f"{EVEN} 32")
"""Every video at 16 and at 32 frames: Keye-VL (arXiv 2507.01949, on the cold start)."""
_CLOSE = 0.11
"""Seconds by which two decoders may differ about when a frame is shown."""


@dataclass(frozen=True)
class Taken:
    """``times`` in seconds from the first frame, to two places and not before the frame is shown; ``kinds`` 0 slow, 1 fast."""

    times: tuple[float, ...]
    kinds: tuple[int, ...]


def way_of(frames: int | Literal["slow-fast"], how: SlowFast) -> str:
    """The way for an entry of the recipe's ``cot.video.frames``."""
    if isinstance(frames, int):
        return f"{EVEN} {frames}"
    return f"{SLOW_FAST} {json.dumps(asdict(how), sort_keys=True, separators=(',', ':'))}"


def take(data: bytes, way: str, limits: Limits) -> Taken:
    """Times and kinds of the frames of a video. Raises InputError."""
    name, _, rest = way.partition(" ")
    if name == SLOW_FAST:
        plan = slowfast.plan(data, _settings(rest), limits)
        return Taken(tuple(map(_place, plan.times)), plan.kinds)
    if name != EVEN or not rest.isdecimal() or not 1 <= int(rest) <= 1024:
        raise InputError("bad_record", f"no frames are taken in the way {way[:80]!r}")
    clip = probe(data, limits)
    middles = (np.arange(int(rest)) + 0.5) * clip.duration / int(rest)
    times = clip.times[np.unique(clip.at(middles))].tolist()
    return Taken(tuple(map(_place, times)), (SLOW,) * len(times))


def params_of(way: str, taken: Taken) -> dict[str, str]:
    """What a record tells of its frames, among its params."""
    told = {"times": " ".join(f"{t:g}" for t in taken.times), "kinds": " ".join(map(str, taken.kinds))}
    return {"sampling": way, **told}


def told(params: Mapping[str, str]) -> Taken:
    """The inverse of ``params_of``. Raises LookupError or ValueError."""
    return Taken(tuple(map(float, params["times"].split())), tuple(map(int, params["kinds"].split())))


def same(params: Mapping[str, str], found: Taken) -> bool:
    """Are these the frames that a record tells? Times but for rounding; of the kinds one in ten may differ, since another
    decoder's pixels may fall on the other side of the threshold."""
    known = told(params)
    if len(known.times) != len(found.times) or len(known.kinds) != len(found.kinds):
        return False
    late = any(abs(a - b) > _CLOSE for a, b in zip(known.times, found.times, strict=True))
    return not late and sum(a != b for a, b in zip(known.kinds, found.kinds, strict=True)) <= len(found.kinds) // 10


def block(source_id: str, params: Mapping[str, str]) -> VideoBlock:
    """The video with its frames, as the question shows it."""
    taken = told(params)
    sampling: Literal["even", "slow-fast"] = "even" if params["sampling"].startswith(EVEN) else "slow-fast"
    frames = {"nframes": len(taken.times), "sampling": sampling, "times": taken.times, "kinds": taken.kinds}
    return VideoBlock.model_validate({"video": SAMPLE + source_id, **frames})


def _place(seconds: float) -> float:
    return math.ceil(100 * seconds - 1e-6) / 100


def _settings(text: str) -> SlowFast:
    try:
        return SlowFast(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise InputError("bad_record", f"not settings of Slow-Fast sampling: {error}") from None
