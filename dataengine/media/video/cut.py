"""Clips cut out of a video's bytes, as MP4, or as Matroska (of FLV and ASF as the same) where MP4 cannot hold the codec.

By default no picture is encoded again, so a clip can only begin at a *cut point*: a key frame that starts a closed group of
pictures (all stored before it is shown before it, all stored behind it after it; in H.264 an IDR picture). A wished cut
moves to the nearest cut point, the earlier of two as near. Consecutive clips therefore share no frame and lose none.
A precise cut falls on the frame, and what does not begin and end at cut points is encoded again (``media/encode.py``).

The first sound track goes along, packet by packet, where the container can hold it; a packet belongs to the clip in which
it begins. Subtitles, data and cover art stay behind. The same bytes and bounds give the same clip: no time, no random
number and no version gets in. The packets of the whole video are held, so memory is about that of the file.
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
"""Matroska could hold these, but FFmpeg does not write them."""


def cut(data: bytes, start: float, end: float, limits: Limits, *, precise: bool = False) -> bytes:
    """The part of a video from ``start`` to ``end`` (seconds from its first frame; ``end`` may lie past its end), each moved
    to the nearest cut point, or to the nearest frame if ``precise``. Raises InputError; ``not_cuttable`` where both move to
    the same place or the packets do not fit into the container."""
    with taped(data, probe(data, limits)) as tape:
        points = [*(range(tape.clip.frames) if precise else tape.points), tape.clip.frames]
        seconds = [tape.seconds(p) for p in points]
        first, last = (points[i] for i in nearest(seconds, [start, end]))
        if first >= last:
            raise InputError("not_cuttable", f"no two key frames near {start:g} s and {end:g} s")
        return tape.clipped(first, last)


def nearest(ascending: Sequence[float], wishes: Sequence[float]) -> list[int]:
    """For each wish the index of the value that is nearest to it; of two as near the first."""
    values, wanted = np.asarray(ascending, np.float64), np.asarray(wishes, np.float64)
    after = np.searchsorted(values, wanted).clip(1, max(1, len(values) - 1))
    after = np.minimum(after, len(values) - 1)
    before = np.maximum(after - 1, 0)
    chosen: list[int] = np.where(wanted - values[before] <= values[after] - wanted, before, after).tolist()
    return chosen


@contextmanager
def taped(data: bytes, clip: Video) -> Iterator[Tape]:
    """A probed video with its packets read, ready to be cut. Raises InputError."""
    with demux.opened(data, clip.media) as (container, video):
        audio = container.streams.audio[0] if container.streams.audio else None
        yield Tape(clip, container, video, audio)


class Tape:
    """The packets of a video. ``points``: the frames, by their index, at which a clip can begin without encoding; 0 is one
    of them where there are any. Pieces that must be encoded are cheapest in ascending order."""

    def __init__(self, clip: Video, container: InputContainer, video: VideoStream, audio: AudioStream | None) -> None:
        self.clip = clip
        self._video, self._audio = video, audio
        self._tick = float(video.time_base or 1)
        #: Ticks of display, ascending.
        self._ticks: npt.NDArray[np.int64] = np.rint(clip.clock / self._tick).astype(np.int64)
        self._pictures: list[Packet[Any]] = []
        #: With when they begin and how long they last, in ticks: a packet that was written has other times.
        self._sounds: list[tuple[int, int, Packet[Any]]] = []
        for packet in container.demux(*(s for s in (video, audio) if s)):
            if packet.size and packet.stream is video:
                self._pictures.append(packet)
            elif packet.size and packet.pts is not None:
                self._sounds.append((packet.pts, packet.duration or 0, packet))
        self._stamps = _stamps(self._pictures, container, video)
        self._container = _holder(clip, video)
        self.points = self._points() if self._container else []
        self._frames = encode.Frames(self._pictures, video, self._ticks, self.points)

    def seconds(self, frame: int) -> float:
        """When a frame begins to be shown, from the first; for the one past the last, the end of the video."""
        return self.clip.duration if frame == self.clip.frames else float(self.clip.times[frame])

    def clipped(self, first: int, end: int, change: encode.Change | None = None) -> bytes:
        """A file of the frames from ``first`` up to, and without, ``end``; ``change`` is made to each of them, which are then
        encoded again. Raises InputError."""
        copied = change is None and bool(self.points) and {first, end} <= {*self.points, self.clip.frames}
        container = self._container if copied else "mp4"
        # Muxers refuse some sound that they should take: a clip without it is better than none.
        with suppress(av.error.FFmpegError, ValueError):
            return self._file(container, first, end, copied=copied, sound=True, change=change)
        try:
            return self._file(container, first, end, copied=copied, sound=False, change=change)
        except (av.error.FFmpegError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            said = f"the {self.clip.codec} track does not fit into a {container} file: {reason}"
            raise InputError("not_cuttable", said) from error

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

    def _points(self) -> list[int]:
        stamps = self._stamps
        if stamps is None or len(stamps) != self.clip.frames or any(p.is_discard for p in self._pictures):
            return []
        before = np.maximum.accumulate(stamps)[:-1]
        after = np.minimum.accumulate(stamps[::-1])[::-1][1:]
        # Where all stored before are shown before, the place in the file is the place in the order of display.
        closed = np.flatnonzero((before < stamps[1:]) & (stamps[1:] <= after)) + 1
        length = _length_bytes(self._video) if self.clip.codec == "h264" else None
        keys = (i for i in closed.tolist() if self._pictures[i].is_keyframe)
        return [0, *(i for i in keys if length is None or _is_idr(bytes(self._pictures[i]), length))]

    def _copied(self, target: OutputContainer, first: int, end: int) -> Iterator[Packet[Any]]:
        """The packets themselves, their times from 0. Those of decoding are made anew, as some containers store none: the
        times of display in order, early enough for none to come late."""
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
                given = packet.stream, packet.pts, packet.dts, packet.duration
                packet.stream, packet.pts, packet.dts, packet.duration = stream, pts, dts, ticks
                packet.time_base = self._video.time_base or Fraction(1)
                yield packet
                # It has been written; the next clip may have to decode it.
                packet.stream, packet.pts, packet.dts, packet.duration = given
                packet.time_base = self._video.time_base or Fraction(1)

        return packets()

    def _encoded(
        self, target: OutputContainer, first: int, end: int, change: encode.Change | None
    ) -> Iterator[Packet[Any]]:
        return encode.h264(target, self._video, self.clip, self._frames.between(first, end), change)

    def _heard(self, target: OutputContainer, first: int, end: int) -> Iterator[Packet[Any]]:
        """Packets of sound that begin within the clip, their times from the clip's first frame."""
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
        """Ticks for which the frame before ``end`` is shown."""
        if end < self.clip.frames:
            return int(self._ticks[end] - self._ticks[end - 1])
        return max(1, round((self.clip.duration - float(self.clip.times[-1])) / self._tick))


