"""Shots: the runs of a video's frames that one camera took without a break, by their boundaries.

Two detectors. ``transnetv2`` is a network (``media/transnet.py``), which also finds dissolves and fades, at some 80 frames
a second and core. ``content`` compares neighbouring frames and needs no torch: hard cuts only, as fast as the video
decodes. Both find the 18 and the 5 hard cuts of the two clips in the tests, and none that is not there; a dissolve of
18 frames over a title is found by neither. Frames are streamed: memory does not grow with the video, but for its times.
"""

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
"""Seconds at the end of a video whose packets may hold no frames of their own."""

_LIKELY = 0.45
"""Of the network. Its authors' 0.5 is a hair's breadth above a faint hard cut of the test clip (0.50, the others 0.63 and
more); the likeliest of its other frames stand at 0.40."""

_NEIGHBOURS, _LEAST, _TIMES = 2, 12.0, 1.85
"""A cut differs from the frame before by 12 of 255 a channel, and 1.85 times as much as any of its two neighbours on either
side. In the test clips cuts differ by 16 and more and 2.2 times, other frames by up to 45 but 1.5 times."""

Name = Literal["transnetv2", "content"]
#: Small frames in, the indices of the frames that end a shot out (the video's last one is not told).
Detector = Callable[[Iterable[Pixels]], Iterator[int]]


@dataclass(frozen=True)
class Shot:
    """Frames ``first`` to ``last`` in the order of display, both in it; shown from ``start`` until ``end``, in seconds from
    the video's first frame. Shots follow on one another: each frame is in one."""

    first: int
    last: int
    start: float
    end: float


def detector(name: Name) -> Detector:
    """The detector called ``transnetv2`` (loads the network; raises RunError where its package cannot be had) or
    ``content``."""
    return _content if name == "content" else _transnetv2()


def detect(data: bytes, limits: Limits, using: Name | Detector = "transnetv2") -> list[Shot]:
    """The shots of a video, at least one. Decodes all frames. Raises InputError."""
    return shots(data, probe(data, limits), detector(using) if isinstance(using, str) else using)


def shots(data: bytes, clip: Video, using: Detector) -> list[Shot]:
    """``detect`` of a video that has been probed. Raises InputError."""
    times: list[float] = []
    ends = list(using(_small(data, clip, times)))
    if times[-1] < clip.clock[-1] - _SLACK:
        raise InputError("truncated", f"the last {clip.clock[-1] - times[-1]:.1f} s of the video cannot be decoded")
    # By time: a packet may have no frame of its own, so that decoded frames and packets are not counted alike.
    starts = clip.at([0.0, *(times[end + 1] - clip.clock[0] for end in ends if end + 1 < len(times))])
    firsts = np.unique(starts).tolist()
    seconds = [*clip.times[firsts].tolist(), clip.duration]
    lasts = [*(first - 1 for first in firsts[1:]), clip.frames - 1]
    return [Shot(*shot) for shot in zip(firsts, lasts, seconds[:-1], seconds[1:], strict=True)]


def _small(data: bytes, clip: Video, times: list[float]) -> Iterator[Pixels]:
    """``(27, 48, 3) uint8`` of each frame, upright; their times in the container's seconds go to ``times``."""
    width, height = (_WIDTH, _HEIGHT) if clip.turns % 2 == 0 else (_HEIGHT, _WIDTH)
    with demux.opened(data, clip.media) as (container, stream):
        for time, frame in demux.decoded(container, stream, clip.clock.tolist()):
            times.append(time)
            small = frame.reformat(width, height, "rgb24", interpolation="BILINEAR").to_ndarray()
            yield np.ascontiguousarray(np.rot90(small, clip.turns))


def _transnetv2() -> Detector:
    from dataengine.media.video import transnet

    model = transnet.load()

    def ends(frames: Iterable[Pixels]) -> Iterator[int]:
        """Of each run of likely frames (one for a cut, several for a dissolve) the middle one."""
        run = 0
        for index, likely in enumerate(transnet.probabilities(model, frames)):
            if likely > _LIKELY:
                run += 1
            elif run:
                yield index - 1 - run // 2
                run = 0

    return ends


def _content(frames: Iterable[Pixels]) -> Iterator[int]:
    """The mean difference of neighbouring frames, measured against those around it, so that neither a pan nor a lone flash
    is taken for a cut."""
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
    """How much each frame differs from the one before it, from the second on."""
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
