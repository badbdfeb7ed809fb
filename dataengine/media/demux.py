"""A video's container opened and walked by PyAV: where its frames lie in time, and the frames one after another."""

from __future__ import annotations

import io
from collections.abc import Iterator
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
    """``times`` ``(frames,) float64`` seconds from the first frame, ascending; ``start`` seconds of the first frame on the
    container's clock; ``step`` seconds a frame on average; ``first`` the first frame that can be decoded."""

    times: npt.NDArray[np.float64]
    start: float
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
    stamps: list[float | None] = []
    first: VideoFrame | None = None
    stored = 0
    for packet in container.demux(stream):
        if packet.size:
            stored += 1
            limits.check_frames(stored)
            if not packet.is_discard:
                stamps.append(_stamp(packet))
        if first is None:
            first = next(iter(_attempt(packet)), None)
    if stored < stream.frames and container.format.name.startswith("mov"):
        raise InputError("truncated", f"{stored:,} of {stream.frames:,} frames are in the file")
    if not stamps:
        raise InputError("no_frames", "the video track has no frames")
    if first is None:
        raise InputError("corrupt", f"none of {len(stamps):,} frames can be decoded")
    return _timed(stamps, stream, first)


def decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Frames in the order of display. Packets before the first decodable one may fail (a recording that begins between
    key frames), later ones may not."""
    begun = False
    for packet in container.demux(stream):
        frames = _decode(packet) if begun else _attempt(packet)
        begun = begun or bool(frames)
        yield from frames


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


def _timed(stamps: list[float | None], stream: VideoStream, first: VideoFrame) -> Walk:
    rate = stream.average_rate or stream.guessed_rate
    step = float(1 / rate) if rate else _STEP
    known = [stamp for stamp in stamps if stamp is not None]
    counted = [index * step for index in range(len(stamps))]
    ticks = np.sort(np.array(known if len(known) == len(stamps) else counted, np.float64))
    times = ticks - ticks[0]
    if times[-1] > 0:
        measured = float(times[-1]) / (len(times) - 1)
        # The container's rate is the rounder figure; it counts unless frames were left out or the rate varies.
        step = step if rate and abs(measured / step - 1) < _NOMINAL else measured
    return Walk(times, float(ticks[0]), step, first)
