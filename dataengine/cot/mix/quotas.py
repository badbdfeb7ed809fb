"""Exact quotas of the mix: how many records of which mode, task and difficulty, from counts and shares alone.

A cell is a mode, or one style of it (``video/thinking``). Cells that are short are not made up for by others: that would
change the shares behind the trainer's back; what is missing is reported.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from dataengine.cot.core.record import MODES
from dataengine.cot.tasks.registry import TASKS
from dataengine.errors import UsageError

#: ``keye-vl``: records of the cold start in the report (arXiv 2507.01949; the number of video records differs in notes on
#: it: 24,000 with thinking and 80,000 without is what its text says).
PRESETS: dict[str, dict[str, float]] = {
    "even": dict.fromkeys(MODES, 1.0),
    "keye-vl": {
        "non_thinking": 330_000,
        "thinking": 230_000,
        "auto_think": 20_000,
        "think_with_image": 100_000,
        "video/thinking": 24_000,
        "video/non_thinking": 80_000,
    },
}
_STYLES = {(task.mode, style) for task in TASKS.values() for style in task.styles}
_CELLS = {*MODES, *(f"{mode}/{style}" for mode, style in _STYLES)}


Kind = tuple[str, str, str]
"""``mode/style``, task and difficulty: what records are counted by."""


class Quota(NamedTuple):
    """How many records are wanted of some kinds together."""

    kinds: tuple[Kind, ...]
    wanted: int


class Quotas(NamedTuple):
    """A kind is in one quota or, without a share, in none. ``shortages``: how many records each short cell lacks."""

    quotas: list[Quota]
    shortages: dict[str, int]


def resolve(config: str | Mapping[str, float]) -> dict[str, float]:
    """Shares by cell, sorted, from the name of a preset or from shares, which need not add up to anything. Raises
    UsageError."""
    if isinstance(config, str):
        if config not in PRESETS:
            raise UsageError(f"unknown mix `{config}`: use one of {', '.join(sorted(PRESETS))}, or shares by mode")
        config = PRESETS[config]
    if unknown := sorted(config.keys() - _CELLS):
        raise UsageError(f"mix: unknown cell `{unknown[0]}`: use {', '.join(sorted(_CELLS))}")
    if twice := sorted(name for name in config if "/" in name and _mode(name) in config):
        raise UsageError(f"mix: `{twice[0]}` and its mode as a whole both have a share")
    if not all(0 <= share < math.inf for share in config.values()) or not any(config.values()):
        raise UsageError("mix: shares are numbers from 0 up, at least one of them above 0")
    return {name: float(share) for name, share in sorted(config.items())}


def plan_quotas(
    counts: Mapping[Kind, int],
    shares: Mapping[str, float],
    total: int | None,
    tasks: Mapping[str, float] | None = None,
    difficulties: Mapping[str, float] | None = None,
) -> Quotas:
    """Split ``total`` records by their shares; None: as many as the shares allow without shortage in any cell that has records.

    ``counts`` are the records that there are. The records of a cell are split by the shares of ``tasks``, then of
    ``difficulties``, in the same exact way; without these as they come.
    """
    by_cell: dict[str, list[Kind]] = {name: [] for name in sorted(shares)}
    for kind in sorted(counts):
        if cell := next((c for c in (kind[0], _mode(kind[0])) if c in by_cell), None):
            by_cell[cell].append(kind)
    available = {cell: sum(counts[kind] for kind in kinds) for cell, kinds in by_cell.items()}
    wanted = apportion(_largest_total(available, shares) if total is None else total, shares)
    facets = [(1, tasks or {}), (2, difficulties or {})]
    quotas: list[Quota] = []
    shortages: dict[str, int] = {}
    for cell, kinds in by_cell.items():
        some, missing = _by_facet(kinds, counts, wanted[cell], facets)
        quotas += some
        shortages |= {f"{cell}{facet}": count for facet, count in missing.items()}
    return Quotas(quotas, dict(sorted(shortages.items())))


def _by_facet(
    kinds: Sequence[Kind], counts: Mapping[Kind, int], wanted: int, facets: Sequence[tuple[int, Mapping[str, float]]]
) -> tuple[list[Quota], dict[str, int]]:
    """Quotas of ``wanted`` records of ``kinds``, and what is missing by facet; ``facets``: a place in a kind, and the shares of
    its values."""
    if not facets:
        missing = wanted - sum(counts[kind] for kind in kinds)
        return [Quota(tuple(kinds), wanted)], {"": missing} if missing > 0 else {}
    (place, shares), *rest = facets
    present = {kind[place] for kind in kinds}
    shares = {name: share for name, share in shares.items() if name in present and share}
    if not shares:
        return _by_facet(kinds, counts, wanted, rest)
    quotas: list[Quota] = []
    missing_by_facet: dict[str, int] = {}
    for name, count in apportion(wanted, shares).items():
        some, missing_below = _by_facet([k for k in kinds if k[place] == name], counts, count, rest)
        quotas += some
        missing_by_facet |= {f"/{name}{facet}": n for facet, n in missing_below.items()}
    return quotas, missing_by_facet


def apportion(total: int, shares: Mapping[str, float]) -> dict[str, int]:
    """``total`` split by shares into whole numbers that add up to it: largest remainders, ties by name (Hamilton)."""
    whole = sum(Fraction(share) for share in shares.values())
    exact = {name: total * Fraction(share) / whole for name, share in sorted(shares.items())}
    whole_parts = Counter({name: int(part) for name, part in exact.items()})
    by_remainder = sorted(exact, key=lambda name: (whole_parts[name] - exact[name], name))
    whole_parts.update(by_remainder[: total - whole_parts.total()])
    return dict(whole_parts)


def _largest_total(available: Mapping[str, int], shares: Mapping[str, float]) -> int:
    """The largest total of which no cell that has records has a larger share than it has records."""
    whole = sum(Fraction(share) for share in shares.values())
    present = [name for name, count in available.items() if count and shares[name]]
    return min((int(available[name] * whole / Fraction(shares[name])) for name in present), default=0)


def _mode(cell: str) -> str:
    return cell.partition("/")[0]


def place(seed: int, id_: str) -> str:
    """Where a record stands among those of its quota, of which the first are chosen: hex digits that order as bytes do."""
    return hashlib.sha256(f"{seed}\0{id_}".encode()).hexdigest()
