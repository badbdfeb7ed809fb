"""Confirms that two pictures are copies of one, edited, by matching small gray thumbnails of both.

A model's vector says that two pictures show similar things; two oranges do. Here the one must lie on the other, gradient on
gradient: moved, scaled down to 0.7, mirrored, turned by quarters or by up to 7 degrees, with or without margins. Half a
millisecond to one a pair and core (``python -m benchmarks align``). A few pixels' difference (a neckline drawn otherwise) is not
seen. What has no gradients left to compare, tiny and much compressed copies, passes by its areas of light and dark, if the
hashes are near, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.dedup import align
from dataengine.media.image.pixels import Pixels

#: Lowest likeness and agreement (align.py) of a copy, in two ways: similar all over, or the half that agrees best does so
#: well, and the rest, under a caption, not too badly.
ALL_OVER = (0.7, 0.7)
IN_PARTS = (0.5, 0.8)
#: Where hashes are ``CLOSE_BITS`` apart or less: of 409 pictures no two unlike ones have more than 0.41; of their edited
#: copies all but one (0.63) have no more than 0.53 with an unlike one.
CLOSE_BITS, CLOSE = 10, (0.6, 0.6)
#: Where they are ``FAINT_BITS`` apart or less and brightness in 8 x 8 areas correlates to ``SAME_AREAS`` (unlike ones among
#: 205 pictures up to 0.96, copies that nothing else confirms from 0.988). Of pictures with a side of ``TINY`` pixels or less
#: nothing more is asked.
FAINT_BITS, FAINT, SAME_AREAS, TINY = 12, (0.4, 0.4), 0.98, 20
_AREAS = 8

Int64 = NDArray[np.int64]


def confirm(pictures: Pixels, pairs: Int64, bits: NDArray[Any] | None = None) -> NDArray[np.bool_]:
    """``(n,)``: True where the ``pairs``, ``(n, 2)`` rows of ``pictures``, ``(m, *SHAPE)`` of ``media.image.fingerprint``,
    are copies of one picture. Those whose hashes are known to be few ``bits`` apart are held to less."""
    near = np.zeros(len(pairs), np.bool_) if bits is None else bits <= FAINT_BITS
    faint, done = np.zeros_like(near), np.zeros_like(near)
    if near.any():
        left, right = pictures[pairs[near, 0]], pictures[pairs[near, 1]]
        faint[near] = areas(left, right) >= SAME_AREAS
        done[near] = faint[near] & (np.minimum(left[:, 0, -1, 2], right[:, 0, -1, 2]) <= TINY)
    likeness, agreement = np.ones((2, len(pairs)))
    likeness[~done], agreement[~done] = compared(pictures, pairs[~done]).T

    def reach(bounds: tuple[float, float]) -> NDArray[np.bool_]:
        reached: NDArray[np.bool_] = (likeness >= bounds[0]) & (agreement >= bounds[1])
        return reached

    copies = reach(ALL_OVER) | reach(IN_PARTS)
    if bits is not None:
        copies |= (bits <= CLOSE_BITS) & reach(CLOSE) | faint & reach(FAINT)
    return copies


def areas(left: Pixels, right: Pixels) -> NDArray[np.float64]:
    """``(n,)``: correlation, -1 to 1, of the brightness of 8 x 8 areas, of the whole pictures or inside their margins."""
    shape = (len(left), 2, _AREAS, left.shape[3] // _AREAS, _AREAS, left.shape[3] // _AREAS)
    means = [side[:, :, :-1].reshape(shape).mean(axis=(3, 5)).reshape(len(left), 2, -1) for side in (left, right)]
    a, b = (m - m.mean(axis=2, keepdims=True) for m in means)
    size = np.sqrt((a * a).sum(axis=2) * (b * b).sum(axis=2))
    correlation: NDArray[np.float64] = ((a * b).sum(axis=2) / np.maximum(size, 1e-9)).max(axis=1, initial=-1)
    return np.round(correlation, 6)


def compared(pictures: Pixels, pairs: Int64) -> NDArray[np.float64]:
    """``(n, 2)``: likeness and agreement of the best placing of one in the other. Pairs that share pictures cost less together;
    each picture of the pairs takes some 200 KB meanwhile."""
    distinct, rows = np.unique(pairs, return_inverse=True)
    own, rows = pictures[distinct], rows.reshape(-1, 2)
    margins = np.flatnonzero((own[:, 0] != own[:, 1]).any(axis=(1, 2)))  # elsewhere trimmed is whole
    slots = np.stack([np.arange(len(own))] * 2)
    slots[1, margins] = len(own) + np.arange(len(margins))
    views = np.concatenate([own[:, 0], own[margins, 1]])
    aspects = views[:, -1, 1].astype(np.float64) / views[:, -1, 0]
    counts = np.where(np.isin(rows, margins).any(axis=1), 2, 1)
    prepared = align.prepare(views[:, :-1].astype(np.float64), aspects)
    return np.round(align.best(prepared, np.ascontiguousarray(slots[:, rows].transpose(1, 0, 2)), counts), 6)
