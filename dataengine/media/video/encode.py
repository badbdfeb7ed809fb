"""Encoding again what a precise cut cannot copy: H.264 by libx264, one thread, fixed settings, so always the same bytes.

Quality is near the original's (CRF 18) and chroma and depth stay as they are, where H.264 knows them; the price is speed.
libx264's macroblock tree is off: it reads memory that nobody wrote (valgrind says so of build 165; of its other parts not),
and made other bytes of the same frames about once in fifty times.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.codec.context import Flags
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from dataengine.errors import InputError
from dataengine.media.video.reader import Video

_OPTIONS = {"preset": "fast", "crf": "18", "x264-params": "mbtree=0"}
_HALVED = {"yuv420p", "yuvj420p", "yuv420p10le"}
_KEPT = {"yuv444p", "yuvj444p", "yuv444p10le", "gray", "gray10le"}
_OTHER = "yuv444p"
_TURN = {1: [("transpose", "cclock")], 2: [("hflip", ""), ("vflip", "")], 3: [("transpose", "clock")]}


#: A frame and its seconds from the first one, to the frame to encode.
Change = Callable[[VideoFrame, float], VideoFrame]


class Frames:
    """Frames by their place in the order of display, decoded from the last cut point before them."""

    def __init__(
        self, packets: Sequence[Packet[Any]], video: VideoStream, ticks: npt.NDArray[np.int64], points: Sequence[int]
    ) -> None:
        self._packets, self._video, self._ticks, self._points = packets, video, ticks, points
        self._at = -1
        self._ahead: tuple[int, VideoFrame] | None = None
        self._source: Iterator[tuple[int, VideoFrame]] | None = None

    def between(self, first: int, end: int) -> Iterator[VideoFrame]:
        """Frames ``first`` up to, and without, ``end``, their times in ticks from the first; cheapest with ascending
        bounds. Raises InputError."""
        point = self._points[bisect.bisect_right(self._points, first) - 1] if self._points else 0
        if self._source is None or not point <= self._at + 1 <= first:
            self._video.codec_context.flush_buffers()
            self._source, self._ahead = self._decoded(point), None
        found = False
        while True:
            self._ahead = self._ahead or next(self._source, None)
            if self._ahead is None or self._ahead[0] >= end:
                break
            (self._at, frame), self._ahead = self._ahead, None
            if self._at >= first:
                found = True
                frame.pts = int(self._ticks[self._at] - self._ticks[first])
                yield frame
        if not found:
            raise InputError("truncated", f"frames {first:,} to {end - 1:,} cannot be decoded")

    def _decoded(self, start: int) -> Iterator[tuple[int, VideoFrame]]:
        """Frames with their places. AVI stores no times of display: there they are counted."""
        count = start
        timeless = self._video.container.format.name == "avi"
        for packet in [*self._packets[start:], None]:
            for frame in self._try(packet, must=count > start):
                tick = None if timeless else frame.pts
                place = count if tick is None else int(np.searchsorted(self._ticks, tick, side="right")) - 1
                yield max(0, place), frame
                count += 1

    def _try(self, packet: Packet[Any] | None, *, must: bool) -> list[VideoFrame]:
        """Frames of a packet; none where it cannot be decoded and need not: a recording may begin between key frames."""
        try:
            return self._video.codec_context.decode(packet)
        except MemoryError:
            raise
        except av.error.FFmpegError as error:
            if must:
                raise InputError("corrupt", f"a frame cannot be decoded: {error.strerror}") from error
            return []


def h264(
    target: OutputContainer,
    source: VideoStream,
    clip: Video,
    frames: Iterator[VideoFrame],
    change: Change | None = None,
) -> Iterator[Packet[Any]]:
    """A new track of ``target`` and its packets, of frames out of ``source`` with their times in its ticks. ``change`` is
    made to each frame as it goes to the encoder: upright, 8 or 10 bits, in planes."""
    stored = (clip.width, clip.height)[:: -1 if clip.turns % 2 else 1]
    stream = target.add_stream("libx264", rate=round(clip.fps) or 1, options=dict(_OPTIONS))
    context = stream.codec_context
    context.width, context.height = clip.width, clip.height
    context.pix_fmt = _pixels(clip.mode, *stored)
    context.time_base = tick = source.time_base or Fraction(1)
    context.thread_count = 1
    context.flags |= Flags.bitexact
    if source.codec_context.sample_aspect_ratio:
        ratio = source.codec_context.sample_aspect_ratio
        context.sample_aspect_ratio = 1 / ratio if clip.turns % 2 else ratio
    for name in ("color_range", "color_primaries", "color_trc", "colorspace"):
        setattr(context, name, getattr(source.codec_context, name))

    def packets() -> Iterator[Packet[Any]]:
        last = -1
        for frame in _turned(frames, source, clip.turns):
            last = max(last + 1, frame.pts or 0)
            shown = frame.reformat(format=context.pix_fmt) if frame.format.name != context.pix_fmt else frame
            shown = change(shown, float(last * tick)) if change else shown
            shown.pts, shown.time_base, shown.pict_type = last, tick, PictureType.NONE
            yield from stream.encode(shown)
        yield from stream.encode(None)

    return packets()


def _pixels(mode: str, width: int, height: int) -> str:
    """Pixel format for H.264: the source's own, where it is one and the sides are even as halved chroma wants them."""
    even = not width % 2 and not height % 2
    return mode if mode in _KEPT or (mode in _HALVED and even) else _OTHER


def _turned(frames: Iterator[VideoFrame], source: VideoStream, turns: int) -> Iterator[VideoFrame]:
    """Frames upright, after quarter turns counter-clockwise."""
    if not turns:
        yield from frames
        return
    graph = av.filter.Graph()
    chain = [graph.add_buffer(template=source, time_base=source.time_base)]
    chain += [graph.add(name, given or None) for name, given in _TURN[turns]]
    graph.link_nodes(*chain, graph.add("buffersink")).configure()
    for frame in frames:
        graph.push(frame)
        turned = graph.vpull()
        turned.pts = frame.pts
        yield turned
