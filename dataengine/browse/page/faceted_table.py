"""A table of the browse page: its rows page by page under conditions, and their counts by the values of its facets.

Answers come from a DuckDB table; only what is shown leaves it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from dataengine.browse.page.filters import SEARCHED, Filters
from dataengine.browse.view_engine import ViewEngine, quoted

#: Rows of a page, values of a facet.
PAGE, _VALUES = 200, 40
_LISTABLE = 2_000
"""Different values of a column that is offered as a facet, at most."""


class FacetedTable:
    """The table ``name``, which is no temporary one. Methods may be called from several threads at once, beside other queries."""

    def __init__(
        self, engine: ViewEngine, name: str, facets: Sequence[str], searched: Sequence[str] = SEARCHED
    ) -> None:
        self._engine, self._name, self._searched = engine, name, searched
        self.columns: dict[str, str] = {
            row["column_name"]: row["column_type"] for row in self._rows(f"DESCRIBE {name}", {})
        }
        offered = [facet for facet in facets if facet in self.columns]
        different = self.distinct(offered)
        self.facets = [facet for facet in offered if different[facet] <= _LISTABLE]
        self.total: int = self._rows(f"SELECT count(*) AS n FROM {name}", {})[0]["n"]

    def _rows(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._engine.rows_of_thread(sql, parameters).to_pylist()
        return rows

    def distinct(self, names: Sequence[str]) -> dict[str, int]:
        """About how many different values some columns have."""
        if not names:
            return {}
        counts = ", ".join(f"approx_count_distinct({quoted(name)}) AS {quoted(name)}" for name in names)
        return self._rows(f"SELECT {counts} FROM {self._name}", {})[0]

    def where(self, filters: Filters, without: str = "") -> tuple[str, dict[str, Any]]:
        """As ``Filters.where``, over the columns of this table."""
        return filters.where(self.columns, without, self._searched)

    def page_of(
        self, names: Sequence[str], filters: Filters, sort: str, descending: bool, offset: int, limit: int
    ) -> dict[str, Any]:
        """Columns of the rows ``offset`` to ``offset + limit`` (at most PAGE) in the order of one, and how many there are. Raises
        ValueError."""
        if sort and sort not in self.columns:
            raise ValueError(f"there is no column {sort}")
        condition, parameters = self.where(filters)
        direction = "DESC" if descending else "ASC"
        order = f"{quoted(sort)} {direction} NULLS LAST, rowid" if sort else "rowid"
        count = self._rows(f"SELECT count(*) AS n FROM {self._name} WHERE {condition}", parameters)[0]["n"]
        chosen = f"SELECT rowid FROM {self._name} WHERE {condition} ORDER BY {order}"
        span = f"LIMIT {min(limit, PAGE)} OFFSET {offset}"
        columns = ", ".join(map(quoted, names))
        rows = self._rows(
            f"SELECT {columns} FROM {self._name} WHERE rowid IN ({chosen} {span}) ORDER BY {order}", parameters
        )
        return {"count": count, "rows": [plain(row) for row in rows]}

    def counts(self, filters: Filters) -> dict[str, list[list[Any]]]:
        """Of each facet its commonest values with their counts under all other conditions; a chosen value that nothing has is
        listed, too."""
        free = [name for name in self.facets if name not in filters.values]
        counted = self._counted(free, *self.where(filters))
        for name in filters.values:
            if name in self.facets:
                counted |= self._counted([name], *self.where(filters, without=name))
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


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row for JSON: without nulls and numbers that JSON has no form for."""
    values = {n: None if isinstance(v, float) and not math.isfinite(v) else v for n, v in row.items()}
    return {n: v for n, v in values.items() if row[n] is not None}
