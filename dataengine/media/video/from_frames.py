"""Writes frames as a short video: H.264 in MP4 with the time of each frame, the same bytes for the same frames."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import av
from av.codec.context import Flags
from av.video.frame import PictureType, VideoFrame

from dataengine.media.image.pixels import Pixels

_TICKS = 1000
"""A second."""
#: As in ``encode``: near the original's quality, one thread, without the part of libx264 that reads uninitialised memory.
_OPTIONS = {"preset": "fast", "crf": "18", "x264-params": "mbtree=0"}


def video_of(frames: Sequence[Pixels], times: Sequence[float]) -> bytes:
    """An MP4 of frames ``(H, W, 3) uint8`` of one size, each shown from its time in seconds to that of the next, the last as long
    as the one before it. Raises ValueError for times that do not rise."""
    ticks = [round(time * _TICKS) for time in times]
    if len(ticks) != len(frames) or any(b <= a for a, b in pairwise(ticks)):
        raise ValueError(f"{len(frames)} frames at {list(times)}: times must rise, one a frame")
    height, width = frames[0].shape[:2]
    out = io.BytesIO()
    with av.open(out, "w", format="mp4", options={"fflags": "+bitexact"}) as target:
        stream = target.add_stream("libx264", rate=_TICKS, options=dict(_OPTIONS))
        context = stream.codec_context
        context.width, context.height = width, height
        context.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
        context.time_base = Fraction(1, _TICKS)
        context.thread_count = 1
        context.flags |= Flags.bitexact
        last = ticks[-1] - ticks[-2] if len(ticks) > 1 else _TICKS
        for pixels, tick, end in zip(frames, ticks, [*ticks[1:], ticks[-1] + last], strict=True):
            frame = VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=context.pix_fmt)
            frame.pts, frame.time_base, frame.pict_type = tick, Fraction(1, _TICKS), PictureType.NONE
            frame.duration = end - tick
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return out.getvalue()
