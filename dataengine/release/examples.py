"""Selects the examples that a release's report shows: kept samples, the farthest duplicates, and names for every other loss.

Selected by ids and distances alone, so that equal releases have equal reports. Thumbnails are of kept samples and their
duplicates; what a rule, an opt-out or a failure has kept out of a release is not shown in its report either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.ingest.hash_lists import TAKEN_DOWN

if TYPE_CHECKING:
    from dataengine.table_engine import Frame, TableEngine

#: Pairs shown of each kind of duplicate, and inputs of each rule and failure.
PAIRS, NAMES = 4, 3
COLUMNS = (
    "source",
    "uri",
    "id",
    "outcome",
    "representative",
    "kind",
    "distance",
    "rule",
    "value",
    "failure",
    "message",
)

Row = dict[str, Any]

_KEPT = "SELECT {} FROM l WHERE outcome = 'kept' ORDER BY id, source, uri LIMIT {:d}"
_FIRST = """
SELECT {} FROM (
  SELECT *, CAST(row_number() OVER (PARTITION BY outcome, rule, failure ORDER BY id, source, uri) AS BIGINT) AS place
  FROM l WHERE outcome IN ('filtered', 'failed')
) AS ranked WHERE place <= {:d}
"""
_FARTHEST = """
SELECT {} FROM (
  SELECT l.*, CAST(row_number() OVER (PARTITION BY l.kind ORDER BY l.distance DESC, l.id) AS BIGINT) AS place
  FROM l JOIN k ON l.representative = k.id WHERE l.outcome = 'duplicate' AND l.kind <> 'exact'
) AS ranked WHERE place <= {:d}
"""
_REPRESENTATIVES = "SELECT {} FROM l JOIN d ON l.id = d.representative WHERE l.outcome = 'kept'"


@dataclass(frozen=True)
class Examples:
    """Rows of the ledger. ``pairs``: by kind, a duplicate and its representative, which was kept."""

    kept: tuple[Row, ...] = ()
    pairs: dict[str, list[tuple[Row, Row]]] = field(default_factory=dict)
    filtered: dict[str, list[Row]] = field(default_factory=dict)
    failed: dict[str, list[Row]] = field(default_factory=dict)

    def first(self, count: int) -> Examples:
        """With no more kept samples than ``count``."""
        return replace(self, kept=self.kept[:count])

    @property
    def shown(self) -> list[str]:
        """Ids whose thumbnails are needed, each once, in order."""
        both = [row["id"] for pairs in self.pairs.values() for pair in pairs for row in pair]
        return sorted({*(row["id"] for row in self.kept), *both})


def few(engine: TableEngine, ledger: Frame, count: int) -> pa.Table:
    """Candidates for ``choose``, as contracts.LEDGER: the only rows that leave the engine."""
    names, of_ledger = (", ".join(f'{table}"{name}"' for name in COLUMNS) for table in ("", "l."))
    kept = engine.sql("SELECT id FROM l WHERE outcome = 'kept'", {"l": ledger})
    pairs = engine.kept(engine.sql(_FARTHEST.format(names, PAIRS), {"l": ledger, "k": kept}))
    representatives = engine.sql("SELECT DISTINCT representative FROM d", {"d": pairs})
    frames = [
        engine.sql(_KEPT.format(names, count), {"l": ledger}),
        engine.sql(_FIRST.format(names, NAMES), {"l": ledger}),
        pairs,
        engine.sql(_REPRESENTATIVES.format(of_ledger), {"l": ledger, "d": representatives}),
    ]
    rows = pa.concat_tables([engine.collect(frame) for frame in frames])
    return rows.group_by(list(COLUMNS)).aggregate([])


def choose(ledger: pa.Table, count: int) -> Examples:
    """``count`` kept samples by id (0: no thumbnails at all, and so no pairs), and examples of each loss."""
    by_id: Any = [("id", "ascending"), ("source", "ascending"), ("uri", "ascending")]
    rows = ledger.select(COLUMNS)
    kept = _of(rows, "kept").sort_by(by_id)
    filtered = _grouped(_of(rows, "filtered").sort_by(by_id), "rule")
    failed = _grouped(_of(rows, "failed").sort_by(by_id[1:]), "failure")
    failed.pop(TAKEN_DOWN, None)  # nobody is pointed to it
    if not count:
        return Examples(filtered=filtered, failed=failed)
    return Examples(tuple(kept.slice(0, count).to_pylist()), _pairs(rows, kept), filtered, failed)


def _of(rows: pa.Table, outcome: str) -> pa.Table:
    mask: Any = pc.equal(rows["outcome"], pa.scalar(outcome))
    return rows.filter(mask)


def _pairs(rows: pa.Table, kept: pa.Table) -> dict[str, list[tuple[Row, Row]]]:
    """The farthest of each kind; exact duplicates look the same and are left out."""
    duplicates = _of(rows, "duplicate")
    of_kept: Any = pc.is_in(duplicates["representative"], value_set=kept["id"].combine_chunks())
    not_exact: Any = pc.not_equal(duplicates["kind"], pa.scalar("exact"))
    duplicates = duplicates.filter(pc.and_(of_kept, not_exact))
    duplicates = duplicates.sort_by([("distance", "descending"), ("id", "ascending")])
    pairs: dict[str, list[tuple[Row, Row]]] = {}
    for kind, farthest in _grouped(duplicates, "kind", PAIRS).items():
        ids: Sequence[str] = [row["representative"] for row in farthest]
        first = {row["id"]: row for row in kept.filter(pc.is_in(kept["id"], pa.array(ids))).to_pylist()[::-1]}
        pairs[kind] = [(row, first[row["representative"]]) for row in farthest]
    return pairs


def _grouped(rows: pa.Table, column: str, most: int = NAMES) -> dict[str, list[Row]]:
    """The first rows of each value, by value; only those become Python objects."""
    values: Any = pc.unique(rows[column])
    groups: dict[str, list[Row]] = defaultdict(list)
    for value in sorted(v for v in values.to_pylist() if v is not None):
        mask: Any = pc.equal(rows[column], pa.scalar(value))
        groups[value] = rows.filter(mask).slice(0, most).to_pylist()
    return dict(groups)
