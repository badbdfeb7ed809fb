"""What the browse page shows of all inputs: a page of rows, counts by value, histograms with the policy's thresholds.

Answers come from one DuckDB table that is made when the page opens; only what is shown leaves it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any

from dataengine.browse.explain import explain_input
from dataengine.browse.inputs import inputs, score_columns
from dataengine.browse.names import ledger_of
from dataengine.browse.page.filters import NUMBERS, Filters
from dataengine.browse.session import Session
from dataengine.browse.view_engine import literal, quoted
from dataengine.browse.what_if import compare, moved
from dataengine.policy import nodes
from dataengine.policy.annotated import known_columns
from dataengine.policy.load import load
from dataengine.policy.trial import UNSTATED, tried

FACETS = ("outcome", "rule", "failure", "duplicate_kind", "source", "kind", "split", "license", "format", "cluster")
_CARD = ("input_id", "id", "source", "uri", "outcome", "rule", "failure", "message", "duplicate_kind", "group_id")
_FACTS = ("group_size", "kind", "width", "height", "duration", "caption")
#: Rows of a page, values of a facet, bars of a histogram.
PAGE, _VALUES, _BARS = 200, 40, 40
_LISTABLE = 2_000
"""Different values of a column that is offered as a facet, at most."""
_PLACES = {"position", "match_caption", "orientation", "distance"}
"""Numbers of which no histogram tells anything."""


@dataclass(frozen=True)
class Threshold:
    """A rule of the policy keeps values on one side of ``value``."""

    rule: str
    operator: str
    value: float


class InputsTable:
    """The inputs of a session. Methods may be called from several threads at once."""

    def __init__(self, session: Session) -> None:
        self._session, self._lock = session, Lock()
        self._name = inputs(session)
        described = session.engine.rows(f"DESCRIBE {self._name}").to_pylist()
        self.columns: dict[str, str] = {row["column_name"]: row["column_type"] for row in described}
        self._ledger = ledger_of(session)
        numbers = [name for name, kind in self.columns.items() if kind in NUMBERS and name not in _PLACES]
        facets = [name for name in FACETS if name in self.columns]
        counts = ", ".join(f"approx_count_distinct({quoted(name)}) AS {quoted(name)}" for name in (*numbers, *facets))
        [kinds] = session.engine.rows(f"SELECT {counts} FROM {self._name}").to_pylist()
        self.numbers = [name for name in numbers if kinds[name] > 1]
        self.facets = [name for name in facets if kinds[name] <= _LISTABLE]
        self.total = self._rows(f"SELECT count(*) AS n FROM {self._name}", {})[0]["n"]
        self.thresholds = _thresholds(session)

    def _rows(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._session.engine.rows_of_thread(sql, parameters).to_pylist()
        return rows

    def page(self, filters: Filters, sort: str, descending: bool, offset: int, limit: int) -> dict[str, Any]:
        """Rows ``offset`` to ``offset + limit`` (at most PAGE) in the order of a column, and how many there are. Raises
        ValueError."""
        if sort and sort not in self.columns:
            raise ValueError(f"there is no column {sort}")
        condition, parameters = filters.where(self.columns)
        names = [name for name in (*_CARD, *_FACTS) if name in self.columns]
        if sort and sort not in names:
            names.append(sort)
        direction = "DESC" if descending else "ASC"
        order = f"{quoted(sort)} {direction} NULLS LAST, rowid" if sort else "rowid"
        count = self._rows(f"SELECT count(*) AS n FROM {self._name} WHERE {condition}", parameters)[0]["n"]
        chosen = f"SELECT rowid FROM {self._name} WHERE {condition} ORDER BY {order}"
        span = f"LIMIT {min(limit, PAGE)} OFFSET {offset}"
        columns = ", ".join(map(quoted, names))
        rows = self._rows(
            f"SELECT {columns} FROM {self._name} WHERE rowid IN ({chosen} {span}) ORDER BY {order}", parameters
        )
        return {"count": count, "rows": [_plain(row) for row in rows]}

    def counts(self, filters: Filters) -> dict[str, list[list[Any]]]:
        """Of each facet its commonest values with their counts under all other conditions; a chosen value that nothing has is
        listed, too."""
        free = [name for name in self.facets if name not in filters.values]
        counted = self._counted(free, *filters.where(self.columns))
        for name in filters.values:
            if name in self.facets:
                counted |= self._counted([name], *filters.where(self.columns, without=name))
        facets = {}
        for name in self.facets:
            rows = sorted(counted[name], key=lambda row: (row[0] is None, -row[1], row[0]))[:_VALUES]
            rows += [[v, 0] for v in filters.values.get(name, ()) if v not in {row[0] for row in rows}]
            facets[name] = rows
        return facets

    def _counted(
        self, names: Sequence[str], condition: str, parameters: Mapping[str, Any]
    ) -> dict[str, list[list[Any]]]:
        """Counts by value of several columns, in one scan."""
        if not names:
            return {}
        columns = ", ".join(map(quoted, names))
        sets = ", ".join(f"({quoted(name)})" for name in names)
        rows = self._rows(
            f"SELECT {columns}, grouping_id({columns}) AS g, count(*) AS n FROM {self._name} WHERE {condition} "
            f"GROUP BY GROUPING SETS ({sets})",
            parameters,
        )
        counts: dict[str, list[list[Any]]] = {name: [] for name in names}
        for row in rows:
            name = next(n for place, n in enumerate(names) if not row["g"] >> (len(names) - 1 - place) & 1)
            counts[name].append([row[name], row["n"]])
        return counts

    def histogram(self, name: str, filters: Filters) -> dict[str, Any]:
        """Counts of a column's values in bars of equal width, of their logarithm where the values span orders of magnitude, those
        of kept inputs apart. Raises ValueError."""
        if name not in self.numbers:
            raise ValueError(f"{name} is no column of numbers")
        condition, parameters = filters.where(self.columns, without=name)
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
            return _plain(row)
        raise KeyError(input_id)

    def life(self, input_id: str) -> list[tuple[str, str]]:
        """All that is known of an input, line by line: where it came from, what became of it and why. Raises KeyError."""
        with self._lock, self._session.engine.passing():
            return explain_input(self._session, self._ledger, input_id)

    def attempt(self, condition: str, most: int = PAGE) -> dict[str, Any]:
        """What a rule with ``condition`` would change, as ``dataengine filter --try`` counts it, with rows of at most so many
        samples that change sides. Raises UsageError."""
        with self._lock, self._session.engine.passing():
            run = self._session.needed("dedup", "score")
            known = known_columns(run.recipe)
            policy = load(run.recipe.filter.policy, known)
            after, changes = tried(policy, [condition], [], known, "drop", UNSTATED)
            trial = compare(self._session, policy, after)
            columns = [c for change in changes for rule in (change.after, change.before) if rule for c in rule.columns]
            samples = moved(self._session, policy, after, columns, most)
        rows = self.samples([sample.id for sample in samples])
        sides = [{"before": s.before, "after": s.after, "values": _plain(s.values)} for s in samples]
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
        return {row["id"]: _plain(row) for row in self._rows(sql, {"ids": list(ids)})}

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
        return [_plain(row) for row in rows]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers that JSON has no form for become null."""
    return {n: None if isinstance(v, float) and not math.isfinite(v) else v for n, v in row.items() if v is not None}


def _thresholds(session: Session) -> dict[str, list[Threshold]]:
    """By column, the constants that the policy's rules compare it with."""
    if session.run is None:
        return {}
    limits: dict[str, list[Threshold]] = {}
    columns = score_columns(session.run)
    for rule in load(session.run.recipe.filter.policy, known_columns(session.run.recipe)).rules:
        for test in nodes.tests(rule.keep):
            for name, operator, value in _constants(test):
                limits.setdefault(columns.get(name, name), []).append(Threshold(rule.name, operator, value))
    return limits


def _constants(test: nodes.Test) -> Sequence[tuple[str, str, float]]:
    if isinstance(test, nodes.Compare) and isinstance(test.left, nodes.Column) and isinstance(test.right, nodes.Number):
        return [(test.left.name, test.op, test.right.value)]
    if isinstance(test, nodes.Between):
        return [(test.column.name, ">=", test.low.value), (test.column.name, "<=", test.high.value)]
    return []
