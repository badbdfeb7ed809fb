"""Conditions of the browse page, read from its requests and written as SQL with values apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dataengine.browse.view_engine import quoted
from dataengine.text.bounded_json import parse_json

#: Columns that the search box looks into, of inputs.
SEARCHED = ("caption", "uri", "input_id", "id", "message")
#: Types of columns of numbers.
NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "HUGEINT")
_MOST = 2_000
"""Values of one condition."""


@dataclass(frozen=True)
class Filters:
    """``values``: a column must have one of these (None: no value); ``ranges``: lie between two numbers, both included;
    ``words``: a column that is searched contains the text, whatever its case."""

    values: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    words: str = ""

    def where(
        self, columns: Mapping[str, str], without: str = "", searched: Sequence[str] = SEARCHED
    ) -> tuple[str, dict[str, Any]]:
        """A condition over ``columns`` (name and type) and its parameters, those on one column left out; words are looked for in
        ``searched``. Raises ValueError for a column that is not there, and for a range of what are no numbers."""
        terms, parameters = ["TRUE"], dict[str, Any]()
        for name, listed in self.values.items():
            if name not in columns:
                raise ValueError(f"there is no column {name}")
            if name == without:
                continue
            present = [value for value in listed if value is not None]
            key = f"v{len(parameters)}"
            parameters[key] = present
            absent = f" OR {quoted(name)} IS NULL" if None in listed else ""
            terms.append(f"(list_contains(${key}, CAST({quoted(name)} AS VARCHAR)){absent})")
        for name, (low, high) in self.ranges.items():
            if columns.get(name) not in NUMBERS:
                raise ValueError(f"there is no column of numbers {name}")
            if name == without:
                continue
            first, last = f"v{len(parameters)}", f"v{len(parameters) + 1}"
            parameters |= {first: low, last: high}
            terms.append(f"{quoted(name)} BETWEEN ${first} AND ${last}")
        if self.words:
            key = f"v{len(parameters)}"
            parameters[key] = self.words.lower()
            looked_into = [f"contains(lower({quoted(name)}), ${key})" for name in searched if name in columns]
            terms.append(f"({' OR '.join(looked_into)})")
        return " AND ".join(terms), parameters


def read_filters(text: str) -> Filters:
    """From ``{"values": {COLUMN: [VALUE, …]}, "ranges": {COLUMN: [LOW, HIGH]}, "words": TEXT}``. Raises ValueError."""
    data = parse_json(text.encode()) if text else {}
    if not isinstance(data, dict) or not data.keys() <= {"values", "ranges", "words"}:
        raise ValueError("conditions must be an object with values, ranges and words")
    values, ranges, words = data.get("values", {}), data.get("ranges", {}), data.get("words", "")
    if not isinstance(values, dict) or not isinstance(ranges, dict) or not isinstance(words, str):
        raise ValueError("values and ranges must be objects, words a text")
    return Filters({n: _values(n, v) for n, v in values.items()}, {n: _range(n, v) for n, v in ranges.items()}, words)


def _values(name: str, value: Any) -> tuple[str | None, ...]:
    if not isinstance(value, list) or len(value) > _MOST or not all(isinstance(v, str | None) for v in value):
        raise ValueError(f"values of {name} must be a list of texts")
    return tuple(value)


def _range(name: str, value: Any) -> tuple[float, float]:
    numbers = isinstance(value, list) and len(value) == 2 and all(type(v) in (int, float) for v in value)
    if not numbers or not all(math.isfinite(v) for v in value):
        raise ValueError(f"the range of {name} must be two numbers")
    return float(value[0]), float(value[1])
