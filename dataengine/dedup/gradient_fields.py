"""Fields of damped brightness gradients of thumbnails, as seen through a turn, a scale and a small angle. Compiled on first use.

Compared are directions of gradients, damped where gradients are weak: what brightness, contrast, blur and compression change
least. Values are rounded to integers before they are multiplied, so the result does not depend on the order of sums.
A *placing* has eight numbers: the turn (y from y, y from x, x from y, x from x), the share of the side that is looked for, the
scales down and across that it is looked for at, and a small angle (radians).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

compiled = numba.njit(nogil=True, cache=True, error_model="numpy")
_UNIT = 100.0
_ONE = np.uint64(1)
"""Unsigned places are looked up without a check for negative ones, and so in vectors."""
_DAMP, _FLOOR = 0.3, 3.0
"""A gradient counts half where it is as long as 0.3 of the mean one and 3 levels."""


@compiled
def halved(picture: Any, half: Any) -> None:
    """Binomial filter of three, both ways, edges repeated; then means of 2 x 2."""
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
    for y in range(side // 2):
        for x in range(side // 2):
            half[y, x] = (
                both[2 * y, 2 * x] + both[2 * y, 2 * x + 1] + both[2 * y + 1, 2 * x] + both[2 * y + 1, 2 * x + 1]
            ) / 4.0


@compiled
def _size(side: int, placing: Any) -> Any:
    """Rows and columns of what a placing shows."""
    shown = side * placing[4]
    return min(side, round(shown * placing[5])), min(side, round(shown * placing[6]))


@compiled
def _sampled(picture: Any, turned: Any, aspect: float, placing: Any, out: Any) -> Any:
    """``picture``, ``aspect`` times as wide as high before it was squeezed, seen through a placing: bilinear, edges
    repeated. Written into ``out`` from (1, 1) on, with a border that repeats its edges; returns its rows and columns.
    ``turned`` is the transpose of ``picture``."""
    side = len(picture)
    height, width = _size(side, placing)
    downs, rights = np.empty(height), np.empty(_vectors(width, side))
    for y in range(height):
        downs[y] = side * placing[4] / height * (y - (height - 1) / 2.0)
    for x in range(len(rights)):
        rights[x] = side * placing[4] / width * (x - (width - 1) / 2.0)
    if placing[7] != 0.0:
        _askew(picture, aspect, placing, downs, rights, out)
    elif placing[0] != 0.0:
        _straight(picture, placing[0] * downs, placing[3] * rights, out)
    else:
        _crossed(turned, placing[2] * downs, placing[1] * rights, out)
    _bordered(out, height, width)
    return height, width


@compiled
def _vectors(width: int, side: int) -> Any:
    """Columns that are computed, so that none is left over by a vector of 16; what is beyond ``width`` counts nowhere."""
    return min(side, (width + 15) // 16 * 16)


@compiled
def _located(offsets: Any, side: int) -> Any:
    """The rows or columns before offsets from the middle, and the shares of the next ones."""
    before, shares = np.empty(len(offsets), np.uint64), np.empty(len(offsets))
    for k in range(len(offsets)):
        value = min(max((side - 1) / 2.0 + offsets[k], 0.0), side - 1.001)
        before[k] = np.int32(value)
        shares[k] = value - np.int32(value)
    return before, shares


@compiled
def _straight(picture: Any, downs: Any, rights: Any, out: Any) -> None:
    """Without a turn, or mirrored: first along all rows, then down."""
    side, one = len(picture), _ONE
    (rows, vs), (columns, us) = _located(downs, side), _located(rights, side)
    along = np.empty((side, len(rights)))
    for i in range(np.uint64(side)):
        for x in range(np.uint64(len(rights))):
            along[i, x] = picture[i, columns[x]] * (1 - us[x]) + picture[i, columns[x] + one] * us[x]
    for y in range(np.uint64(len(downs))):
        i, v = rows[y], vs[y]
        for x in range(np.uint64(len(rights))):
            out[y + one, x + one] = along[i, x] * (1 - v) + along[i + one, x] * v


@compiled
def _crossed(turned: Any, downs: Any, rights: Any, out: Any) -> None:
    """Turned by a quarter: rows of what is shown are columns of the picture, which are rows of ``turned``."""
    side, one = len(turned), _ONE
    (rows, us), (columns, vs) = _located(downs, side), _located(rights, side)
    along = np.empty(side)
    for y in range(np.uint64(len(downs))):
        j, u = rows[y], us[y]
        for i in range(np.uint64(side)):
            along[i] = turned[j, i] * (1 - u) + turned[j + one, i] * u
        for x in range(np.uint64(len(rights))):
            out[y + one, x + one] = along[columns[x]] * (1 - vs[x]) + along[columns[x] + one] * vs[x]


@compiled
def _askew(picture: Any, aspect: float, placing: Any, downs: Any, rights: Any, out: Any) -> None:
    """By a few degrees too."""
    side, width, flat, one = len(picture), np.uint64(len(rights)), picture.reshape(-1), _ONE
    middle, last, line = (side - 1) / 2.0, side - 1.001, np.uint64(len(picture))
    cosine, up, across = np.cos(placing[7]), np.sin(placing[7]) * aspect, np.sin(placing[7]) / aspect
    at, us, vs = np.empty(width, np.uint32), np.empty(width), np.empty(width)
    for y in range(np.uint64(len(downs))):
        down = downs[y]
        for x in range(width):
            below, beside = cosine * down - up * rights[x], across * down + cosine * rights[x]
            v = min(max(middle + placing[0] * below + placing[1] * beside, 0.0), last)
            u = min(max(middle + placing[2] * below + placing[3] * beside, 0.0), last)
            i, j = np.int32(v), np.int32(u)
            at[x], us[x], vs[x] = np.uint32(i * side + j), u - j, v - i
        for x in range(width):
            k, u, v = np.uint64(at[x]), us[x], vs[x]
            first = flat[k] * (1 - u) + flat[k + one] * u
            second = flat[k + line] * (1 - u) + flat[k + line + one] * u
            out[y + one, x + one] = first * (1 - v) + second * v


@compiled
def _bordered(out: Any, height: int, width: int) -> None:
    for y in range(1, height + 1):
        out[y, 0], out[y, width + 1] = out[y, 1], out[y, width]
    for x in range(1, width + 1):
        out[0, x], out[height + 1, x] = out[1, x], out[height, x]


@compiled
def _field(shown: Any, height: int, width: int, sizes: Any, field: Any) -> None:
    """Damped gradient directions, -100 to 100, down and across, of the bordered picture ``shown``; ``field`` is ``(2, side,
    side) int16``, zero beside the picture."""
    side, columns = np.uint64(field.shape[2]), np.uint64(_vectors(width, field.shape[2]))
    one, two, sums = _ONE, _ONE + _ONE, np.zeros(side)
    for y in range(np.uint64(height)):
        for x in range(columns):
            dy = (shown[y + two, x + one] - shown[y, x + one]) / 2.0
            dx = (shown[y + one, x + two] - shown[y + one, x]) / 2.0
            size = np.sqrt(dy * dy + dx * dx)
            sizes[y, x] = size
            sums[x] += size
    damp = _DAMP * sums[:width].sum() / (height * width) + _FLOOR
    for y in range(np.uint64(height)):
        for x in range(columns):
            dy = (shown[y + two, x + one] - shown[y, x + one]) / 2.0
            dx = (shown[y + one, x + two] - shown[y + one, x]) / 2.0
            field[0, y, x] = np.int16(np.int32(np.rint(_UNIT * dy / (sizes[y, x] + damp))))
            field[1, y, x] = np.int16(np.int32(np.rint(_UNIT * dx / (sizes[y, x] + damp))))
        for x in range(np.uint64(width), side):
            field[0, y, x], field[1, y, x] = 0, 0


@compiled
def product(whole: Any, start: int, part: Any, rows: int, side: int) -> Any:
    """Sum of products of the first ``rows`` of a flat part with those of a flat whole from ``start`` on. Rows of both are as
    long, so one run of memory meets the other."""
    total, place, area = np.int32(0), np.uint64(start), np.uint64(side * side)
    for k in range(np.uint64(rows * side)):
        total = np.int32(total + np.int32(whole[place + k]) * np.int32(part[k]))
    place += area
    for k in range(np.uint64(rows * side)):
        total = np.int32(total + np.int32(whole[place + k]) * np.int32(part[area + k]))
    return np.int64(total)


@compiled
def part_field(picture: Any, turned: Any, aspect: float, placing: Any, shown: Any, sizes: Any, part: Any) -> Any:
    """Writes the field of a picture seen through a placing into flat ``part``; its rows, columns and energy."""
    side = len(picture)
    height, width = _sampled(picture, turned, aspect, placing, shown)
    field = part.reshape(2, side, side)
    _field(shown, height, width, sizes, field)
    return height, width, product(part, 0, part, height, side)


@compiled
def wholes(pictures: Any, fields: Any, sums: Any) -> None:
    """Fields of whole pictures and their running sums."""
    side = pictures.shape[1]
    shown, sizes = np.zeros((side + 2, side + 2)), np.empty((side, side))
    for k in range(len(pictures)):
        shown[1:-1, 1:-1] = pictures[k]
        _bordered(shown, side, side)
        field = fields[k, : 2 * side * side].reshape(2, side, side)
        _field(shown, side, side, sizes, field)
        _running(field, sums[k])


@compiled
def _running(field: Any, sums: Any) -> None:
    """``sums[y, x]``: squares of a field above y and left of x."""
    side = field.shape[2]
    sums[0, :] = 0
    for y in range(side):
        total = np.int64(0)
        sums[y + 1, 0] = 0
        for x in range(side):
            a, b = np.int64(field[0, y, x]), np.int64(field[1, y, x])
            total += a * a + b * b
            sums[y + 1, x + 1] = sums[y, x + 1] + total
