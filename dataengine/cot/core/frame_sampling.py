"""Frame sampling of video records: evenly spaced frames, or those of Slow-Fast sampling.

A *sampling* is a text that says all of it (``even 16``, ``slow-fast {settings as JSON}``), so that a check can sample the same
frames without the recipe.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from dataengine.cot.core.record import SAMPLE
from dataengine.media.video.sampling import SlowFast
from dataengine.models.serving.messages import VideoBlock

EVEN, SLOW_FAST = "even", "slow-fast"
KEYE = (f"{EVEN} 16", f"{EVEN} 32")
"""Every video at 16 and at 32 frames: Keye-VL (arXiv 2507.01949, on the cold start)."""
_CLOSE = 0.11
"""Seconds by which two decoders may differ about when a frame is shown."""


@dataclass(frozen=True)
class SampledFrames:
    """``times`` in seconds from the first frame, to two places and not before the frame is shown; ``kinds`` 0 slow, 1 fast."""

    times: tuple[float, ...]
    kinds: tuple[int, ...]


def sampling_of(frames: int | Literal["slow-fast"], settings: SlowFast) -> str:
    """The sampling for an entry of the recipe's ``cot.video.frames``."""
    if isinstance(frames, int):
        return f"{EVEN} {frames}"
    return f"{SLOW_FAST} {json.dumps(asdict(settings), sort_keys=True, separators=(',', ':'))}"


def parameters_of(sampling: str, frames: SampledFrames) -> dict[str, str]:
    """The parameters of a question that say which frames it shows."""
    times, kinds = " ".join(f"{t:g}" for t in frames.times), " ".join(map(str, frames.kinds))
    return {"sampling": sampling, "times": times, "kinds": kinds}


def frames_of(params: Mapping[str, str]) -> SampledFrames:
    """The inverse of ``parameters_of``. Raises LookupError or ValueError."""
    return SampledFrames(tuple(map(float, params["times"].split())), tuple(map(int, params["kinds"].split())))


def same_frames(params: Mapping[str, str], frames: SampledFrames) -> bool:
    """Whether these are the frames of a question's parameters. Times may differ by rounding, and one kind in ten, since another
    decoder's pixels may fall on the other side of the threshold."""
    known = frames_of(params)
    if len(known.times) != len(frames.times) or len(known.kinds) != len(frames.kinds):
        return False
    others = sum(a != b for a, b in zip(known.kinds, frames.kinds, strict=True))
    return close(known.times, frames.times) and others <= len(frames.kinds) // 10


def close(known: Sequence[float], times: Sequence[float]) -> bool:
    """Whether as many frames are shown at the same times, but for what two decoders may differ."""
    return len(known) == len(times) and all(abs(a - b) <= _CLOSE for a, b in zip(known, times, strict=True))


def video_block(source_id: str, params: Mapping[str, str]) -> VideoBlock:
    """The video with its frames, as the question shows it."""
    frames = frames_of(params)
    sampling: Literal["even", "slow-fast"] = "even" if params["sampling"].startswith(EVEN) else "slow-fast"
    return VideoBlock(
        video=SAMPLE + source_id,
        nframes=len(frames.times),
        sampling=sampling,
        times=frames.times,
        kinds=frames.kinds,
    )
