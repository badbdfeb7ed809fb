"""Shot boundary detection that abstains in doubt: a cut is a jump between two neighbouring frames far above all change around.

Anything in between (fades, flashes, fast pans, dissolves) makes the detector abstain instead of guess.
On package videos jumps at cuts are 12 to 78 grey levels at 2.5 times and more of their surroundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from dataengine.cot.core.measure import thumbnail
from dataengine.cot.tasks.base import Abstain
from dataengine.media.image.pixels import Pixels

_GRID = (16, 9)
_REACH = 3
_SPANS, _APART, _EVERY = (6, 12), 16.0, 2
EDGE = 0.04


@dataclass(frozen=True)
class Clarity:
    """``jump``: least change at a cut; ``calm``: change below which nothing happened, whatever its surroundings (both mean
    absolute differences, 0 to 255); ``cut``: least change at a cut by the largest change around it; ``same``: most change
    without a cut by the median around it; ``blend``: how well a frame may be the mean of two others that differ by ``jump``."""

    jump: float
    calm: float
    cut: float
    same: float
    blend: float


STRICT = Clarity(jump=12.0, calm=6.0, cut=2.5, same=1.6, blend=0.26)
LENIENT = Clarity(jump=10.0, calm=8.0, cut=2.1, same=1.9, blend=0.20)


def find_cuts(frames: Pixels, clarity: Clarity) -> list[int] | Abstain:
    """Indices of the first frames of all shots but the first. ``frames`` are ``(F, H, W, 3)``, all or nearly all frames of
    the clip in order."""
    small = np.stack([thumbnail(frame, *_GRID) for frame in frames])
    change = np.abs(np.diff(small, axis=0)).mean(axis=(1, 2, 3))
    most, usual = _surroundings(change)
    is_cut = (change >= clarity.jump) & (change >= clarity.cut * most)
    is_same = (change <= clarity.calm) | (change <= clarity.same * usual)
    if np.any(~is_cut & ~is_same):
        return Abstain("unclear cut")
    cuts = [int(i) + 1 for i in np.flatnonzero(is_cut)]
    return Abstain("gradual change") if _blends(frames, cuts, clarity) else cuts


def shots_seen(cuts: Sequence[float], duration: float, sampled: npt.NDArray[np.float64]) -> int:
    """Number of shots that show, not just at their very edges, in frames sampled at ``sampled``; all in seconds."""
    edges = pairwise([0.0, *cuts, duration])
    return sum(bool(np.any((sampled >= start + EDGE) & (sampled <= stop - EDGE))) for start, stop in edges)


def _surroundings(change: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The largest and the median of the up to ``2 * _REACH`` changes around each."""
    padded = np.pad(change, _REACH, constant_values=np.nan)
    places = [k for k in range(2 * _REACH + 1) if k != _REACH]
    around = np.stack([padded[k : k + len(change)] for k in places])
    return np.nanmax(around, axis=0), np.nanmedian(around, axis=0)


def _blends(frames: Pixels, cuts: list[int], clarity: Clarity) -> bool:
    """Whether, within a shot, some frame is the mean of a frame before and one after that differ: a dissolve or fade."""
    edges = [0, *cuts, len(frames)]
    return any(_blended(frames[start:stop], span, clarity) for start, stop in pairwise(edges) for span in _SPANS)


def _blended(shot: Pixels, span: int, clarity: Clarity) -> bool:
    """The same for frames ``span`` apart. Cross-fades are linear at any resolution, movement only far below one pixel."""
    if len(shot) <= 2 * span:
        return False
    before, middle, after = (shot[i : len(shot) - 2 * span + i : _EVERY].astype(np.int16) for i in (0, span, 2 * span))
    apart = np.abs(after - before).mean(axis=(1, 2, 3))
    off = np.abs(2 * middle - before - after).mean(axis=(1, 2, 3)) / 2
    return bool(np.any((apart >= _APART) & (off <= clarity.blend * apart)))
