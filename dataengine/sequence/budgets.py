"""Budgets in tokens: how many each share of a mix gets, and which documents of a shuffle fill them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import pyarrow as pa

from dataengine.cot.mix.quotas import apportion

#: Tokens that are looked at to fill what is left of a budget, as a multiple of it.
_CANDIDATES = 8


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
    """Of a cell all pieces before ``bucket`` are taken, and of those from it to ``stop`` the first that fit ``left`` tokens."""

    cell: str
    bucket: int
    stop: int
    left: int


def cut_of(cell: str, by_bucket: Mapping[int, int], budget: int, buckets: int) -> Cut:
    """Where a budget ends in the shuffle of a cell, from its tokens by bucket."""
    left, at, beyond = budget, buckets, 0
    for bucket in sorted(by_bucket):
        if at == buckets and by_bucket[bucket] <= left:
            left -= by_bucket[bucket]
            continue
        at = min(at, bucket)
        beyond += by_bucket[bucket]
        if beyond >= _CANDIDATES * left:
            return Cut(cell, at, bucket + 1, left)
    return Cut(cell, at, buckets, left)


def fitting(pieces: pa.Table) -> pa.Table:
    """Of the pieces in the last buckets of cells (columns ``cell``, ``place``, ``length``, ``left``) those that fit, in the order
    of their places: what does not fit into the tokens that are left is passed over."""
    ordered = pieces.sort_by([("cell", "ascending"), ("place", "ascending")])
    left: dict[str, int] = {}
    mask = []
    rows = (ordered[name].to_pylist() for name in ("cell", "length", "left"))
    for cell, length, budget in zip(*rows, strict=True):
        rest = left.setdefault(cell, budget)
        mask.append(length <= rest)
        left[cell] = rest - length if length <= rest else rest
    return ordered.filter(pa.array(mask, pa.bool_()))


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
