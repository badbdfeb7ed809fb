"""A long video as clips: shots found, boundaries moved to where the video can be cut, short ones joined, long ones split.

Runs in a decode child. Bounds are kept as far as the key frames allow: without ``frame_accurate`` a clip may be longer than
``max_seconds`` where none lies in between; none is shorter than ``min_seconds``. A video that would be one clip stays as
it is, in its original bytes; so does one too short to be two clips, whose shots nobody looks for.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from dataengine.config.sources import ClipsConfig
from dataengine.errors import InputError
from dataengine.media import inspect as whole
from dataengine.media.limits import Limits
from dataengine.media.sniff import video_format
from dataengine.media.video import cut, shots
from dataengine.media.video.reader import Video, probe

_ROUNDING = 1e-6


@dataclass(frozen=True)
class Clip:
    """``data`` of a video file, ``facts`` as of any input, ``start`` and ``end`` in seconds from the first frame of the video
    that it was cut from. ``stored``: the bytes to keep in place of ``data``, if any."""

    data: bytes = field(repr=False)
    facts: dict[str, Any]
    start: float
    end: float
    stored: bytes | None = field(default=None, repr=False)


def inspect(context: tuple[ClipsConfig, Limits], data: bytes) -> dict[str, Any] | list[Clip]:
    """The columns ``contracts.FACTS`` of a file, or two clips or more. Raises InputError; ``not_cuttable`` where a clip does
    not come out as it should."""
    config, limits = context
    limits.check_bytes(len(data))
    if video_format(data):
        video = probe(data, limits)
        if video.duration >= 2 * config.min_seconds and (clips := _clips(data, video, config, limits)):
            return clips
    return whole.inspect(limits, data)


def plan(
    wishes: Sequence[float], places: npt.NDArray[np.float64], duration: float, shortest: float, longest: float
) -> list[int]:
    """Which of ``places`` (ascending seconds, where a video can be cut) to cut at. Each wish moves to the nearest place; one
    less than ``shortest`` after the cut before it, or before the end, is left out, so that what would be too short is
    joined to what follows it, at the end to what comes before. Then what is longer than ``longest`` is split as evenly as
    the places let it."""
    if not len(places):
        return []
    cuts: list[int] = []
    last = 0.0
    for index in sorted(set(cut.nearest(places.tolist(), wishes))) if wishes else []:
        if places[index] - last >= shortest - _ROUNDING and duration - places[index] >= shortest - _ROUNDING:
            cuts.append(index)
            last = float(places[index])
    bounds = [0.0, *places[cuts].tolist(), duration]
    within = [_split(places, a, b, shortest, longest) for a, b in itertools.pairwise(bounds)]
    return sorted([*cuts, *(index for found in within for index in found)])


def _split(places: npt.NDArray[np.float64], start: float, end: float, shortest: float, longest: float) -> Iterator[int]:
    """Places between ``start`` and ``end`` that leave nothing longer than ``longest``, where they can."""
    while end - start > longest + _ROUNDING:
        rest = end - start
        wish = start + rest / math.ceil(rest / longest - _ROUNDING)
        low = int(np.searchsorted(places, start + shortest - _ROUNDING))
        high = int(np.searchsorted(places, end - shortest + _ROUNDING, side="right"))
        near = int(np.searchsorted(places, start + longest + _ROUNDING, side="right"))
        if low >= high:
            return
        # Where none is near enough, the first one there is.
        found = low + (cut.nearest(places[low : min(near, high)].tolist(), [wish])[0] if near > low else 0)
        yield found
        start = float(places[found])


def _clips(data: bytes, video: Video, config: ClipsConfig, limits: Limits) -> list[Clip]:
    """Clips of a video; none where it is one."""
    with cut.taped(data, video) as tape:
        frames = list(range(1, video.frames)) if config.frame_accurate else tape.points[1:]
        if not frames:
            return []
        wishes = [shot.start for shot in shots.shots(data, video, _detector(config.detector))][1:]
        chosen = plan(wishes, video.times[frames], video.duration, config.min_seconds, config.max_seconds)
        bounds = [0, *(frames[i] for i in chosen), video.frames]
        if len(bounds) == 2:
            return []
        return [_clip(tape, a, b, limits) for a, b in itertools.pairwise(bounds)]


def _clip(tape: cut.Tape, first: int, end: int, limits: Limits) -> Clip:
    start, stop = (round(tape.seconds(frame), 6) for frame in (first, end))
    data = tape.clipped(first, end)
    try:
        facts = whole.inspect(limits, data)
    except InputError as error:
        raise InputError(
            "not_cuttable", f"the clip from {start:.3f} s to {stop:.3f} s is unreadable: {error}"
        ) from error
    if facts["frames"] != end - first:
        said = f"the clip from {start:.3f} s to {stop:.3f} s has {facts['frames']:,} frames of {end - first:,}"
        raise InputError("not_cuttable", said)
    return Clip(data, facts, start, stop)


@functools.cache
def _detector(name: shots.Name) -> shots.Detector:
    return shots.detector(name)
