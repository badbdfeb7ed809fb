"""Videos: facts by PyAV, frames by decord where decord is exact and by PyAV where it is not.

Frames are named by their place in the order of display; times come from one walk over the packets. Sample aspect ratios
are not applied: a frame has the pixels that are stored, turned upright.
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
    """Facts of a video. ``width`` and ``height`` as displayed; ``turns`` quarter turns counter-clockwise make a stored
    frame upright; ``mode`` is FFmpeg's pixel format; ``rate`` the frames a second that the container states, ``fps`` those
    that there are; ``clock`` ``(frames,) float64`` times of display in the container's
    seconds, ascending; ``keys`` and ``closed`` as in ``demux.Walk``."""

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

    @property
    def frames(self) -> int:
        """How many there are."""
        return len(self.clock)

    @property
    def times(self) -> npt.NDArray[np.float64]:
        """``(frames,)`` seconds from the first frame, ascending."""
        times: npt.NDArray[np.float64] = self.clock - self.clock[0]
        return times

    def at(self, times: Sequence[float] | npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Indices of the frames that are shown at ``times``; the first before the start, the last past the end."""
        found = np.searchsorted(self.times, np.asarray(times, np.float64) + _TOLERANCE, side="right") - 1
        return found.clip(0, self.frames - 1)


def probe(data: bytes, limits: Limits) -> Video:
    """Walk all packets and decode the first frame. Raises InputError."""
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
        )


def frames_at(data: bytes, times: Sequence[float], limits: Limits, short_side: int | None = None) -> Pixels:
    """``(F, H, W, 3) uint8``: the frame shown at each of ``times`` (seconds from the first frame, in any order; past the
    end the last one), upright. With ``short_side`` larger videos are shrunk to it. Raises InputError."""
    clip = probe(data, limits)
    return read(data, clip, clip.at(times), short_side)


def frames_even(data: bytes, count: int, limits: Limits, short_side: int | None = None) -> tuple[Pixels, list[float]]:
    """Frames from the middles of ``count`` equal spans, as ``frames_at`` gives them, and the seconds when each begins to
    be shown. A video with fewer frames gives each once. Raises InputError."""
    clip = probe(data, limits)
    wanted = np.unique(clip.at((np.arange(count) + 0.5) * clip.duration / count))
    return read(data, clip, wanted, short_side), clip.times[wanted].tolist()


def read(
    data: bytes, clip: Video, indices: Sequence[int] | npt.NDArray[np.int64], short_side: int | None = None
) -> Pixels:
    """``(F, H, W, 3) uint8``: the frames with these ``indices`` (in any order), as ``frames_at`` gives them.
    Raises InputError."""
    wanted, places = np.unique(np.asarray(indices, np.int64), return_inverse=True)
    size = _shrunk(clip.width, clip.height, short_side)
    if not len(wanted):
        return np.empty((0, size[1], size[0], 3), np.uint8)
    return np.stack(list(stream(data, clip, wanted, short_side)))[places]


def stream(
    data: bytes, clip: Video, indices: npt.NDArray[np.int64], short_side: int | None = None, at_once: int = 8
) -> Iterator[Pixels]:
    """``(H, W, 3) uint8``: the frames with these ascending ``indices``, one after another, as ``frames_at`` gives them;
    holds ``at_once``. Raises InputError."""
    size = _shrunk(clip.width, clip.height, short_side)
    given = 0
    if frames.decord_is_exact(clip.media.demuxer, clip.codec, clip.closed):
        for pixels in frames.by_decord(data, indices, clip.frames, size, at_once):
            given += 1
            yield pixels
    if given == len(indices):
        return
    with demux.opened(data, clip.media) as (container, track):
        keys = clip.keys if clip.media.demuxer in frames.SEEKABLE else []
        ticks = clip.clock[indices[given:]].tolist()
        for frame in frames.by_pyav(container, track, ticks, keys, clip.clock.tolist()):
            yield frames.upright(frame, size, clip.turns)


def _shrunk(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    shorter = min(width, height)
    if short_side is None or shorter <= short_side:
        return width, height
    return max(1, round(width * short_side / shorter)), max(1, round(height * short_side / shorter))
