"""Movement between frames of a video: from the codec's own motion vectors or, where its decoder gives none, by dense optical
flow over small gray frames.

At most eight windows of two seconds are decoded, evenly spread; without an index to seek in, the first sixteen seconds. H.264 and
the MPEG family export vectors; only those of P-frames are used, which refer to the I- or P-frame before, so that the number of
frames that they reach over is known.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.codec.context import Flags2
from av.container import InputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from dataengine.errors import InputError
from dataengine.media.limits import Limits
from dataengine.media.sniff import video_format
from dataengine.media.video import demux
from dataengine.media.video.frames import SEEKABLE

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

_WINDOWS, _SECONDS, _MOST = 8, 2.0, 64
"""Windows, their length, and frames of one of them at most."""
_GRAY = 64
"""Pixels of the longer side of the gray frames that changes are measured on; flow takes more of them."""
_FLOW, _APART = 192, 8
"""Pixels of the longer side of those that flow is measured on, and between its places."""
_STEP = 0.04
"""Seconds a frame where the file does not state a rate."""


@dataclass(frozen=True)
class Step:
    """Movement up to a frame. ``field``: ``(n, 5)``: x and y of a block's middle from the frame's middle, movement of its content
    to the right and down, all in longer sides (movements a second), and its weight. ``change``: mean difference in gray levels
    from the frame before; ``changed``: share of the picture that differs."""

    field: Float32 | None
    change: float
    changed: float


@dataclass(frozen=True)
class Movement:
    """Steps of one window after another. ``vectors``: the field is the codec's."""

    steps: list[list[Step]]
    vectors: bool


def movement(data: bytes, limits: Limits) -> Movement:
    """Of a video. Raises InputError."""
    limits.check_bytes(len(data))
    media = video_format(data)
    if media is None:
        raise InputError("not_media", "not a video of a known container")
    with demux.opened(data, media) as (container, stream):
        limits.check_pixels(*_size(stream))
        stream.codec_context.flags2 |= Flags2.export_mvs
        step = float(1 / stream.average_rate) if stream.average_rate else _STEP
        seekable = media.demuxer in SEEKABLE
        windows = [list(_window(frames, step)) for frames in _windows(container, stream, seekable, limits)]
    if not any(windows):
        raise InputError("corrupt", f"no two frames of the {media.format} file can be decoded")
    vectors = any(seen.vectors is not None for window in windows for seen in window)
    return Movement([_steps(window, vectors) for window in windows if window], vectors)


@dataclass(frozen=True)
class _Seen:
    """What is kept of a frame. ``gap``: seconds since the frame that a P-frame refers to."""

    small: npt.NDArray[np.uint8]
    flow: npt.NDArray[np.uint8]
    vectors: Float32 | None
    gap: float


def _size(stream: VideoStream) -> tuple[int, int]:
    context = stream.codec_context
    return max(1, context.width), max(1, context.height)


def _windows(
    container: InputContainer, stream: VideoStream, seekable: bool, limits: Limits
) -> Iterator[Iterator[VideoFrame]]:
    """Frames of each window."""
    seconds = float(container.duration or 0) / av.time_base
    count = min(_WINDOWS, max(1, int(seconds / (2 * _SECONDS)))) if seekable else 1
    if count == 1:
        yield _decoded(container, stream, _MOST * _WINDOWS, limits)
        return
    for n in range(count):
        container.seek(round((n + 0.25) * seconds / count * av.time_base), backward=True)
        yield _decoded(container, stream, _MOST, limits)


def _decoded(container: InputContainer, stream: VideoStream, most: int, limits: Limits) -> Iterator[VideoFrame]:
    """Consecutive frames; what FFmpeg refuses ends the window."""
    with contextlib.suppress(av.error.FFmpegError):
        for _, frame in itertools.islice(demux.decoded(container, stream, (0.0,), limits), most):
            yield frame


