"""Lossless cutting of videos at key frames, and frame-accurate cutting with re-encoding at the ends.

Output is MP4, or Matroska (FLV and ASF keep their container) if MP4 cannot hold the codec. By default packets are copied, so a
clip can only begin at a *cut point*: a key frame that starts a closed group of pictures (in H.264 an IDR picture). A requested
cut snaps to the nearest cut point, the earlier if two are equally near; consecutive clips share no frame and lose none. A
frame-accurate cut re-encodes clips that do not begin and end at cut points (``media/video/encode.py``).

The first audio track is copied, packet by packet, if the container can hold it; a packet belongs to the clip in which it begins.
Subtitles, data and cover art are dropped. Deterministic: no time, random number or version enters a clip. All packets of the
video are held, so memory is about the size of the file.
"""

from __future__ import annotations

import functools
import heapq
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from dataengine.errors import InputError
from dataengine.media.limits import Limits
from dataengine.media.video import demux, encode
from dataengine.media.video.reader import Video, probe

_MP4 = ("h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mpeg1video")
_OWN = ("flv", "asf")
_EXACT = {"fflags": "+bitexact"}
_IDR = 5
_UNWRITTEN = ("rv10", "rv20", "rv30", "rv40")
"""Codecs that Matroska can hold but FFmpeg does not mux."""


def cut(data: bytes, start: float, end: float, limits: Limits, *, frame_accurate: bool = False) -> bytes:
    """Cut a video from ``start`` to ``end`` (seconds from its first frame; ``end`` may exceed its duration), each snapped to the
    nearest cut point, or to the nearest frame if ``frame_accurate``. Raises InputError; ``not_cuttable`` if both snap to the
    same place or the packets do not fit into the container."""
    with cutter(data, probe(data, limits)) as cutting:
        points = [*(range(cutting.clip.frames) if frame_accurate else cutting.cut_points), cutting.clip.frames]
        seconds = [cutting.seconds(p) for p in points]
        first, last = (points[i] for i in nearest(seconds, [start, end]))
        if first >= last:
            raise InputError("not_cuttable", f"no two key frames near {start:g} s and {end:g} s")
        return cutting.extract(first, last)


def nearest(ascending: Sequence[float], targets: Sequence[float]) -> list[int]:
    """Index of the nearest value for each target; the first of two equally near."""
    values, wanted = np.asarray(ascending, np.float64), np.asarray(targets, np.float64)
    after = np.searchsorted(values, wanted).clip(1, max(1, len(values) - 1))
    after = np.minimum(after, len(values) - 1)
    before = np.maximum(after - 1, 0)
    chosen: list[int] = np.where(wanted - values[before] <= values[after] - wanted, before, after).tolist()
    return chosen


@contextmanager
def cutter(data: bytes, clip: Video) -> Iterator[Cutter]:
    """Context of a Cutter for a probed video, with its packets read. Raises InputError."""
    with demux.opened(data, clip.media) as (container, video):
        audio = container.streams.audio[0] if container.streams.audio else None
        yield Cutter(clip, container, video, audio)


