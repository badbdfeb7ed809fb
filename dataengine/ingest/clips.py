"""Cuts a video into clips at shot boundaries: cuts snap to key frames, short shots are joined, long ones split.

Runs in a decode child. Length bounds hold as far as the key frames allow: without ``frame_accurate`` a clip may be longer than
``max_seconds`` where no key frame lies in between; none is shorter than ``min_seconds``. A video that would be one clip keeps
its original bytes; so does one shorter than two clips, in which no shots are detected.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from dataengine.config.sources import ClipsConfig
from dataengine.errors import InputError
from dataengine.media import inspect as whole
from dataengine.media.facts import Facts
from dataengine.media.limits import Limits
from dataengine.media.sniff import video_format
from dataengine.media.video import cut, shots
from dataengine.media.video.reader import Video, probe

_ROUNDING = 1e-6


class Clip(Struct, frozen=True):
    """One clip: ``data``, the bytes of its file; ``facts`` as of any input; ``start`` and ``end`` in seconds from the first frame
    of the video it was cut from. ``stored``: bytes to keep in place of ``data``, if any."""

    data: bytes
    facts: Facts
    start: float
    end: float
    stored: bytes | None = None


def inspect(context: tuple[ClipsConfig, Limits], data: bytes) -> dict[str, Any] | list[Clip]:
    """Columns ``contracts.FACTS`` of a file, or the two or more clips that it is cut into. Raises InputError; ``not_cuttable``
    where a clip cannot be read back with the frames it should have."""
    config, limits = context
    limits.check_bytes(len(data))
    if video_format(data):
        video = probe(data, limits)
        if video.duration >= 2 * config.min_seconds and (clips := _clips(data, video, config, limits)):
            return clips
    return whole.inspect(limits, data)


def plan(
    boundaries: Sequence[float], places: npt.NDArray[np.float64], duration: float, shortest: float, longest: float
) -> list[int]:
    """Choose cuts among ``places`` (ascending seconds, where a video can be cut), as their indices.

    Each boundary snaps to the nearest place. One less than ``shortest`` after the cut before it, or before the end, is dropped,
    so that a short shot is joined to the next one, the last to the one before. What is then longer than ``longest`` is split
    as evenly as the places allow."""
    if not len(places):
        return []
    cuts: list[int] = []
    last = 0.0
    for index in sorted(set(cut.nearest(places.tolist(), boundaries))) if boundaries else []:
        if places[index] - last >= shortest - _ROUNDING and duration - places[index] >= shortest - _ROUNDING:
            cuts.append(index)
            last = float(places[index])
    bounds = [0.0, *places[cuts].tolist(), duration]
    within = [_split(places, a, b, shortest, longest) for a, b in itertools.pairwise(bounds)]
    return sorted([*cuts, *(index for indices in within for index in indices)])


def _split(places: npt.NDArray[np.float64], start: float, end: float, shortest: float, longest: float) -> Iterator[int]:
    """Indices of the places that split ``start`` to ``end`` into pieces of at most ``longest``, where there are such places."""
    while end - start > longest + _ROUNDING:
        rest = end - start
        target = start + rest / math.ceil(rest / longest - _ROUNDING)
        low = int(np.searchsorted(places, start + shortest - _ROUNDING))
        high = int(np.searchsorted(places, end - shortest + _ROUNDING, side="right"))
        near = int(np.searchsorted(places, start + longest + _ROUNDING, side="right"))
        if low >= high:
            return
        # Without a place that is near enough, the next one there is.
        chosen = low + (cut.nearest(places[low : min(near, high)].tolist(), [target])[0] if near > low else 0)
        yield chosen
        start = float(places[chosen])


def _clips(data: bytes, video: Video, config: ClipsConfig, limits: Limits) -> list[Clip]:
    """The clips of a video; an empty list where it would be a single one."""
    with cut.cutter(data, video) as cutting:
        frames = list(range(1, video.frames)) if config.frame_accurate else cutting.cut_points[1:]
        if not frames:
            return []
        boundaries = [shot.start for shot in shots.shots(data, video, _detector(config.detector))][1:]
        chosen = plan(boundaries, video.times[frames], video.duration, config.min_seconds, config.max_seconds)
        bounds = [0, *(frames[i] for i in chosen), video.frames]
        if len(bounds) == 2:
            return []
        return [_clip(cutting, a, b, limits) for a, b in itertools.pairwise(bounds)]


def _clip(cutting: cut.Cutter, first: int, end: int, limits: Limits) -> Clip:
    start, stop = (round(cutting.seconds(frame), 6) for frame in (first, end))
    data = cutting.extract(first, end)
    try:
        facts = whole.inspect(limits, data)
    except InputError as error:
        raise InputError(
            "not_cuttable", f"the clip from {start:.3f} s to {stop:.3f} s cannot be read back: {error}"
        ) from error
    if facts["frames"] != end - first:
        counted = f"{facts['frames']:,} frames, expected {end - first:,}"
        raise InputError("not_cuttable", f"the clip from {start:.3f} s to {stop:.3f} s has {counted}")
    return Clip(data, cast(Facts, facts), start, stop)


@functools.cache
def _detector(name: shots.Name) -> shots.Detector:
    return shots.detector(name)
