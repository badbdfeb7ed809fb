"""Quotas of the mix: how often records of which mode, task and difficulty are trained on, from counts and shares alone.

Everything here counts *uses*: a record that is repeated three times is three. A cell is a mode, or one style of it
(``video/thinking``). A cell that lacks records first takes those that its scores would have left out; what it still lacks the
other cells make up for by their shares (``fill``), or all cells are cut to the scarcest. Either way it is reported.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from dataengine.cot.tasks.mix_shares import TEXT, mode_of
from dataengine.cot.tasks.text_cot import TEXT_TASK

Kind = tuple[str, str, str]
"""``mode/style``, task and difficulty: what records are counted by."""


class Quota(NamedTuple):
    """How many uses are wanted of some kinds together."""

    kinds: tuple[Kind, ...]
    wanted: int


class Cell(NamedTuple):
    """A cell of the mix: the uses that its share asks for, those that there are as its scores have it, and those planned."""

    name: str
    share: float
    wanted: int
    available: int
    planned: int


class Quotas(NamedTuple):
    """A kind is in one quota or, without a share, in none. ``shortages``: how many uses each short cell or facet lacks;
    ``scarcest``: the cell that has least for its share, "" where no cell is short of the total."""

    quotas: list[Quota]
    shortages: dict[str, int]
    cells: list[Cell]
    scarcest: str


class Supply(NamedTuple):
    """What there is of a kind: planned uses, and records that their scores would leave out, each good for one more."""

    uses: int
    spare: int = 0

    @property
    def most(self) -> int:
        return self.uses + self.spare


class Facets(NamedTuple):
    """Shares within each cell, by task, then by difficulty; without any, records are taken as they come."""

    tasks: Mapping[str, float] = {}
    difficulties: Mapping[str, float] = {}


NO_FACETS = Facets()


def text_or(style: str, task: str) -> str:
    """The style of a record as the cells of the mix know it: records without pictures are a cell of their own."""
    return TEXT if task == TEXT_TASK else style


def style_of(cell: str) -> tuple[str, str]:
    """Mode and style of the records of a kind."""
    mode, _, style = cell.partition("/")
    return mode, "thinking" if style == TEXT else style


def plan_quotas(
    supply: Mapping[Kind, Supply],
    shares: Mapping[str, float],
    total: int | None,
    facets: Facets = NO_FACETS,
    fill: bool = True,
) -> Quotas:
    """Split ``total`` uses by their shares, within each cell by those of ``facets``.

    Without a total, ``fill`` takes as many as the cells with half of the shares have, and without ``fill`` as many as no cell
    lacks. Cells that have no record at all do not count for that.
    """
    by_cell = _by_cell(supply, shares, facets)
    uses = {cell: sum(supply[kind].uses for kind in kinds) for cell, kinds in by_cell.items()}
    most = {cell: sum(supply[kind].most for kind in kinds) for cell, kinds in by_cell.items()}
    runs_out = _totals(uses, shares)
    if total is None:
        total = _usual(runs_out, shares) if fill else min(runs_out.values(), default=0)
    wanted = apportion(total, shares)
    planned = {cell: min(wanted[cell], most[cell]) for cell in wanted}
    if fill:
        room = {cell: max(uses[cell] - planned[cell], 0) for cell in planned}
        more = spread(total - sum(planned.values()), shares, room)
        planned = {cell: planned[cell] + more[cell] for cell in planned}
    shortages = {cell: wanted[cell] - planned[cell] for cell in wanted if wanted[cell] > planned[cell]}
    quotas = []
    for cell, kinds in by_cell.items():
        some, missing = _by_facet(kinds, supply, planned[cell], [(1, facets.tasks), (2, facets.difficulties)], fill)
        quotas += some
        shortages |= {f"{cell}{facet}": count for facet, count in missing.items() if facet}
    cells = [Cell(name, shares[name], wanted[name], uses[name], planned[name]) for name in wanted]
    scarcest = min(runs_out, key=lambda name: (runs_out[name], name), default="")
    short = bool(scarcest) and (runs_out[scarcest] <= total or bool(shortages))
    return Quotas(quotas, dict(sorted(shortages.items())), cells, scarcest if short else "")


def _by_cell(supply: Mapping[Kind, Supply], shares: Mapping[str, float], facets: Facets) -> dict[str, list[Kind]]:
    """The kinds of each cell that a facet gives a share, sorted; all of a cell where none of its kinds has one."""
    by_cell: dict[str, list[Kind]] = {name: [] for name in sorted(shares)}
    for kind in sorted(supply):
        if cell := next((c for c in (kind[0], mode_of(kind[0])) if c in by_cell), None):
            by_cell[cell].append(kind)
    for place, wanted in enumerate(facets, 1):
        for cell, kinds in by_cell.items():
            by_cell[cell] = [kind for kind in kinds if wanted.get(kind[place])] or kinds
    return by_cell


def _by_facet(
    kinds: Sequence[Kind],
    supply: Mapping[Kind, Supply],
    wanted: int,
    facets: Sequence[tuple[int, Mapping[str, float]]],
    fill: bool,
) -> tuple[list[Quota], dict[str, int]]:
    """Quotas of ``wanted`` uses of ``kinds``, and what is missing by facet; ``facets``: a place in a kind, and the shares of
    its values."""
    if not facets:
        missing = wanted - sum(supply[kind].most for kind in kinds)
        return [Quota(tuple(kinds), wanted)], {"": missing} if missing > 0 else {}
    (place, shares), *rest = facets
    by_name: dict[str, list[Kind]] = {}
    for kind in kinds:
        by_name.setdefault(kind[place], []).append(kind)
    shares = {name: share for name, share in shares.items() if name in by_name and share}
    if not shares:
        return _by_facet(kinds, supply, wanted, rest, fill)
    requested = apportion(wanted, shares)
    planned = (
        spread(wanted, shares, {n: sum(supply[k].most for k in by_name[n]) for n in shares}) if fill else requested
    )
    quotas: list[Quota] = []
    missing_by_facet = {
        f"/{name}": requested[name] - planned[name] for name in shares if requested[name] > planned[name]
    }
    for name, count in planned.items():
        some, missing_below = _by_facet(by_name[name], supply, count, rest, fill)
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


def spread(total: int, shares: Mapping[str, float], room: Mapping[str, int]) -> dict[str, int]:
    """``total`` split by shares, at most ``room`` each: what one has no room for, the others get by their shares. Less than
    ``total`` where all together have no more."""
    parts = dict.fromkeys(sorted(shares), 0)
    while left := total - sum(parts.values()):
        with_room = {name: share for name, share in shares.items() if share and room[name] > parts[name]}
        if not with_room:
            break
        for name, part in apportion(left, with_room).items():
            parts[name] += min(part, room[name] - parts[name])
    return parts


def _totals(uses: Mapping[str, int], shares: Mapping[str, float]) -> dict[str, int]:
    """For each cell that has records the largest total that it has enough for."""
    whole = sum(Fraction(share) for share in shares.values())
    return {name: int(uses[name] * whole / Fraction(shares[name])) for name in uses if uses[name] and shares[name]}


def _usual(totals: Mapping[str, int], shares: Mapping[str, float]) -> int:
    """The largest total for which cells with at least half of the shares have enough."""
    half, held = sum(Fraction(shares[name]) for name in totals) / 2, Fraction(0)
    for name in sorted(totals, key=lambda name: (-totals[name], name)):
        held += Fraction(shares[name])
        if held >= half:
            return totals[name]
    return 0


def place(seed: int, id_: str) -> str:
    """Where a record stands among those of its quota, of which the first are chosen: hex digits that order as bytes do."""
    return hashlib.sha256(f"{seed}\0{id_}".encode()).hexdigest()
