"""Retrieval of one half of a held-out pair by the other, among the other halves and distractors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.index.align.training import Pairs

_ROWS = 256
_LEVEL = 1e-6
"""Difference of cosines that is none: rounding."""


def recall(pairs: Pairs, distractors: NDArray[Any], k: int = 10) -> float:
    """Share of the pairs whose second half is among the ``k`` nearest of the first, by cosine, among all second halves of other
    groups and ``(m, d)`` distractors; vectors of unit length. A pair that is level with others counts as the share of the orders
    of these in which it is among the ``k``: equal vectors find nothing. NaN without pairs."""
    if not len(pairs):
        return float("nan")
    candidates = np.concatenate([pairs.b, distractors.astype(np.float32)]) if len(distractors) else pairs.b
    hits = 0.0
    for start in range(0, len(pairs), _ROWS):
        rows = slice(start, start + _ROWS)
        scores = pairs.a[rows] @ candidates.T
        own = np.einsum("ij,ij->i", pairs.a[rows], pairs.b[rows])
        same = np.zeros(scores.shape, np.bool_)
        same[:, : len(pairs)] = pairs.group[rows, None] == pairs.group[None]
        nearer, level = (
            (some & ~same).sum(axis=1)
            for some in (scores > own[:, None] + _LEVEL, np.abs(scores - own[:, None]) <= _LEVEL)
        )
        hits += float(np.clip((k - nearer) / (level + 1), 0, 1).sum())
    return hits / len(pairs)
