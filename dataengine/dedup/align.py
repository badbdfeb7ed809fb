"""Coarse-to-fine gradient template matching of thumbnails: does one picture show a part of the other?

All placings (turn, scale, shift) of each in the other are compared at half size, the best few again at full size with small
changes of scale and proportions, the best of these with smaller changes and angles. What depends on one picture alone is made
once for all its pairs. Products run over rows of 16-bit integers, padded with zeros to whole vectors; the energy under a
window comes from running sums. Compiled on first use.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataengine.dedup.gradient_fields import compiled, halved, part_field, product, wholes
from dataengine.media.measures import SIDE

_COARSE = SIDE // 2
_KEPT = 4
"""Placings that are looked at finely."""
_BLOCKS = 4
_STEP = 0.06

Floats = NDArray[np.float64]
Int64 = NDArray[np.int64]


class Prepared(NamedTuple):
    """What pairs need of each view: fields (flat) and running sums of the whole, of half size too, and at half size the parts
    that all placings show, with their rows, columns and energies."""

    views: Floats
    turned: Floats
    aspects: Floats
    fields: NDArray[np.int16]
    sums: NDArray[np.int32]
    half_fields: NDArray[np.int16]
    half_sums: NDArray[np.int32]
    parts: NDArray[np.int16]
    measures: Int64


def _placings() -> Floats:
    """``(n, 8)``: those that are tried at half size."""
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


def _changes(scales: tuple[float, ...], aspects: tuple[float, ...], angles: tuple[float, ...]) -> Floats:
    return np.array([(scale, aspect, angle) for scale in scales for aspect in aspects for angle in angles])


_PLACINGS = _placings()
_FINE = _changes((0.97, 1.0, 1.03), (0.95, 1.0, 1.05), (0.0,))
"""How much larger, wider and more turned a part is tried."""
_FINEST = _changes((0.985, 1.0, 1.015), (0.975, 1.0, 1.025), (-0.026, 0.0, 0.026))


def prepare(views: Floats, aspects: Floats) -> Prepared:
    """Of ``(m, SIDE, SIDE)`` views that were ``aspects`` times as wide as high."""
    turned = np.ascontiguousarray(views.transpose(0, 2, 1))
    return Prepared(views, turned, aspects, *_prepared(views, aspects, _PLACINGS))


def best(prepared: Prepared, slots: Int64, counts: Int64) -> Floats:
    """``(n, 2)``: likeness and agreement of the best placing of one picture in the other. ``slots`` ``(n, k, 2)``: rows of views
    that are compared, first with first, second with second; of each pair the first ``counts``."""
    answers: Floats = _best_of_all(prepared, slots, counts, _PLACINGS, _FINE, _FINEST)
    return answers


@compiled
def _prepared(views: Any, aspects: Any, placings: Any) -> Any:
    m, n = len(views), len(placings)
    fields, sums = np.zeros((m, 2 * SIDE * SIDE + SIDE), np.int16), np.empty((m, SIDE + 1, SIDE + 1), np.int32)
    halves = np.empty((m, _COARSE, _COARSE))
    half_fields = np.zeros((m, 2 * _COARSE * _COARSE + _COARSE), np.int16)
    half_sums = np.empty((m, _COARSE + 1, _COARSE + 1), np.int32)
    parts, measures = np.empty((m, n, 2 * _COARSE * _COARSE), np.int16), np.empty((m, n, 3), np.int64)
    shown, sizes = np.zeros((_COARSE + 2, _COARSE + 2)), np.empty((_COARSE, _COARSE))
    for k in range(m):
        halved(views[k], halves[k])
        turned = halves[k].T.copy()
        for p in range(n):
            measures[k, p] = part_field(halves[k], turned, aspects[k], placings[p], shown, sizes, parts[k, p])
    wholes(views, fields, sums)
    wholes(halves, half_fields, half_sums)
    return fields, sums, half_fields, half_sums, parts, measures


@compiled
def _placed(whole: Any, sums: Any, part: Any, size: Any, side: int, top: int, left: int, reach: int) -> Any:
    """The best ``(likeness, top, left)`` within ``reach`` of (top, left): normalised product of a part (its ``size``: rows,
    columns, energy) and the place in the whole where its corner lies there."""
    height, width, energy = size
    best, at_top, at_left = -2.0, 0, 0
    for y in range(max(0, top - reach), min(side - height, top + reach) + 1):
        for x in range(max(0, left - reach), min(side - width, left + reach) + 1):
            under = sums[y + height, x + width] - sums[y, x + width] - sums[y + height, x] + sums[y, x]
            both = product(whole, y * side + x, part, height, side)
            likeness = both / np.sqrt(max(1.0, float(under) * float(energy)))
            if likeness > best:
                best, at_top, at_left = likeness, y, x
    return best, at_top, at_left


@compiled
def _coarse(prepared: Any, slots: Any, n: int) -> Any:
    """Likeness, top and left of every placing of one picture in the other at half size: by view, side and placing."""
    count = len(slots)
    scores = np.empty(count * 2 * n)
    places = np.empty((count * 2 * n, 2), np.int64)
    for k in range(count):
        for s in range(2):
            whole, part = slots[k, s], slots[k, 1 - s]
            field, sums = prepared.half_fields[whole], prepared.half_sums[whole]
            for p in range(n):
                at = (k * 2 + s) * n + p
                measure = prepared.measures[part, p]
                size = (measure[0], measure[1], measure[2])
                placed = _placed(field, sums, prepared.parts[part, p], size, _COARSE, 0, 0, _COARSE)
                scores[at], places[at, 0], places[at, 1] = placed
    return scores, places


@compiled
def _refined(
    prepared: Any, whole: int, other: int, placing: Any, changes: Any, place: Any, reach: int, best: Any
) -> Any:
    """The best of ``best`` (likeness; top, left, rows and columns) and of the ``other`` view seen through all ``changes`` of a
    placing near a ``place`` of the ``whole``; with its placing and its field, which are None if nothing is better."""
    shown, sizes = np.zeros((SIDE + 2, SIDE + 2)), np.empty((SIDE, SIDE))
    part, part_best = np.empty(2 * SIDE * SIDE, np.int16), np.empty(2 * SIDE * SIDE, np.int16)
    placing_best, better = placing, False
    likeness, at = best
    view = (prepared.views[other], prepared.turned[other])
    for change in range(len(changes)):
        scale, aspect, angle = changes[change]
        changed = placing.copy()
        changed[5], changed[6] = placing[5] * scale * aspect, placing[6] * scale / aspect
        changed[7] = placing[7] + angle
        size = part_field(*view, prepared.aspects[other], changed, shown, sizes, part)
        placed = _placed(prepared.fields[whole], prepared.sums[whole], part, size, SIDE, place[0], place[1], reach)
        if placed[0] > likeness:
            likeness, at, better = placed[0], (placed[1], placed[2], size[0], size[1]), True
            placing_best = changed
            part, part_best = part_best, part
    return (likeness, at), better, placing_best, part_best


@compiled
def _agreement(whole: Any, part: Any, place: Any) -> Any:
    """Likeness that the middle one of 4 x 4 blocks has, blocks weighing as much as they hold gradients."""
    top, left, height, width = place
    likeness, weight = np.zeros(_BLOCKS * _BLOCKS), np.zeros(_BLOCKS * _BLOCKS)
    for block in range(_BLOCKS * _BLOCKS):
        i, j = block // _BLOCKS, block % _BLOCKS
        both, energy = np.int64(0), np.int64(0)
        for f in range(2):
            for y in range(height * i // _BLOCKS, height * (i + 1) // _BLOCKS):
                for x in range(width * j // _BLOCKS, width * (j + 1) // _BLOCKS):
                    a = np.int64(whole[(f * SIDE + top + y) * SIDE + left + x])
                    b = np.int64(part[(f * SIDE + y) * SIDE + x])
                    both += a * b
                    energy += a * a + b * b
        weight[block] = float(energy)
        likeness[block] = 2.0 * both / max(1.0, float(energy))
    order = np.argsort(likeness, kind="mergesort")
    half, passed = weight.sum() / 2.0, 0.0
    for block in order:
        passed += weight[block]
        if passed >= half:
            return likeness[block]
    return 0.0


@compiled
def _best(prepared: Any, slots: Any, placings: Any, fine: Any, finest: Any) -> Any:
    n = len(placings)
    scores, places = _coarse(prepared, slots, n)
    order = np.argsort(-scores, kind="mergesort")[:_KEPT]
    best, at, placing, part = (-1.0, (0, 0, 0, 0)), order[0], placings[0], np.empty(0, np.int16)
    for k in order:
        whole, other = slots[k // (2 * n), k // n % 2], slots[k // (2 * n), 1 - k // n % 2]
        place = (2 * places[k, 0], 2 * places[k, 1])
        best, better, changed, shown = _refined(prepared, whole, other, placings[k % n], fine, place, 2, best)
        if better:
            at, placing, part = k, changed, shown
    whole, other = slots[at // (2 * n), at // n % 2], slots[at // (2 * n), 1 - at // n % 2]
    place = (best[1][0], best[1][1])
    best, better, _, shown = _refined(prepared, whole, other, placing, finest, place, 1, best)
    return best[0], _agreement(prepared.fields[whole], shown if better else part, best[1])


@compiled
def _best_of_all(prepared: Any, slots: Any, counts: Any, placings: Any, fine: Any, finest: Any) -> Any:
    answers = np.empty((len(slots), 2))
    for k in range(len(slots)):
        answers[k] = _best(prepared, slots[k, : counts[k]], placings, fine, finest)
    return answers
