"""Budgets in tokens: how many each share of a mix gets, and which documents of a shuffle fill them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine.cot.mix.quotas import apportion


def plan_budgets(available: Mapping[str, int], shares: Mapping[str, float], total: int | None) -> dict[str, int]:
    """Tokens of each cell. Without shares: all there are, or their proportional part of ``total``. With shares and without
    ``total``: as many in all as no cell that has documents is short of."""
    if not shares:
        whole = sum(available.values())
        return dict(available) if total is None or total >= whole else apportion(total, _present(available))
    positive = {cell: share for cell, share in shares.items() if share > 0}
    if total is None:
        whole_share = sum(Fraction(share) for share in positive.values())
        bounds = [int(available[c] * whole_share / Fraction(s)) for c, s in positive.items() if available.get(c)]
        total = min(bounds, default=0)
    return apportion(total, positive)


def _present(available: Mapping[str, int]) -> dict[str, float]:
    return {cell: float(n) for cell, n in available.items() if n}


@dataclass(frozen=True)
class Cut:
    """Of a cell all pieces before ``bucket`` are taken, and of those in it the first that fit into ``left`` tokens."""

    cell: str
    bucket: int
    left: int


def cut_of(cell: str, by_bucket: Mapping[int, int], budget: int, buckets: int) -> Cut:
    """Where a budget ends in the shuffle of a cell, from its tokens by bucket."""
    left = budget
    for bucket in sorted(by_bucket):
        if by_bucket[bucket] > left:
            return Cut(cell, bucket, left)
        left -= by_bucket[bucket]
    return Cut(cell, buckets, left)


def taken(pieces: pa.Table) -> pa.Table:
    """Of the pieces in the last buckets of cells (columns ``cell``, ``place``, ``length``, ``left``) those that fit, in the order
    of their places: a piece that does not fit ends it."""
    if not len(pieces):
        return pieces
    ordered = pieces.sort_by([("cell", "ascending"), ("place", "ascending")])
    cells = ordered["cell"].to_numpy(zero_copy_only=False)
    sums = np.cumsum(ordered["length"].to_numpy())
    starts = np.flatnonzero(np.r_[True, cells[1:] != cells[:-1]])
    before = np.repeat(np.r_[0, sums[starts[1:] - 1]], np.diff(np.r_[starts, len(cells)]))
    mask: Any = pa.array(sums - before <= ordered["left"].to_numpy())
    return ordered.filter(mask)


def pools(by_bucket: Mapping[int, int], tokens: int) -> dict[int, int]:
    """Pool of each bucket: consecutive buckets of about ``tokens`` tokens, at least one pool, of nearly equal sizes."""
    total = sum(by_bucket.values())
    count = max(1, total // tokens)
    out: dict[int, int] = {}
    before = 0
    for bucket in sorted(by_bucket):
        out[bucket] = min(count - 1, before * count // max(total, 1))
        before += by_bucket[bucket]
    return out
