"""Video reader: facts by PyAV, frames by decord where it is exact and by PyAV elsewhere.

Frames are indexed in display order; times come from demuxing all packets once. Sample aspect ratios are not applied: a frame has
the stored pixels, rotated upright.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dataengine.errors import InputError
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.media.sniff import Media, video_format
from dataengine.media.truncation import shortfall
from dataengine.media.video import demux, frames

_TOLERANCE = 2e-3
"""Seconds; Matroska and FLV round times to milliseconds."""


@dataclass(frozen=True)
class Video:
    """Facts of a video. ``width`` and ``height`` as displayed; ``turns``: quarter turns counter-clockwise that make a stored
    frame upright; ``mode``: FFmpeg's pixel format; ``rate``: frames a second stated by the container, ``fps``: measured;
    ``clock``: ``(frames,) float64`` presentation times in container seconds, ascending; ``keys`` and ``closed`` as in
    ``demux.Walk``; ``limits``: those that hold for all its frames."""

    media: Media
    codec: str
    mode: str
    width: int
    height: int
    turns: int
    fps: float
    rate: float
    duration: float
    audio: bool
    closed: bool
    keys: list[float] = field(repr=False)
    clock: npt.NDArray[np.float64] = field(repr=False)
    limits: Limits = field(repr=False)

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.clock)

    @property
    def times(self) -> npt.NDArray[np.float64]:
        """``(frames,)`` seconds from the first frame, ascending."""
        times: npt.NDArray[np.float64] = self.clock - self.clock[0]
        return times

    def at(self, times: Sequence[float] | npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Indices of the frames shown at ``times`` (seconds from the first frame); the first before the start, the last past the
        end."""
        indices = np.searchsorted(self.times, np.asarray(times, np.float64) + _TOLERANCE, side="right") - 1
        return indices.clip(0, self.frames - 1)

    def nearest(self, times: Sequence[float] | npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Indices of the frames whose own times are nearest to ``times`` (seconds from the first frame), the earlier of two."""
        borders = (self.times[:-1] + self.times[1:]) / 2
        return np.searchsorted(borders, np.asarray(times, np.float64) - _TOLERANCE, side="left")


def probe(data: bytes, limits: Limits) -> Video:
    """Demux all packets and decode the first frame. Raises InputError."""
    limits.check_bytes(len(data))
    media = video_format(data)
    if media is None:
        raise InputError("not_media", "not a video of a known container")
    if missing := shortfall(data):
        raise InputError("truncated", missing)
    with demux.opened(data, media) as (container, stream):
        context = stream.codec_context
        if context.width and context.height:
            limits.check_pixels(context.width, context.height)
        walk = demux.walk(container, stream, limits)
        sides = (walk.first.width, walk.first.height)
        limits.check_pixels(*sides)
        turns = walk.first.rotation // 90 % 4
        return Video(
            media=media,
            codec=context.codec.canonical_name,
            mode=walk.first.format.name,
            width=sides[turns % 2],
            height=sides[1 - turns % 2],
            turns=turns,
            fps=round(1 / walk.step, 6),
            rate=float(stream.average_rate) if stream.average_rate else 1 / walk.step,
            duration=round(float(walk.clock[-1] - walk.clock[0]) + walk.step, 6),
            audio=bool(container.streams.audio),
            closed=walk.closed,
            keys=walk.keys,
            clock=walk.clock,
            limits=limits,
        )


def frames_at(data: bytes, times: Sequence[float], limits: Limits, short_side: int | None = None) -> Pixels:
    """Frames at ``times`` (seconds from the first frame, in any order; past the end the last frame), as ``(F, H, W, 3) uint8``,
    upright. With ``short_side`` larger videos are downscaled to it. Raises InputError."""
    clip = probe(data, limits)
    return read(data, clip, clip.at(times), short_side)


def frames_even(data: bytes, count: int, limits: Limits, short_side: int | None = None) -> tuple[Pixels, list[float]]:
    """Evenly spaced frames, from the middles of ``count`` equal spans, as of ``frames_at``, and their start times in seconds. A
    video with fewer frames gives each once. Raises InputError."""
    clip = probe(data, limits)
    wanted = np.unique(clip.at((np.arange(count) + 0.5) * clip.duration / count))
    return read(data, clip, wanted, short_side), clip.times[wanted].tolist()


def frames_near(
    data: bytes, times: Sequence[float], limits: Limits, short_side: int | None = None
) -> tuple[Pixels, list[float]]:
    """The frames nearest to ``times`` (seconds from the first frame), as of ``frames_at``, and their own times. Raises
    InputError."""
    clip = probe(data, limits)
    wanted = clip.nearest(times)
    return read(data, clip, wanted, short_side), clip.times[wanted].tolist()


def read(
    data: bytes, clip: Video, indices: Sequence[int] | npt.NDArray[np.int64], short_side: int | None = None
) -> Pixels:
    """Frames by ``indices`` (in any order), ``(F, H, W, 3) uint8`` as of ``frames_at``. Raises InputError."""
    wanted, places = np.unique(np.asarray(indices, np.int64), return_inverse=True)
    size = _shrunk(clip.width, clip.height, short_side)
    if not len(wanted):
        return np.empty((0, size[1], size[0], 3), np.uint8)
    return np.stack(list(stream(data, clip, wanted, short_side)))[places]


def stream(
    data: bytes, clip: Video, indices: npt.NDArray[np.int64], short_side: int | None = None, at_once: int = 8
) -> Iterator[Pixels]:
    """Stream frames by ascending ``indices``, each ``(H, W, 3) uint8`` as of ``frames_at``; holds ``at_once`` of them. Raises
    InputError."""
    size = _shrunk(clip.width, clip.height, short_side)
    done = 0
    if frames.decord_is_exact(clip.media.demuxer, clip.codec, clip.closed):
        for pixels in frames.by_decord(data, indices, clip.frames, size, at_once):
            done += 1
            yield pixels
    if done == len(indices):
        return
    with demux.opened(data, clip.media) as (container, track):
        keys = clip.keys if clip.media.demuxer in frames.SEEKABLE else []
        ticks = clip.clock[indices[done:]].tolist()
        for frame in frames.by_pyav(container, track, ticks, keys, clip.clock.tolist(), clip.limits):
            yield frames.upright(frame, size, clip.turns)


def _shrunk(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    shorter = min(width, height)
    if short_side is None or shorter <= short_side:
        return width, height
    return max(1, round(width * short_side / shorter)), max(1, round(height * short_side / shorter))
