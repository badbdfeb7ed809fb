"""How pairs of thumbnails were compared before ``dataengine.dedup.align`` did it in batches: the same answers, slower.

Compared are directions of brightness gradients, damped where gradients are weak: what brightness, contrast, blur and
compression change least. A placing is a turn (whole quarter turns, mirrored or not, or a few degrees), a scale (what a
crop or a border changes) and a shift. Values are rounded to integers before they are multiplied, so the result does not
depend on the order of sums. Compiled on first use.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from dataengine.media.measures import SIDE

_COARSE = SIDE // 2
_KEPT = 4
"""Placings that are looked at finely."""
_BLOCKS = 4
_UNIT = 100.0
_DAMP, _FLOOR = 0.3, 3.0
"""A gradient counts half where it is as long as 0.3 of the mean one and 3 levels."""
_STEP = 0.06


def _placings() -> NDArray[np.float64]:
    """``(n, 8)``: the turn (y from y, y from x, x from y, x from x), the share of the side that is looked for, the scales down
    and across that it is looked for at, and a small angle (radians)."""
    placings = []
    for scale in 1 - _STEP * np.arange(6):
        placings.append((1.0, 0.0, 0.0, 1.0, 1.0, scale, scale, 0.0))
    for turn in range(1, 8):
        matrix = np.linalg.matrix_power(np.array([[0.0, -1.0], [1.0, 0.0]]), turn % 4)
        matrix = matrix @ np.diag([1.0, -1.0 if turn >= 4 else 1.0])
        for scale in (1.0, 1 - _STEP, 1 - 2 * _STEP):
            placings.append((*matrix.ravel(), 1.0, scale, scale, 0.0))
    for degrees in (-6.0, -3.0, 3.0, 6.0):
        placings.append((1.0, 0.0, 0.0, 1.0, 0.86, 1.0, 1.0, float(np.radians(degrees))))
    return np.array(placings)


PLACINGS = _placings()


@numba.njit(nogil=True, cache=True)
def _smooth(picture: Any) -> Any:
    """Binomial filter of three, both ways, edges repeated."""
    side = len(picture)
    rows, both = np.empty((side, side)), np.empty((side, side))
    for y in range(side):
        for x in range(side):
            before, after = picture[y, max(x - 1, 0)], picture[y, min(x + 1, side - 1)]
            rows[y, x] = (before + 2.0 * picture[y, x] + after) / 4.0
    for y in range(side):
        above, below = max(y - 1, 0), min(y + 1, side - 1)
        for x in range(side):
            both[y, x] = (rows[above, x] + 2.0 * rows[y, x] + rows[below, x]) / 4.0
    return both


@numba.njit(nogil=True, cache=True)
def _halved(picture: Any) -> Any:
    side = len(picture) // 2
    half = np.empty((side, side))
    for y in range(side):
        for x in range(side):
            half[y, x] = (
                picture[2 * y, 2 * x]
                + picture[2 * y, 2 * x + 1]
                + picture[2 * y + 1, 2 * x]
                + picture[2 * y + 1, 2 * x + 1]
            ) / 4.0
    return half


@numba.njit(nogil=True, cache=True)
def _sampled(picture: Any, aspect: float, placing: Any) -> Any:
    """``picture``, ``aspect`` times as wide as high before it was squeezed, seen through a placing: bilinear, edges
    repeated."""
    side = len(picture)
    shown = side * placing[4]
    height, width = min(side, round(shown * placing[5])), min(side, round(shown * placing[6]))
    zoom_y, zoom_x = shown / height, shown / width
    middle = (side - 1) / 2.0
    cosine, up, across = np.cos(placing[7]), np.sin(placing[7]) * aspect, np.sin(placing[7]) / aspect
    sampled = np.empty((height, width))
    for y in range(height):
        down = zoom_y * (y - (height - 1) / 2.0)
        for x in range(width):
            right = zoom_x * (x - (width - 1) / 2.0)
            below, beside = cosine * down - up * right, across * down + cosine * right
            v = min(max(middle + placing[0] * below + placing[1] * beside, 0.0), side - 1.001)
            u = min(max(middle + placing[2] * below + placing[3] * beside, 0.0), side - 1.001)
            i, j = int(v), int(u)
            v -= i
            u -= j
            first = picture[i, j] * (1 - u) + picture[i, j + 1] * u
            second = picture[i + 1, j] * (1 - u) + picture[i + 1, j + 1] * u
            sampled[y, x] = first * (1 - v) + second * v
    return sampled


@numba.njit(nogil=True, cache=True)
def _field(picture: Any) -> Any:
    """``(2, h, w) int32``: damped gradient directions, -100 to 100."""
    height, width = picture.shape
    gradient, size = np.zeros((2, height, width)), np.zeros((height, width))
    total = 0.0
    for y in range(height):
        for x in range(width):
            up, down, left, right = max(y - 1, 0), min(y + 1, height - 1), max(x - 1, 0), min(x + 1, width - 1)
            dy, dx = (picture[down, x] - picture[up, x]) / 2.0, (picture[y, right] - picture[y, left]) / 2.0
            gradient[0, y, x], gradient[1, y, x], size[y, x] = dy, dx, np.sqrt(dy * dy + dx * dx)
            total += size[y, x]
    damp = _DAMP * total / (height * width) + _FLOOR
    field = np.empty((2, height, width), np.int32)
    for f in range(2):
        for y in range(height):
            for x in range(width):
                field[f, y, x] = round(_UNIT * gradient[f, y, x] / (size[y, x] + damp))
    return field


@numba.njit(nogil=True, cache=True)
def _likeness(whole: Any, part: Any, top: int, left: int) -> Any:
    """Normalised product of a part and the place in the whole where its corner lies at (top, left)."""
    _, height, width = part.shape
    product, first, second = 0, 0, 0
    for f in range(2):
        for y in range(height):
            for x in range(width):
                a, b = whole[f, top + y, left + x], part[f, y, x]
                product += a * b
                first += a * a
                second += b * b
    return product / np.sqrt(max(1.0, float(first) * float(second)))


@numba.njit(nogil=True, cache=True)
def _placed(whole: Any, part: Any, top: int, left: int, reach: int) -> Any:
    """The best ``(likeness, top, left)`` within ``reach`` of (top, left)."""
    rows, columns = whole.shape[1] - part.shape[1], whole.shape[2] - part.shape[2]
    best, at_top, at_left = -2.0, 0, 0
    for y in range(max(0, top - reach), min(rows, top + reach) + 1):
        for x in range(max(0, left - reach), min(columns, left + reach) + 1):
            likeness = _likeness(whole, part, y, x)
            if likeness > best:
                best, at_top, at_left = likeness, y, x
    return best, at_top, at_left


@numba.njit(nogil=True, cache=True)
def _agreement(whole: Any, part: Any, top: int, left: int) -> Any:
    """Likeness that the middle one of 4 x 4 blocks has, blocks weighing as much as they hold gradients."""
    _, height, width = part.shape
    likeness, weight = np.zeros(_BLOCKS * _BLOCKS), np.zeros(_BLOCKS * _BLOCKS)
    for block in range(_BLOCKS * _BLOCKS):
        i, j = block // _BLOCKS, block % _BLOCKS
        product, first, second = 0, 0, 0
        for f in range(2):
            for y in range(height * i // _BLOCKS, height * (i + 1) // _BLOCKS):
                for x in range(width * j // _BLOCKS, width * (j + 1) // _BLOCKS):
                    a, b = whole[f, top + y, left + x], part[f, y, x]
                    product += a * b
                    first += a * a
                    second += b * b
        weight[block] = float(first + second)
        likeness[block] = 2.0 * product / max(1.0, float(first + second))
    order = np.argsort(likeness, kind="mergesort")
    half, passed = weight.sum() / 2.0, 0.0
    for block in order:
        passed += weight[block]
        if passed >= half:
            return likeness[block]
    return 0.0


@numba.njit(nogil=True, cache=True)
def _changed(placing: Any, scale: float, aspect: float, angle: float) -> Any:
    """A placing with its part larger, narrower and turned."""
    changed = placing.copy()
    changed[5], changed[6] = placing[5] * scale * aspect, placing[6] * scale / aspect
    changed[7] = placing[7] + angle
    return changed


@numba.njit(nogil=True, cache=True)
def best(left: Any, right: Any, aspects: Any, placings: Any) -> Any:
    """``(likeness, agreement)`` of the best placing of one in the other; ``left`` and ``right`` ``(k, SIDE, SIDE) float64``,
    of which the first is compared with the first, the second with the second; ``aspects`` ``(2, k) float64``."""
    count, n = len(left), len(placings)
    fine = np.empty((2, count, SIDE, SIDE))
    coarse = np.empty((2, count, _COARSE, _COARSE))
    for k in range(count):
        for s in range(2):
            fine[s, k] = left[k] if s == 0 else right[k]
            coarse[s, k] = _halved(_smooth(fine[s, k]))
    scores = np.empty(count * 2 * n)
    tops, lefts = np.empty(count * 2 * n, np.int64), np.empty(count * 2 * n, np.int64)
    for k in range(count):
        for s in range(2):
            whole = _field(coarse[s, k])
            for p in range(n):
                part = _field(_sampled(coarse[1 - s, k], aspects[1 - s, k], placings[p]))
                at = (k * 2 + s) * n + p
                scores[at], tops[at], lefts[at] = _placed(whole, part, 0, 0, _COARSE)
    order = np.argsort(-scores, kind="mergesort")[:_KEPT]
    likeness, agreement = -1.0, -1.0
    at_best, top_best, left_best, placing_best = 0, 0, 0, placings[0]
    for at in order:
        k, s, p = at // (2 * n), at // n % 2, at % n
        whole = _field(fine[s, k])
        for scale in (0.97, 1.0, 1.03):
            for aspect in (0.95, 1.0, 1.05):
                placing = _changed(placings[p], scale, aspect, 0.0)
                part = _field(_sampled(fine[1 - s, k], aspects[1 - s, k], placing))
                score, top, left_at = _placed(whole, part, 2 * tops[at], 2 * lefts[at], 2)
                if score > likeness:
                    likeness, agreement = score, _agreement(whole, part, top, left_at)
                    at_best, top_best, left_best, placing_best = at, top, left_at, placing
    k, s = at_best // (2 * n), at_best // n % 2
    whole = _field(fine[s, k])
    for scale in (0.985, 1.0, 1.015):
        for aspect in (0.975, 1.0, 1.025):
            for angle in (-0.026, 0.0, 0.026):
                placing = _changed(placing_best, scale, aspect, angle)
                part = _field(_sampled(fine[1 - s, k], aspects[1 - s, k], placing))
                score, top, left_at = _placed(whole, part, top_best, left_best, 1)
                if score > likeness:
                    likeness, agreement = score, _agreement(whole, part, top, left_at)
    return likeness, agreement
