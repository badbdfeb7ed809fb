"""Two ways to chosen frames of a video: decord, and PyAV for what decord gets wrong.

Both seek to key frames. decord was held to numbered frames: it is exact in MP4, MOV and Matroska where no frame is shown
before the key frame that precedes it in the file. Elsewhere (open groups of pictures, AVI, ASF, MPEG) it returns, in
silence, frames up to hundreds of places away; and of good HEVC it refuses at random what its threads were slow to take.
"""

from __future__ import annotations

import bisect
import functools
import importlib
import io
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType

import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from dataengine.errors import InputError
from dataengine.media.image.pixels import Pixels
from dataengine.media.video import demux

#: Demuxers whose key frames can be found by time, and that store the times of display.
SEEKABLE = ("mov", "matroska")
_DECORD = ("h264", "vp8", "vp9", "av1")
_ROUNDING = 1e-4
_SLACK = 1.0


def decord_is_exact(demuxer: str, codec: str, closed: bool) -> bool:
    """Whether decord's frame ``i`` is frame ``i`` in the order of display; ``closed`` as in ``demux.Walk``."""
    return closed and demuxer in SEEKABLE and codec in _DECORD


def by_decord(
    data: bytes, wanted: npt.NDArray[np.int64], count: int, size: tuple[int, int], at_once: int
) -> Iterator[Pixels]:
    """The frames of ascending indices, ``(H, W, 3) uint8`` at ``size`` (width, height), upright, decoded ``at_once`` a time;
    ends early if decord does not see the ``count`` frames that there are, or finds fault with the file."""
    library = decord()
    try:
        reader = library.VideoReader(io.BytesIO(data), width=size[0], height=size[1], num_threads=1)
        if len(reader) != count:
            return
        for start in range(0, len(wanted), at_once):
            yield from reader.get_batch(wanted[start : start + at_once]).asnumpy()
    except library.DECORDError:
        return


def by_pyav(
    container: InputContainer,
    stream: VideoStream,
    ticks: Sequence[float],
    keys: Sequence[float],
    clock: Sequence[float],
) -> Iterator[VideoFrame]:
    """For each of the ascending ``ticks`` the first frame that is not earlier; all times are the container's. ``keys``:
    times of key frames to jump to, none to decode all. ``clock`` as in ``demux.decoded``.

    The last frame serves for ticks up to a second behind it: some packets hold no frame of their own. Raises InputError
    ``truncated`` where the frames end earlier."""
    frames = demux.decoded(container, stream, clock)
    now, last = -np.inf, None
    for tick in ticks:
        key = keys[max(0, bisect.bisect_right(keys, tick + _ROUNDING) - 1)] if keys else now
        if key > max(now, keys[0] if keys else now):
            now, last, frames = _jump(container, stream, key, clock)
        while now < tick - _ROUNDING:
            step = next(frames, None)
            if step is None:
                break
            now, last = step
        if last is None or now < tick - _SLACK:
            raise InputError("truncated", f"the last {ticks[-1] - max(now, 0.0):.1f} s of the video cannot be decoded")
        yield last


def upright(frame: VideoFrame, size: tuple[int, int], turns: int) -> Pixels:
    """``(H, W, 3) uint8`` at ``size`` (width, height), after ``turns`` quarter turns counter-clockwise."""
    pixels: Pixels = np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns))
    if pixels.shape[1::-1] != size:
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
    return pixels


_Timed = Iterator[tuple[float, VideoFrame]]


def _jump(
    container: InputContainer, stream: VideoStream, key: float, clock: Sequence[float]
) -> tuple[float, VideoFrame | None, _Timed]:
    """Go to a key frame; to the beginning, if the container's index leads past it."""
    for target in (key, clock[0]):
        container.seek(round(target / float(stream.time_base or 1)), stream=stream)
        frames = demux.decoded(container, stream, clock)
        now, last = next(frames, (np.inf, None))
        if now <= key + _ROUNDING:
            return now, last, frames
    raise InputError("corrupt", "the video's index is wrong")


@functools.cache
def decord() -> ModuleType:
    """decord, without the CUDA libraries of torch: it loads any that it finds, though its CPU build uses none. A decode
    process would take 0.3 s and 340 MB more, and NVBLAS among them crashes torch on a machine without a GPU."""
    before = sys.modules.get("nvidia")
    sys.modules["nvidia"] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("decord")
    finally:
        del sys.modules["nvidia"]
        if before is not None:
            sys.modules["nvidia"] = before