def _holder(clip: Video, video: VideoStream) -> str:
    """The container for copied packets: MP4, else Matroska, else the one they came from (FLV, ASF), else none."""
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
    """Ticks of display in the order of the file; None where the file does not tell them (B-frames in AVI)."""
    ordered = not video.codec_context.has_b_frames
    timeless = container.format.name == "avi" and not ordered
    found = [p.pts if p.pts is not None else p.dts if ordered else None for p in pictures]
    if timeless or len(set(found)) < len(found) or None in found:
        return None
    return np.array(found, np.int64)


def _seconds(packet: Packet[Any]) -> float:
    return float((packet.dts or 0) * (packet.time_base or 0))


def _length_bytes(video: VideoStream) -> int:
    """Bytes of the lengths before H.264's units (ISO/IEC 14496-15); 0 where start codes stand between them."""
    head = video.codec_context.extradata or b""
    return (head[4] & 3) + 1 if head[:1] == b"\1" and len(head) > 4 else 0


def _is_idr(data: bytes, length: int) -> bool:
    """Whether an H.264 picture resets the decoder. Other key frames may be points of recovery, of which later frames look
    back past them."""
    if not length:
        return any(part[:1] and part[0] & 31 == _IDR for part in data.split(b"\0\0\1")[1:])
    at = 0
    while at + length < len(data):
        if data[at + length] & 31 == _IDR:
            return True
        at += length + int.from_bytes(data[at : at + length])
    return False
