"""What the browse page shows of all inputs: a page of rows, counts by value, histograms with the policy's thresholds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dataengine.browse.explain import explain_input
from dataengine.browse.inputs import inputs, score_columns
from dataengine.browse.names import ledger_of
from dataengine.browse.page.faceted_table import PAGE, FacetedTable, plain
from dataengine.browse.page.filters import NUMBERS, Filters
from dataengine.browse.session import Session
from dataengine.browse.view_engine import literal, quoted
from dataengine.browse.what_if import compare, moved
from dataengine.policy.annotated import known_columns
from dataengine.policy.load import load
from dataengine.policy.trial import UNSTATED, tried
from dataengine.release.thresholds import compared

FACETS = ("outcome", "rule", "failure", "duplicate_kind", "source", "kind", "split", "license", "format", "cluster")
_CARD = ("input_id", "id", "source", "uri", "outcome", "rule", "failure", "message", "duplicate_kind", "group_id")
_FACTS = ("group_size", "kind", "width", "height", "duration", "caption")
#: Bars of a histogram.
_BARS = 40
_PLACES = {"position", "match_caption", "orientation", "distance"}
"""Numbers of which no histogram tells anything."""


@dataclass(frozen=True)
class Threshold:
    """A rule of the policy keeps values on one side of ``value``."""

    rule: str
    operator: str
    value: float


class InputsTable(FacetedTable):
    """The inputs of a session. Methods may be called from several threads at once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        super().__init__(session.engine, inputs(session), FACETS)
        self._ledger = ledger_of(session)
        numbers = [name for name, kind in self.columns.items() if kind in NUMBERS and name not in _PLACES]
        different = self.distinct(numbers)
        self.numbers = [name for name in numbers if different[name] > 1]
        self.thresholds = _thresholds(session)

    def page(self, filters: Filters, sort: str, descending: bool, offset: int, limit: int) -> dict[str, Any]:
        """Rows ``offset`` to ``offset + limit`` (at most PAGE) in the order of a column, and how many there are. Raises
        ValueError."""
        names = [name for name in (*_CARD, *_FACTS) if name in self.columns]
        if sort and sort not in names:
            names.append(sort)
        return self.page_of(names, filters, sort, descending, offset, limit)

    def histogram(self, name: str, filters: Filters) -> dict[str, Any]:
        """Counts of a column's values in bars of equal width, of their logarithm where the values span orders of magnitude, those
        of kept inputs apart. Raises ValueError."""
        if name not in self.numbers:
            raise ValueError(f"{name} is no column of numbers")
        condition, parameters = self.where(filters, without=name)
        value, rows = f"CAST({quoted(name)} AS DOUBLE)", f"FROM {self._name} WHERE {condition}"
        [span] = self._rows(
            f"SELECT min(x) AS low, max(x) AS high, median(x) AS middle, count(x) AS n FROM (SELECT {value} AS x {rows}) "
            "WHERE isfinite(x)",
            parameters,
        )
        low, high = span["low"], span["high"]
        if low is None:
            return {"name": name, "count": 0, "log": False, "edges": [], "all": [], "kept": []}
        log = low > 0 and high > 100 * low and high > 10 * span["middle"]
        scale = "ln(x)" if log else "x"
        start, end = (math.log(low), math.log(high)) if log else (low, high)
        bars = _BARS
        if self.columns[name] not in ("FLOAT", "DOUBLE") and not log and high - low < _BARS:
            start, end, bars = low - 0.5, high + 0.5, int(high - low) + 1
        width = end / bars - start / bars or 1.0
        end = end if end > start else start + bars * width
        kept = "\"outcome\" = 'kept'" if "outcome" in self.columns else "TRUE"
        counted = self._rows(
            f"SELECT CAST(greatest(0, least(floor(({scale} - $start) / $width), {bars - 1})) AS INTEGER) AS bar, count(*) AS n, "
            f"count(*) FILTER (k) AS kept FROM (SELECT {value} AS x, {kept} AS k {rows}) WHERE isfinite(x) GROUP BY bar",
            parameters | {"start": start, "width": width},
        )
        by = {row["bar"]: row for row in counted}
        edges = [start * (1 - n / bars) + end * (n / bars) for n in range(bars + 1)]
        return {
            "name": name,
            "count": span["n"],
            "log": log,
            "edges": [math.exp(edge) for edge in edges] if log else edges,
            "all": [by[n]["n"] if n in by else 0 for n in range(bars)],
            "kept": [by[n]["kept"] if n in by else 0 for n in range(bars)],
        }

    def one(self, input_id: str) -> dict[str, Any]:
        """The row of an input. Raises KeyError."""
        names = ", ".join(quoted(name) for name in (*_CARD, *_FACTS) if name in self.columns)
        for row in self._rows(f'SELECT {names} FROM {self._name} WHERE "input_id" = $id', {"id": input_id}):
            return plain(row)
        raise KeyError(input_id)

    def life(self, input_id: str) -> list[tuple[str, str]]:
        """All that is known of an input, line by line: where it came from, what became of it and why. Raises KeyError."""
        with self._session.lock, self._engine.passing():
            return explain_input(self._session, self._ledger, input_id)

    def attempt(self, condition: str, most: int = PAGE) -> dict[str, Any]:
        """What a rule with ``condition`` would change, as ``dataengine filter --try`` counts it, with rows of at most so many
        samples that change sides. Raises UsageError."""
        with self._session.lock, self._engine.passing():
            run = self._session.needed("dedup", "score")
            known = known_columns(run.recipe)
            policy = load(run.recipe.filter.policy, known)
            after, changes = tried(policy, [condition], [], known, "drop", UNSTATED)
            trial = compare(self._session, policy, after)
            columns = [c for change in changes for rule in (change.after, change.before) if rule for c in rule.columns]
            samples = moved(self._session, policy, after, columns, most)
        rows = self.samples([sample.id for sample in samples])
        sides = [{"before": s.before, "after": s.after, "values": plain(s.values)} for s in samples]
        return {
            "samples": trial.samples,
            "kept": [trial.kept_before, trial.kept_after],
            "steps": [asdict(step) for step in trial.steps],
            "changes": [change.text() for change in changes],
            "rows": [rows[s.id] | side for s, side in zip(samples, sides, strict=True) if s.id in rows],
        }

    def samples(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Of each sample the row of an input that is no duplicate of another."""
        names = ", ".join(quoted(name) for name in (*_CARD, *_FACTS) if name in self.columns)
        sql = f"""SELECT {names} FROM {self._name} WHERE list_contains($ids, "id") AND "outcome" <> 'duplicate'"""
        return {row["id"]: plain(row) for row in self._rows(sql, {"ids": list(ids)})}

    def group(self, group_id: str) -> list[dict[str, Any]]:
        """The inputs of one duplicate group, its representative first, then by distance."""
        if "group_id" not in self.columns:
            return []
        names = ", ".join(quoted(n) for n in (*_CARD, "distance", "kind", "width", "height", "caption"))
        rows = self._rows(
            f'SELECT {names} FROM {self._name} WHERE "group_id" = $id '
            f'ORDER BY "outcome" = {literal("duplicate")}, "distance" NULLS FIRST, rowid LIMIT {PAGE}',
            {"id": group_id},
        )
        return [plain(row) for row in rows]


def _thresholds(session: Session) -> dict[str, list[Threshold]]:
    """By column, the constants that the policy's rules compare it with."""
    if session.run is None:
        return {}
    limits: dict[str, list[Threshold]] = {}
    columns = score_columns(session.run)
    for rule in load(session.run.recipe.filter.policy, known_columns(session.run.recipe)).rules:
        for name, operator, value in compared(rule.keep):
            limits.setdefault(columns.get(name, name), []).append(Threshold(rule.name, operator, value))
    return limits
