"""Deterministic re-encoding to H.264 (libx264, one thread, fixed settings) of what a frame-accurate cut cannot copy.

Quality is near the original's (CRF 18); chroma subsampling and bit depth are kept if H.264 supports them. Slow, for determinism.
libx264's macroblock tree is off: it reads uninitialised memory (valgrind on build 165 reports no other part), and gave other
bytes for the same frames about once in fifty runs."""

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


#: Maps a frame and its seconds from the first one to the frame to encode.
Change = Callable[[VideoFrame, float], VideoFrame]


class Frames:
    """Frames by index in display order, decoded from the last cut point before them."""

    def __init__(
        self, packets: Sequence[Packet[Any]], video: VideoStream, ticks: npt.NDArray[np.int64], points: Sequence[int]
    ) -> None:
        self._packets, self._video, self._ticks, self._points = packets, video, ticks, points
        self._at = -1
        self._ahead: tuple[int, VideoFrame] | None = None
        self._source: Iterator[tuple[int, VideoFrame]] | None = None

    def between(self, first: int, end: int) -> Iterator[VideoFrame]:
        """Frames ``first`` to ``end`` (exclusive), with times in ticks from the first; cheapest with ascending bounds. Raises
        InputError."""
        point = self._points[bisect.bisect_right(self._points, first) - 1] if self._points else 0
        if self._source is None or not point <= self._at + 1 <= first:
            self._video.codec_context.flush_buffers()
            self._source, self._ahead = self._decoded(point), None
        any_decoded = False
        while True:
            self._ahead = self._ahead or next(self._source, None)
            if self._ahead is None or self._ahead[0] >= end:
                break
            (self._at, frame), self._ahead = self._ahead, None
            if self._at >= first:
                any_decoded = True
                frame.pts = int(self._ticks[self._at] - self._ticks[first])
                yield frame
        if not any_decoded:
            raise InputError("truncated", f"frames {first:,} to {end - 1:,} cannot be decoded")

    def _decoded(self, start: int) -> Iterator[tuple[int, VideoFrame]]:
        """Frames with their indices; AVI stores no presentation times, so its frames are counted."""
        count = start
        timeless = self._video.container.format.name == "avi"
        for packet in [*self._packets[start:], None]:
            for frame in self._try(packet, must=count > start):
                tick = None if timeless else frame.pts
                place = count if tick is None else int(np.searchsorted(self._ticks, tick, side="right")) - 1
                yield max(0, place), frame
                count += 1

    def _try(self, packet: Packet[Any] | None, *, must: bool) -> list[VideoFrame]:
        """Frames of a packet. Failure is an error only if ``must``: a recording may begin between key frames."""
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
    """Encode frames of ``source`` (times in its ticks) as a new H.264 track of ``target``; returns its packets. ``change`` is
    applied to each frame as the encoder takes it: upright, planar, 8 or 10 bits."""
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
    """Pixel format for H.264: the source's own if supported (4:2:0 needs even sides), else 4:4:4."""
    even = not width % 2 and not height % 2
    return mode if mode in _KEPT or (mode in _HALVED and even) else _OTHER


def _turned(frames: Iterator[VideoFrame], source: VideoStream, turns: int) -> Iterator[VideoFrame]:
    """Rotate frames by ``turns`` quarter turns counter-clockwise."""
    if not turns:
        yield from frames
        return
    graph = av.filter.Graph()
    chain = [graph.add_buffer(template=source, time_base=source.time_base)]
    chain += [graph.add(name, options or None) for name, options in _TURN[turns]]
    graph.link_nodes(*chain, graph.add("buffersink")).configure()
    for frame in frames:
        graph.push(frame)
        turned = graph.vpull()
        turned.pts = frame.pts
        yield turned
