"""JPEGs of a sample for a model, and outputs of a model's programs on its picture; runs in the decode child."""

from __future__ import annotations

from collections.abc import Collection

from dataengine.cot.core import tools
from dataengine.cot.core.decoded import PICTURE_SIDE, decoded, working_size
from dataengine.cot.core.sampled_frames import sample_frames
from dataengine.cot.core.shard_files import encode_png
from dataengine.cot.tasks.registry import TASKS
from dataengine.cot.teachers.program import Program
from dataengine.media.image.decode import decode_rgb
from dataengine.media.image.encode import encode_jpeg
from dataengine.media.limits import Limits
from dataengine.media.video.reader import frames_at
from dataengine.media.video.sampling import FAST

SIDE, FRAME_SIDE = 768, 252
"""Pixels of the shorter side of a picture and of a frame, at most; a fast frame has about a third of the area."""
FAST_SIDE = 138


def render_sample(limits: Limits, item: tuple[str, bytes, Collection[str]]) -> dict[str, list[bytes]]:
    """JPEGs of a sample by frame sampling (of a picture by ""). Raises InputError."""
    kind, data, samplings = item
    if kind == "image":
        return {"": [encode_jpeg(decode_rgb(data, limits, SIDE), SIDE, 90)]}
    return {way: _frames(data, way, limits) for way in sorted(samplings)}


def run_program(limits: Limits, item: tuple[bytes, Program]) -> tuple[bytes, str]:
    """Output of a model's program on a picture: a PNG, or as text the numbers of its measurements or why it was refused; the
    other is empty. Raises InputError where the picture cannot be decoded."""
    data, program = item
    task = TASKS.get(program.task)
    if task is None:
        picture = working_size(decode_rgb(data, limits, PICTURE_SIDE))
    else:
        picture = task.canvas(dict(program.parameters), decoded("", "image", data, limits))
    output = tools.run_or_refuse(program.code, picture)
    return (b"", output) if isinstance(output, str) else (encode_png(output), "")


def _frames(data: bytes, way: str, limits: Limits) -> list[bytes]:
    sampling = sample_frames(data, way, limits)
    frames = frames_at(data, sampling.times, limits, FRAME_SIDE)
    sides = (FAST_SIDE if kind == FAST else FRAME_SIDE for kind in sampling.kinds)
    return [encode_jpeg(frame, side, 90) for frame, side in zip(frames, sides, strict=True)]
