"""Two ways to chosen frames of a video: decord, which seeks, and PyAV, which decodes from the start.

decord's indices were compared with numbered frames in 18 pairs of container and codec. They are right in MP4, MOV and
Matroska with modern codecs. In AVI, ASF, MPEG and with old codecs it returns, in silence, frames up to hundreds of places
away: there the frames are decoded in order. A damaged stream may give it fewer frames than the container says; then, too.
"""

from __future__ import annotations

import functools
import importlib
import io
import itertools
import re
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from PIL import Image

from dataengine.errors import InputError
from dataengine.media.pixels import Pixels

_DEMUXERS = ("mov", "matroska")
_CODECS = ("h264", "hevc", "vp8", "vp9", "av1")
_ROUNDING = 1e-4
_SLACK = 1.0


def decord_is_exact(demuxer: str, codec: str) -> bool:
    """Whether decord's frame ``i`` of such a file is frame ``i`` in the order of display."""
    return demuxer in _DEMUXERS and codec in _CODECS


def by_decord(data: bytes, wanted: npt.NDArray[np.int64], count: int, size: tuple[int, int]) -> Pixels | None:
    """``(F, H, W, 3) uint8`` at ``size`` (width, height), upright, of ascending indices; None if decord does not see the
    ``count`` frames that there are. Raises InputError ``corrupt``."""
    decord = _decord()
    try:
        reader = decord.VideoReader(io.BytesIO(data), width=size[0], height=size[1], num_threads=1)
        if len(reader) != count:
            return None
        frames: Pixels = reader.get_batch(wanted).asnumpy()
    except decord.DECORDError as error:
        text = str(error)
        if "bad_alloc" in text or "Cannot allocate memory" in text:
            raise MemoryError(text) from error
        raise InputError("corrupt", f"the video data are damaged (decord: {_reason(text)})") from error
    return frames


def in_order(
    decoded: Iterable[VideoFrame], ticks: npt.NDArray[np.float64], size: tuple[int, int], turns: int
) -> Pixels:
    """The same from frames decoded in order: for each of the ascending ``ticks`` (container's seconds) the first frame
    that is not earlier; ``turns`` quarter turns make it upright. The last one serves for ticks up to ``_SLACK`` behind it
    (some packets hold no frame of their own). Raises InputError ``truncated`` where the frames end earlier."""
    found: Pixels = np.stack([_upright(frame, size, turns) for frame in _shown(decoded, ticks.tolist())])
    return found


def _shown(decoded: Iterable[VideoFrame], ticks: list[float]) -> Iterator[VideoFrame]:
    """One frame a tick."""
    last, now = None, ticks[0]
    place = 0
    for last in decoded:
        now = last.time if last.time is not None else now
        while now >= ticks[place] - _ROUNDING:
            yield last
            place += 1
            if place == len(ticks):
                return
    if last is None or ticks[-1] > now + _SLACK:
        raise InputError("truncated", f"the last {ticks[-1] - now:.1f} s of the video cannot be decoded")
    yield from itertools.repeat(last, len(ticks) - place)


def _upright(frame: VideoFrame, size: tuple[int, int], turns: int) -> Pixels:
    """``size`` is (width, height) of the result."""
    pixels: Pixels = np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns))
    if pixels.shape[1::-1] != size:
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
    return pixels


def _reason(text: str) -> str:
    """What decord's message says without the places in its source: the check that failed."""
    check = re.search(r"Check failed: (\w+)", text)
    return f"{check[1]} failed" if check else text.split("\n")[0].rpartition("] ")[2][:200]


@functools.cache
def _decord() -> ModuleType:
    """decord, without the CUDA libraries of torch: it loads any that it finds, though its CPU build uses none, and a
    decode process would take 0.3 s and 340 MB more."""
    hidden: dict[str, Any] = {} if "nvidia" in sys.modules else {"nvidia": None}
    sys.modules.update(hidden)
    try:
        return importlib.import_module("decord")
    finally:
        for name in hidden:
            del sys.modules[name]
