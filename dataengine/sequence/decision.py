"""Which occurrences of a set are used, and in which pool each is packed: small enough for the driver, applied row by row.

Whole ranges of the shuffle are taken but for one a budget, of which the pieces that fit are listed by their places.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine.sequence.occurrences import BUCKETS, OCCURRENCES
from dataengine.table_engine import PART

Mask = NDArray[np.bool_]
#: Occurrences that are packed together, as sequence.pack reads them, in the order of the shuffle.
PLAN = pa.schema([f for f in OCCURRENCES if f.name not in ("bucket", "cell", "chance", "rank")])
POOLED = PLAN.append(pa.field(PART, pa.string()))
_NONE = ("", "")
"""Before all ranks."""


@dataclass(frozen=True)
class Within:
    """What is within budgets: all pieces before ``limits[value]`` (a range of the shuffle), and those at ``places``. Values
    without a limit have no budget."""

    limits: Mapping[str, int]
    places: frozenset[str] = frozenset()

    def mask(self, rows: pa.Table, by: str) -> Mask:
        """Which rows of OCCURRENCES are within the budget of their ``by``."""
        values: Any = rows[by].combine_chunks().dictionary_encode()
        limits = np.array([self.limits.get(value, 0) for value in values.dictionary.to_pylist()] or [0], np.int64)
        before: Mask = rows["bucket"].to_numpy() < limits[values.indices.to_numpy()]
        if not self.places:
            return before
        listed = pc.is_in(rows["place"], value_set=pa.array(sorted(self.places), pa.string()))
        within: Mask = before | np.asarray(listed.to_numpy())
        return within


@dataclass(frozen=True)
class Decision:
    """``lasts``: of documents that are used with some chance the last (rank, id) that is, by source and chance in thousandths; of
    a pair without any none is. ``caps`` are by source, ``budgets`` by cell; None where there are none."""

    lasts: Mapping[tuple[str, int], tuple[str, str]] = field(default_factory=dict)
    caps: Within | None = None
    budgets: Within | None = None
    pools: tuple[int, ...] = ()
    """Pool of each range of the shuffle."""

    def chosen(self, rows: pa.Table) -> Mask:
        """Which rows of OCCURRENCES are used, by what is decided so far."""
        mask = self._drawn(rows)
        for within, by in ((self.caps, "source"), (self.budgets, "cell")):
            if within is not None:
                mask &= within.mask(rows, by)
        return mask

    def pooled(self, name: str, rows: pa.Table) -> pa.Table:
        """POOLED of the rows that are used, of the set ``name``."""
        used = rows.filter(pa.array(self.chosen(rows)))
        names = self._names(name)
        parts = names.take(used["bucket"])
        return pa.table([*(used[n] for n in PLAN.names), parts], names=POOLED.names)

    def _names(self, name: str) -> pa.Array[Any]:
        return pa.array([f"{name}-{pool:05d}" for pool in self.pools], pa.string())

    def _drawn(self, rows: pa.Table) -> Mask:
        """All rows but those of a chance that has not come."""
        chance = rows["chance"].to_numpy()
        mask: Mask = np.asarray(chance == 0)
        at = np.flatnonzero(chance)
        if len(at):
            some = rows.select(["source", "chance", "rank", "id"]).take(at)
            keys = zip(*(some[name].to_pylist() for name in some.column_names), strict=True)
            mask[at] = [(rank, id_) <= self.lasts.get((source, n), _NONE) for source, n, rank, id_ in keys]
        return mask

    def to_bytes(self) -> bytes:
        """JSON with sorted keys."""
        lasts = [[*key, *last] for key, last in sorted(self.lasts.items())]
        withins = {name: _json(within) for name, within in (("caps", self.caps), ("budgets", self.budgets))}
        return json.dumps({"lasts": lasts, **withins, "pools": self.pools}, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Decision:
        raw = json.loads(data)
        lasts = {(source, chance): (rank, id_) for source, chance, rank, id_ in raw["lasts"]}
        return cls(lasts, _within(raw["caps"]), _within(raw["budgets"]), tuple(raw["pools"]))


@dataclass(frozen=True)
class Boundary:
    """The ranges of the shuffle in which budgets end, from ``starts`` to ``stops`` by value."""

    starts: Mapping[str, int]
    stops: Mapping[str, int]

    def mask(self, rows: pa.Table, by: str) -> Mask:
        bucket = rows["bucket"].to_numpy()
        after = ~Within(self.starts).mask(rows, by)
        return after & Within(self.stops).mask(rows, by) & (bucket < BUCKETS)


def _json(within: Within | None) -> Any:
    return None if within is None else {"limits": dict(within.limits), "places": sorted(within.places)}


def _within(raw: Any) -> Within | None:
    return None if raw is None else Within(raw["limits"], frozenset(raw["places"]))