class Cutter:
    """Extracts clips from one video's packets. ``cut_points``: indices of the frames at which a clip can begin without
    re-encoding, 0 among them unless there are none. Clips that are re-encoded are cheapest in ascending order."""

    def __init__(self, clip: Video, container: InputContainer, video: VideoStream, audio: AudioStream | None) -> None:
        self.clip = clip
        self._video, self._audio = video, audio
        self._tick = float(video.time_base or 1)
        #: Presentation times in ticks, ascending.
        self._ticks: npt.NDArray[np.int64] = np.rint(clip.clock / self._tick).astype(np.int64)
        self._pictures: list[Packet[Any]] = []
        #: ``(start, duration, packet)`` in ticks: muxing changes a packet's own times.
        self._sounds: list[tuple[int, int, Packet[Any]]] = []
        for packet in container.demux(*(s for s in (video, audio) if s)):
            if packet.size and packet.stream is video:
                self._pictures.append(packet)
            elif packet.size and packet.pts is not None:
                self._sounds.append((packet.pts, packet.duration or 0, packet))
        self._stamps = _stamps(self._pictures, container, video)
        self._container = _holder(clip, video)
        self.cut_points = self._find_cut_points() if self._container else []
        self._frames = encode.Frames(self._pictures, video, self._ticks, self.cut_points)

    def seconds(self, frame: int) -> float:
        """Start of a frame in seconds from the first; for the index past the last frame, the duration of the video."""
        return self.clip.duration if frame == self.clip.frames else float(self.clip.times[frame])

    def extract(self, first: int, end: int, change: encode.Change | None = None) -> bytes:
        """A video file of the frames ``first`` to ``end`` (exclusive). With ``change``, it is applied to each frame and the clip
        is re-encoded. Raises InputError."""
        copied = change is None and bool(self.cut_points) and {first, end} <= {*self.cut_points, self.clip.frames}
        container = self._container if copied else "mp4"
        # Muxers refuse some audio that they should accept: a clip without audio is better than none.
        with suppress(av.error.FFmpegError, ValueError):
            return self._file(container, first, end, copied=copied, sound=True, change=change)
        try:
            return self._file(container, first, end, copied=copied, sound=False, change=change)
        except (av.error.FFmpegError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            message = f"the {self.clip.codec} track cannot be written to a {container} file: {reason}"
            raise InputError("not_cuttable", message) from error

    def _file(
        self, container: str, first: int, end: int, *, copied: bool, sound: bool, change: encode.Change | None
    ) -> bytes:
        out = io.BytesIO()
        with av.open(out, "w", format=container, container_options=_EXACT) as target:
            pictures = self._copied(target, first, end) if copied else self._encoded(target, first, end, change)
            sounds = self._heard(target, first, end) if sound else iter(())
            for packet in heapq.merge(pictures, sounds, key=_seconds):
                target.mux(packet)
        return out.getvalue()

    def _find_cut_points(self) -> list[int]:
        stamps = self._stamps
        if stamps is None or len(stamps) != self.clip.frames or any(p.is_discard for p in self._pictures):
            return []
        before = np.maximum.accumulate(stamps)[:-1]
        after = np.minimum.accumulate(stamps[::-1])[::-1][1:]
        # If all packets before it are presented before it, a packet's index in the file is its frame's index in display order.
        closed = np.flatnonzero((before < stamps[1:]) & (stamps[1:] <= after)) + 1
        length = _length_bytes(self._video) if self.clip.codec == "h264" else None
        keys = (i for i in closed.tolist() if self._pictures[i].is_keyframe)
        return [0, *(i for i in keys if length is None or _is_idr(bytes(self._pictures[i]), length))]

    def _copied(self, target: OutputContainer, first: int, end: int) -> Iterator[Packet[Any]]:
        """Copied packets with times from 0. Decoding times are computed, as some containers store none: the sorted presentation
        times, shifted so that no packet decodes late."""
        stream = target.add_stream_from_template(self._video, opaque=True)
        pictures = self._pictures[first:end]
        shown = (self._stamps if self._stamps is not None else self._ticks)[first:end] - self._ticks[first]
        order = np.sort(shown)
        decoding = order - (order - shown).max()
        lasting = np.diff(order, append=order[-1] + self._lasts(end))

        def packets() -> Iterator[Packet[Any]]:
            for packet, pts, dts, ticks in zip(
                pictures, shown.tolist(), decoding.tolist(), lasting.tolist(), strict=True
            ):
                original = packet.stream, packet.pts, packet.dts, packet.duration
                packet.stream, packet.pts, packet.dts, packet.duration = stream, pts, dts, ticks
                packet.time_base = self._video.time_base or Fraction(1)
                yield packet
                # Restored after muxing: the next clip may have to decode it.
                packet.stream, packet.pts, packet.dts, packet.duration = original
                packet.time_base = self._video.time_base or Fraction(1)

        return packets()

    def _encoded(
        self, target: OutputContainer, first: int, end: int, change: encode.Change | None
    ) -> Iterator[Packet[Any]]:
        return encode.h264(target, self._video, self.clip, self._frames.between(first, end), change)

    def _heard(self, target: OutputContainer, first: int, end: int) -> Iterator[Packet[Any]]:
        """Audio packets that begin within the clip, with times from its first frame."""
        audio = self._audio
        if audio is None or audio.codec_context.codec.canonical_name not in target.supported_codecs:
            return iter(())
        tick = float(audio.time_base or 1)
        begin, stop = (self.seconds(frame) + float(self.clip.clock[0]) for frame in (first, end))
        heard = [sound for sound in self._sounds if begin <= sound[0] * tick < stop]
        if not heard:
            return iter(())
        stream = target.add_stream_from_template(audio, opaque=True)
        base = round(begin / tick)

        def packets() -> Iterator[Packet[Any]]:
            last = -1
            for at, ticks, packet in heard:
                last = max(last + 1, at - base)
                packet.stream, packet.time_base = stream, audio.time_base or Fraction(1)
                packet.pts, packet.dts, packet.duration = last, last, ticks
                yield packet

        return packets()

    def _lasts(self, end: int) -> int:
        """Display duration in ticks of the frame before ``end``."""
        if end < self.clip.frames:
            return int(self._ticks[end] - self._ticks[end - 1])
        return max(1, round((self.clip.duration - float(self.clip.times[-1])) / self._tick))


def _holder(clip: Video, video: VideoStream) -> str:
    """Container for copied packets: MP4, else Matroska, else the original one (FLV, ASF), else ""."""
    if clip.codec in _MP4:
        return "mp4"
    codec = video.codec_context.codec
    if codec.canonical_name in _UNWRITTEN:
        return ""
    wanted = ("matroska", *(d for d in _OWN if d == clip.media.demuxer))
    return next((name for name in wanted if {codec.name, codec.canonical_name} & _supported(name)), "")


@functools.cache
def _supported(container: str) -> set[str]:
    with av.open(io.BytesIO(), "w", format=container) as target:
        return set(target.supported_codecs)


def _stamps(
    pictures: Sequence[Packet[Any]], container: InputContainer, video: VideoStream
) -> npt.NDArray[np.int64] | None:
    """Presentation times in ticks, in file order; None if the file does not store them (B-frames in AVI)."""
    ordered = not video.codec_context.has_b_frames
    timeless = container.format.name == "avi" and not ordered
    stamps = [p.pts if p.pts is not None else p.dts if ordered else None for p in pictures]
    if timeless or len(set(stamps)) < len(stamps) or None in stamps:
        return None
    return np.array(stamps, np.int64)


def _seconds(packet: Packet[Any]) -> float:
    return float((packet.dts or 0) * (packet.time_base or 0))


def _length_bytes(video: VideoStream) -> int:
    """Size of the length prefix of H.264 NAL units (ISO/IEC 14496-15); 0 if start codes separate them."""
    head = video.codec_context.extradata or b""
    return (head[4] & 3) + 1 if head[:1] == b"\1" and len(head) > 4 else 0


def _is_idr(data: bytes, length: int) -> bool:
    """Whether an H.264 picture is an IDR. Other key frames may be recovery points, past which later frames reference earlier
    ones."""
    if not length:
        return any(part[:1] and part[0] & 31 == _IDR for part in data.split(b"\0\0\1")[1:])
    at = 0
    while at + length < len(data):
        if data[at + length] & 31 == _IDR:
            return True
        at += length + int.from_bytes(data[at : at + length])
    return False
