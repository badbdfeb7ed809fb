"""What keye-vl-utils makes of a video, and what we do, in the same form."""

from __future__ import annotations

from keye_vl_utils import vision_process as keye

from dataengine.media.limits import Limits
from dataengine.media.video import frames, slowfast
from dataengine.media.video.sampling import PRESETS

frames.decord()  # before keye-vl-utils imports it with the CUDA libraries that crash torch

Told = tuple[list[int], tuple[int, ...], list[float]]


def oracle(data: bytes) -> Told:
    """Kinds, (height, width) of slow and of fast frames, and times."""
    _, told = keye.fetch_video({"video": data})
    sizes = tuple(told[name] for name in ("height", "width", "fast_height", "fast_width"))
    return told["frame_types"].tolist(), sizes, told["timestamps"].tolist()


def ours(data: bytes) -> Told:
    plan = slowfast.plan(data, PRESETS["released"], Limits())
    return list(plan.kinds), (*plan.slow, *plan.fast), list(plan.times)
