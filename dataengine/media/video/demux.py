"""A video's container opened and walked by PyAV: where its frames lie in time, and the frames one after another."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from dataengine.errors import InputError
from dataengine.media.limits import Limits
from dataengine.media.sniff import Media

_STEP = 0.04
"""Seconds a frame where nothing in the file tells."""
_NOMINAL = 0.01


@dataclass(frozen=True)
class Walk:
    """``clock`` ``(frames,) float64`` times of display in the container's seconds, ascending; ``keys`` those of key frames;
    ``closed``: no frame is stored behind a key frame and shown before it; ``step`` seconds a frame on average; ``first``
    the first frame that can be decoded."""

    clock: npt.NDArray[np.float64]
    keys: list[float]
    closed: bool
    step: float
    first: VideoFrame


@contextmanager
def opened(data: bytes, media: Media) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its first video track that is not cover art. What FFmpeg raises inside becomes InputError
    ``corrupt``; a file without such a track is ``not_media``."""
    try:
        with av.open(io.BytesIO(data), "r", format=media.demuxer, metadata_errors="replace") as container:
            streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
            if not streams:
                raise InputError("not_media", f"the {media.format} file has no video track")
            if not streams[0].codec_context:
                raise InputError("corrupt", f"no decoder is known for the video track of the {media.format} file")
            yield container, streams[0]
    except MemoryError:
        raise
    except (av.error.FFmpegError, ValueError, LookupError, ArithmeticError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError("corrupt", f"the {media.format} file cannot be read: {reason}") from error


def walk(container: InputContainer, stream: VideoStream, limits: Limits) -> Walk:
    """Read all packets. Raises InputError."""
    limits.check_frames(stream.frames)
    stamps: list[tuple[float | None, bool]] = []
    first: VideoFrame | None = None
    stored = 0
    for packet in container.demux(stream):
        if packet.size:
            stored += 1
            limits.check_frames(stored)
            if not packet.is_discard:
                stamps.append((_stamp(packet), packet.is_keyframe))
        if first is None:
            first = next(iter(_attempt(packet)), None)
    if stored < stream.frames and container.format.name.startswith("mov"):
        raise InputError("truncated", f"{stored:,} of {stream.frames:,} frames are in the file")
    if not stamps:
        raise InputError("no_frames", "the video track has no frames")
    if first is None:
        raise InputError("corrupt", f"none of {len(stamps):,} frames can be decoded")
    return _timed(stamps, stream, first)


def decoded(
    container: InputContainer, stream: VideoStream, clock: Sequence[float]
) -> Iterator[tuple[float, VideoFrame]]:
    """Frames in the order of display with their times in the container's seconds.

    AVI stores no times of display: there, frame ``i`` from the beginning has ``clock[i]``. Packets before the first
    decodable one may fail (a recording that begins between key frames), later ones may not."""
    count = 0
    for packet in container.demux(stream):
        for frame in _decode(packet) if count else _attempt(packet):
            counted = clock[min(count, len(clock) - 1)]
            timeless = frame.time is None or container.format.name == "avi"
            yield counted if timeless or frame.time is None else frame.time, frame
            count += 1


def _decode(packet: Packet[VideoStream]) -> list[VideoFrame]:
    if not packet.size and packet.pts is not None:
        # "The last frame again" in Theora; PyAV would take it for the end.
        return []
    return [frame for frame in packet.decode() if isinstance(frame, VideoFrame)]


def _attempt(packet: Packet[VideoStream]) -> list[VideoFrame]:
    try:
        return _decode(packet)
    except MemoryError:
        raise
    except av.error.FFmpegError:
        return []


def _stamp(packet: Packet[VideoStream]) -> float | None:
    tick = packet.pts if packet.pts is not None else packet.dts
    return None if tick is None or packet.time_base is None else float(tick * packet.time_base)


def _timed(stamps: list[tuple[float | None, bool]], stream: VideoStream, first: VideoFrame) -> Walk:
    rate = stream.average_rate or stream.guessed_rate
    step = float(1 / rate) if rate else _STEP
    known = [(tick, key) for tick, key in stamps if tick is not None]
    if len(known) < len(stamps):
        known = [(index * step, key) for index, (_, key) in enumerate(stamps)]
    clock = np.array(sorted(tick for tick, _ in known), np.float64)
    span = float(clock[-1] - clock[0])
    measured = span / (len(clock) - 1) if span else step
    # The container's rate is the rounder figure; it counts unless frames were left out or the rate varies.
    step = step if rate and abs(measured / step - 1) < _NOMINAL else measured
    return Walk(clock, sorted(tick for tick, key in known if key), _closed(known), step, first)


def _closed(stamps: list[tuple[float, bool]]) -> bool:
    latest = -np.inf
    for tick, key in stamps:
        latest = tick if key else latest
        if tick < latest:
            return False
    return True
