"""Demuxing and sequential decoding by PyAV: frame times from the packets, and frames in display order."""

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
from dataengine.media.video import frame_sizes
from dataengine.text.quotations import without_quotations

_STEP = 0.04
"""Seconds a frame if the file does not state a rate."""
_NOMINAL = 0.01
_CODEC_NAMES = (
    "h264 hevc vvc av1 vp3 vp6 vp6a vp6f vp7 vp8 vp9 theora mpeg1video mpeg2video mpeg4 msmpeg4v1 msmpeg4v2 msmpeg4v3 "
    "h261 h263 h263i h263p flv1 wmv1 wmv2 wmv3 vc1 rv10 rv20 rv30 rv40 svq1 svq3 cinepak indeo3 indeo4 indeo5 msvideo1 "
    "mjpeg mjpegb jpeg2000 prores dnxhd dvvideo cfhd rawvideo v210 yuv4 huffyuv ffvhuff ffv1 utvideo lagarith magicyuv "
    "qtrle rpza smc msrle png gif webp qdraw 8bps dirac"
)
_CODECS = frozenset(_CODEC_NAMES.split())
"""FFmpeg's names of the codecs that are decoded; it has some hundred more, of games and of cameras, that hardly anybody tests."""
_PROTOCOLS = {"protocol_whitelist": "none"}


@dataclass(frozen=True)
class Walk:
    """Result of demuxing all packets. ``clock``: ``(frames,) float64`` presentation times in container seconds, ascending;
    ``keys``: those of key frames; ``closed``: all groups of pictures are closed (no frame after a key frame in the file is shown
    before it); ``step``: mean seconds a frame; ``first``: the first decodable frame."""

    clock: npt.NDArray[np.float64]
    keys: list[float]
    closed: bool
    step: float
    first: VideoFrame


@contextmanager
def opened(data: bytes, media: Media) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Context of the container and its first video track that is not cover art. What FFmpeg raises inside becomes InputError
    ``corrupt``; a file without such a track is ``not_media``."""
    try:
        options = {**_PROTOCOLS, "format_whitelist": media.demuxer}
        with av.open(
            io.BytesIO(data), "r", format=media.demuxer, container_options=options, metadata_errors="replace"
        ) as container:
            streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
            if not streams:
                raise InputError("not_media", f"the {media.format} file has no video track")
            if not streams[0].codec_context:
                raise InputError("corrupt", f"no decoder for the video codec of the {media.format} file")
            if (codec := streams[0].codec_context.codec.canonical_name) not in _CODECS:
                raise InputError("not_media", f"the video codec {codec} of the {media.format} file is not accepted")
            yield container, streams[0]
    except MemoryError:
        raise
    except (av.error.FFmpegError, ValueError, LookupError, ArithmeticError) as error:
        reason = getattr(error, "strerror", None) or without_quotations(error)
        raise InputError("corrupt", f"the {media.format} file cannot be read: {reason}") from error


def walk(container: InputContainer, stream: VideoStream, limits: Limits) -> Walk:
    """Demux all packets, decode the first frame and check the size that each key frame states. Raises InputError."""
    limits.check_frames(stream.frames)
    stamps: list[tuple[float | None, bool]] = []
    first: VideoFrame | None = None
    stored = 0
    for packet in container.demux(stream):
        if packet.size:
            stored += 1
            limits.check_frames(stored)
            if packet.is_keyframe:
                _check_size(frame_sizes.stated(packet, stream), limits)
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
    container: InputContainer, stream: VideoStream, clock: Sequence[float], limits: Limits
) -> Iterator[tuple[float, VideoFrame]]:
    """Decode frames in display order, each with its time in container seconds. Raises InputError for a frame beyond the limits.

    AVI stores no presentation times: its frame ``i`` has ``clock[i]``. Packets before the first decodable one may fail (a
    recording that begins between key frames), later ones may not."""
    count = 0
    for packet in container.demux(stream):
        for frame in _decode(packet) if count else _attempt(packet):
            limits.check_pixels(frame.width, frame.height)
            counted = clock[min(count, len(clock) - 1)]
            timeless = frame.time is None or container.format.name == "avi"
            yield counted if timeless or frame.time is None else frame.time, frame
            count += 1


def _check_size(size: tuple[int, int], limits: Limits) -> None:
    if all(size):
        limits.check_pixels(*size)


def _decode(packet: Packet[VideoStream]) -> list[VideoFrame]:
    if not packet.size and packet.pts is not None:
        # Theora repeats the last frame by an empty packet, which PyAV would take for the end.
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
    # The container's rate is exact; it is used unless frames are missing or the rate varies.
    step = step if rate and abs(measured / step - 1) < _NOMINAL else measured
    return Walk(clock, sorted(tick for tick, key in known if key), _closed(known), step, first)


def _closed(stamps: list[tuple[float, bool]]) -> bool:
    latest = -np.inf
    for tick, key in stamps:
        latest = tick if key else latest
        if tick < latest:
            return False
    return True
