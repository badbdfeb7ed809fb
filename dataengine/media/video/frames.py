"""Random access to video frames: decord where it is exact, PyAV elsewhere.

Both seek to key frames. Tests with numbered frames show decord exact in MP4, MOV and Matroska with closed groups of pictures.
Elsewhere (open groups of pictures, AVI, ASF, MPEG) it silently returns frames up to hundreds of positions off, and on valid HEVC
it fails at random.
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
from dataengine.media.limits import Limits
from dataengine.media.video import demux

#: Demuxers that can seek to key frames by time and store presentation times.
SEEKABLE = ("mov", "matroska")
_DECORD = ("h264", "vp8", "vp9", "av1")
_ROUNDING = 1e-4
_SLACK = 1.0


def decord_is_exact(demuxer: str, codec: str, closed: bool) -> bool:
    """Whether decord's frame ``i`` is frame ``i`` in display order; ``closed`` as in ``demux.Walk``."""
    return closed and demuxer in SEEKABLE and codec in _DECORD


def by_decord(
    data: bytes, wanted: npt.NDArray[np.int64], count: int, size: tuple[int, int], at_once: int
) -> Iterator[Pixels]:
    """Frames by ascending index, ``(H, W, 3) uint8`` at ``size`` (width, height), upright, decoded in batches of ``at_once``.
    Ends early if decord counts other than ``count`` frames, or fails on the file."""
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
    limits: Limits,
) -> Iterator[VideoFrame]:
    """The first frame at or after each of the ascending ``ticks``; all times in container seconds. ``keys``: times of key frames
    to seek to, empty to decode everything. ``clock`` as in ``demux.decoded``.

    The last frame is returned for ticks up to a second after it, as some packets hold no frame. Raises InputError ``truncated``
    if the frames end earlier."""
    frames = demux.decoded(container, stream, clock, limits)
    now, last = -np.inf, None
    for tick in ticks:
        key = keys[max(0, bisect.bisect_right(keys, tick + _ROUNDING) - 1)] if keys else now
        if key > max(now, keys[0] if keys else now):
            now, last, frames = _jump(container, stream, key, clock, limits)
        while now < tick - _ROUNDING:
            step = next(frames, None)
            if step is None:
                break
            now, last = step
        if last is None or now < tick - _SLACK:
            raise InputError("truncated", f"the last {ticks[-1] - max(now, 0.0):.1f} s of the video cannot be decoded")
        yield last


def upright(frame: VideoFrame, size: tuple[int, int], turns: int) -> Pixels:
    """Convert a frame to ``(H, W, 3) uint8`` at ``size`` (width, height), after ``turns`` quarter turns counter-clockwise."""
    pixels: Pixels = np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns))
    if pixels.shape[1::-1] != size:
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
    return pixels


_Timed = Iterator[tuple[float, VideoFrame]]


def _jump(
    container: InputContainer, stream: VideoStream, key: float, clock: Sequence[float], limits: Limits
) -> tuple[float, VideoFrame | None, _Timed]:
    """Seek to a key frame, or to the beginning if the container's index leads past it."""
    for target in (key, clock[0]):
        container.seek(round(target / float(stream.time_base or 1)), stream=stream)
        frames = demux.decoded(container, stream, clock, limits)
        now, last = next(frames, (np.inf, None))
        if now <= key + _ROUNDING:
            return now, last, frames
    raise InputError("corrupt", "the container's seek index is wrong: it leads past the requested key frame")


@functools.cache
def decord() -> ModuleType:
    """Import decord without torch's CUDA libraries, which it loads if it finds them, though its CPU build uses none: they cost a
    decode process 0.3 s and 340 MB, and NVBLAS among them crashes torch on a machine without a GPU."""
    before = sys.modules.get("nvidia")
    sys.modules["nvidia"] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("decord")
    finally:
        del sys.modules["nvidia"]
        if before is not None:
            sys.modules["nvidia"] = before
