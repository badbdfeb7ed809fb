"""Shot boundary detection.

Two detectors. ``transnetv2`` is a network (``media/video/transnet.py``) that also detects dissolves and fades, at some 80 frames
a second and core. ``content`` compares neighbouring frames without torch: hard cuts only, as fast as the video decodes. On the
two test clips both detect all 18 and 5 hard cuts without a false one; both miss a dissolve of 18 frames over a title. Frames are
streamed: apart from frame times, memory does not grow with the video."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dataengine.errors import InputError
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.media.video import demux
from dataengine.media.video.reader import Video, probe

_HEIGHT, _WIDTH = 27, 48
_SLACK = 1.0
"""Seconds at the end of a video whose packets may hold no frames."""

_LIKELY = 0.45
"""Probability threshold of the network. Its authors' 0.5 just misses a faint hard cut of the test clip (0.50; all others 0.63 and
more); the largest value of any other frame is 0.40."""

_NEIGHBOURS, _LEAST, _TIMES = 2, 12.0, 1.85
"""A cut differs from the previous frame by at least 12 of 255 a channel, and 1.85 times as much as its two neighbours on either
side do. In the test clips cuts differ by 16 and more and 2.2 times, other frames by up to 45 but at most 1.5 times."""

Name = Literal["transnetv2", "content"]
#: Maps downscaled frames to the indices of the frames that end a shot (without the video's last frame).
Detector = Callable[[Iterable[Pixels]], Iterator[int]]


@dataclass(frozen=True)
class Shot:
    """One shot: frames ``first`` to ``last`` (inclusive) in display order, from ``start`` to ``end`` seconds after the video's
    first frame. Shots are contiguous: each frame is in exactly one."""

    first: int
    last: int
    start: float
    end: float


def detector(name: Name) -> Detector:
    """The detector called ``transnetv2`` (loads the network; raises RunError if its package cannot be downloaded) or
    ``content``."""
    return _content if name == "content" else _transnetv2()


def detect(data: bytes, limits: Limits, using: Name | Detector = "transnetv2") -> list[Shot]:
    """Detect the shots of a video, at least one. Decodes all frames. Raises InputError."""
    return shots(data, probe(data, limits), detector(using) if isinstance(using, str) else using)


def shots(data: bytes, clip: Video, using: Detector) -> list[Shot]:
    """``detect`` for a probed video. Raises InputError."""
    times: list[float] = []
    ends = list(using(_small(data, clip, times)))
    if times[-1] < clip.clock[-1] - _SLACK:
        raise InputError("truncated", f"the last {clip.clock[-1] - times[-1]:.1f} s of the video cannot be decoded")
    # Matched by time: a packet may hold no frame, so indices of decoded frames and of packets may differ.
    starts = clip.at([0.0, *(times[end + 1] - clip.clock[0] for end in ends if end + 1 < len(times))])
    firsts = np.unique(starts).tolist()
    seconds = [*clip.times[firsts].tolist(), clip.duration]
    lasts = [*(first - 1 for first in firsts[1:]), clip.frames - 1]
    return [Shot(*shot) for shot in zip(firsts, lasts, seconds[:-1], seconds[1:], strict=True)]


def _small(data: bytes, clip: Video, times: list[float]) -> Iterator[Pixels]:
    """Each frame as upright ``(27, 48, 3) uint8``; its time in container seconds is appended to ``times``."""
    width, height = (_WIDTH, _HEIGHT) if clip.turns % 2 == 0 else (_HEIGHT, _WIDTH)
    with demux.opened(data, clip.media) as (container, stream):
        for time, frame in demux.decoded(container, stream, clip.clock.tolist(), clip.limits):
            times.append(time)
            small = frame.reformat(width, height, "rgb24", interpolation="BILINEAR").to_ndarray()
            yield np.ascontiguousarray(np.rot90(small, clip.turns))


def _transnetv2() -> Detector:
    from dataengine.media.video import transnet

    model = transnet.load()

    def ends(frames: Iterable[Pixels]) -> Iterator[int]:
        """The middle of each run of probable frames (one for a cut, several for a dissolve)."""
        run = 0
        for index, likely in enumerate(transnet.probabilities(model, frames)):
            if likely > _LIKELY:
                run += 1
            elif run:
                yield index - 1 - run // 2
                run = 0

    return ends


def _content(frames: Iterable[Pixels]) -> Iterator[int]:
    """Cuts by the mean difference of neighbouring frames relative to the differences around it, so that neither a pan nor a
    single flash counts as a cut."""
    held: deque[float] = deque([0.0] * (2 * _NEIGHBOURS + 1), maxlen=2 * _NEIGHBOURS + 1)
    index = 0
    for index, step in enumerate(_steps(frames)):
        held.append(step)
        if _stands_out(held):
            yield index - _NEIGHBOURS
    for late in range(_NEIGHBOURS):
        held.append(0.0)
        if _stands_out(held):
            yield index + 1 + late - _NEIGHBOURS


def _steps(frames: Iterable[Pixels]) -> Iterator[float]:
    """Mean absolute difference of each frame from the previous one, from the second frame on."""
    before = None
    for frame in frames:
        now = frame.astype(np.int16)
        if before is not None:
            yield float(np.abs(now - before).mean())
        before = now


def _stands_out(steps: deque[float]) -> bool:
    middle = steps[_NEIGHBOURS]
    around = max(step for place, step in enumerate(steps) if place != _NEIGHBOURS)
    return middle >= _LEAST and middle >= _TIMES * (around + 1)
