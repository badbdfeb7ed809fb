"""How many records of which mode: shares are configuration, filled exactly, and what is missing is said.

A cell is a mode, or one style of it (``video/thinking``). Cells that are short are not made up for by others: that would
change the shares behind the trainer's back.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
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


class Facets(NamedTuple):
    """Task and difficulty of each record, and the shares that these are to have in every cell; no shares: as they come."""

    of: Mapping[str, tuple[str, str]]
    tasks: Mapping[str, float]
    difficulties: Mapping[str, float]


class Picked(NamedTuple):
    """Chosen record ids, ascending, and how many records each short cell lacks."""

    ids: list[str]
    shortages: dict[str, int]


def resolve(config: str | Mapping[str, float]) -> dict[str, float]:
    """Shares by cell, sorted, from the name of a preset or from shares, which need not add up to anything. Raises
    UsageError."""
    if isinstance(config, str):
        if config not in PRESETS:
            raise UsageError(f"no mix is called `{config}`: use one of {', '.join(sorted(PRESETS))}, or shares by mode")
        config = PRESETS[config]
    if unknown := sorted(config.keys() - _CELLS):
        raise UsageError(f"mix: `{unknown[0]}` is none of {', '.join(sorted(_CELLS))}")
    if twice := sorted(name for name in config if "/" in name and _mode(name) in config):
        raise UsageError(f"mix: `{twice[0]}` and its mode as a whole both have a share")
    if not all(0 <= share < math.inf for share in config.values()) or not any(config.values()):
        raise UsageError("mix: shares are numbers from 0 up, at least one of them above 0")
    return {name: float(share) for name, share in sorted(config.items())}


def pick(
    records: Iterable[tuple[str, str]],
    shares: Mapping[str, float],
    total: int | None,
    seed: int = 0,
    facets: Facets | None = None,
) -> Picked:
    """Choose ``total`` records by their shares; None: as many as the shares allow without shortage in any cell that has
    records.

    ``records`` are pairs of id and ``mode/style``, or of id and mode alone: then a mode's cells count as one. Which records
    of a cell are chosen depends on the seed and their ids. Records without a share are never chosen. With ``facets`` the
    records of a cell are split by task, then by difficulty, in the same exact way.
    """
    given = sorted(records)
    if not any("/" in name for _, name in given):
        shares = _by_mode(shares)
    by_cell: dict[str, list[str]] = {name: [] for name in sorted(shares)}
    for id_, name in given:
        if cell := next((c for c in (name, _mode(name)) if c in by_cell), None):
            by_cell[cell].append(id_)
    wanted = apportion(
        _fitting({c: len(ids) for c, ids in by_cell.items()}, shares) if total is None else total, shares
    )
    chosen: list[str] = []
    short: Counter[str] = Counter()
    for cell, ids in by_cell.items():
        order = sorted(ids, key=lambda id_: (_place(seed, id_), id_))
        some, missing = _by_facet(order, wanted[cell], facets, 0)
        chosen += some
        short.update({f"{cell}{facet}": count for facet, count in missing.items()})
    return Picked(sorted(chosen), dict(sorted(short.items())))


def _by_facet(order: list[str], wanted: int, facets: Facets | None, depth: int) -> tuple[list[str], dict[str, int]]:
    """``wanted`` of the ids in ``order``, and what is missing by facet: tasks at depth 0, difficulties at 1."""
    shares = (facets.tasks, facets.difficulties)[depth] if facets is not None and depth < 2 else {}
    if facets is None or depth == 2:
        return order[:wanted], {"": wanted - len(order)} if wanted > len(order) else {}
    present = {facets.of[id_][depth] for id_ in order}
    mine = {name: share for name, share in shares.items() if name in present and share}
    if not mine:
        return _by_facet(order, wanted, facets, depth + 1)
    chosen: list[str] = []
    missing: dict[str, int] = {}
    for name, count in apportion(wanted, mine).items():
        some, lacking = _by_facet([i for i in order if facets.of[i][depth] == name], count, facets, depth + 1)
        chosen += some
        missing |= {f"/{name}{facet}": n for facet, n in lacking.items()}
    return chosen, missing


def apportion(total: int, shares: Mapping[str, float]) -> dict[str, int]:
    """``total`` split by shares into whole numbers that add up to it: largest remainders, ties by name (Hamilton)."""
    whole = sum(Fraction(share) for share in shares.values())
    exact = {name: total * Fraction(share) / whole for name, share in sorted(shares.items())}
    found = Counter({name: int(part) for name, part in exact.items()})
    by_remainder = sorted(exact, key=lambda name: (found[name] - exact[name], name))
    found.update(by_remainder[: total - found.total()])
    return dict(found)


def _fitting(available: Mapping[str, int], shares: Mapping[str, float]) -> int:
    """The largest total of which no cell that has records has a larger share than it has records."""
    whole = sum(Fraction(share) for share in shares.values())
    present = [name for name, count in available.items() if count and shares[name]]
    return min((int(available[name] * whole / Fraction(shares[name])) for name in present), default=0)


def _by_mode(shares: Mapping[str, float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, share in shares.items():
        found[_mode(name)] = found.get(_mode(name), 0.0) + share
    return found


def _mode(cell: str) -> str:
    return cell.partition("/")[0]


def _place(seed: int, id_: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{id_}".encode()).digest()