def _window(frames: Iterator[VideoFrame], step: float) -> Iterator[_Seen]:
    """``step``: seconds a frame, where the frames have no times."""
    start = last = None
    since = 0
    for frame in frames:
        now = frame.time if frame.time is not None else (last or 0.0) + step
        step = now - last if last is not None and 0 < now - last < 1 else step
        start, last, since = now if start is None else start, now, since + 1
        refers = frame.pict_type in (PictureType.I, PictureType.P)
        vectors = _vectors(frame, since * step) if frame.pict_type == PictureType.P else None
        yield _Seen(_gray(frame, _GRAY), _gray(frame, _FLOW), vectors, step)
        since = 0 if refers else since
        if now - start >= _SECONDS * _WINDOWS:
            return


def _gray(frame: VideoFrame, side: int) -> npt.NDArray[np.uint8]:
    longer = max(frame.width, frame.height)
    width, height = (max(2, round(s * min(1, side / longer))) for s in (frame.width, frame.height))
    gray = frame.reformat(width=width, height=height, format="gray", interpolation="AREA").to_ndarray()
    return np.ascontiguousarray(np.rot90(gray, frame.rotation // 90 % 4))


def _vectors(frame: VideoFrame, gap: float) -> Float32 | None:
    """The field of a P-frame."""
    side = frame.side_data.get("MOTION_VECTORS")
    if side is None:
        return None
    table = side.to_ndarray()
    table = table[(table["source"] < 0) & (table["motion_scale"] > 0)]
    if not len(table):
        return None
    longer = max(frame.width, frame.height)
    x, y = (np.asarray(table[f"dst_{axis}"] - side / 2, np.float64) for axis, side in _sides(frame))
    right, down = (-table[f"motion_{axis}"] / table["motion_scale"] / gap for axis in "xy")
    weight = table["w"].astype(np.float64) * table["h"] * longer
    field = np.stack([*_turned(frame.rotation // 90 % 4, x, y, right, down), weight], axis=1) / longer
    return field.astype(np.float32)


def _sides(frame: VideoFrame) -> tuple[tuple[str, int], tuple[str, int]]:
    return ("x", frame.width), ("y", frame.height)


def _turned(turns: int, x: Float64, y: Float64, right: Float64, down: Float64) -> tuple[Float64, ...]:
    """Places and movements after quarter turns counter-clockwise."""
    for _ in range(turns):
        x, y, right, down = y, -x, down, -right
    return x, y, right, down


def _steps(window: list[_Seen], vectors: bool) -> list[Step]:
    steps = []
    for before, seen in itertools.pairwise(window):
        if before.small.shape != seen.small.shape:
            continue
        difference = np.asarray(cv2.absdiff(before.small, seen.small))
        field = seen.vectors if vectors else _flow(before.flow, seen.flow, seen.gap)
        steps.append(Step(field, float(difference.mean()), float((difference > 2).mean())))
    return steps


def _flow(before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8], gap: float) -> Float32:
    """The field by Farnebäck's method (2003), where there is something to see."""
    empty = np.zeros((*before.shape, 2), np.float32)
    flow = np.asarray(cv2.calcOpticalFlowFarneback(before, after, empty, 0.5, 4, 15, 3, 5, 1.1, 0), np.float32)
    height, width = before.shape
    y, x = np.mgrid[_APART // 2 : height : _APART, _APART // 2 : width : _APART]
    moved = flow[y, x].reshape(-1, 2) / gap
    structure = np.asarray(cv2.boxFilter(np.abs(cv2.Laplacian(before, cv2.CV_32F)), -1, (_APART, _APART)), np.float32)
    longer = max(height, width)
    places = np.stack([x.ravel() - width / 2, y.ravel() - height / 2], axis=1)
    parts = [places / longer, moved / longer, structure[y, x].reshape(-1, 1)]
    return np.concatenate(parts, axis=1).astype(np.float32)
