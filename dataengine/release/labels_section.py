"""Counts of the values of string columns before and after filtering, for card and report. From the manifest alone."""

from __future__ import annotations

from dataengine.release.card_text import table
from dataengine.release.manifest import Manifest
from dataengine.shards.json_types import known

HEAD = ("column", "value", "samples", "kept")
_LONGEST = 80


def labels(m: Manifest) -> str:
    """Section of the card; "" where no column is a string."""
    lines = rows(m)
    if not known(m.labels, {}):
        return ""
    text = (
        "How often each value of a column occurs among the samples that the filter policy saw, and among those that it kept; at "
        "most the twenty commonest. A sample without a value is not counted."
    )
    listed = table(HEAD, lines) if lines else ""
    return "\n\n".join(filter(None, ["## Labels before and after filtering", text, listed, texts(m)]))


def rows(m: Manifest) -> list[tuple[str, str, int, int]]:
    """A row a column and value, the commonest first; one row for a column of which values are not listed."""
    lines = []
    for name, label in known(m.labels, {}).items():
        listed = sorted(label.before.items(), key=lambda pair: (-pair[1], pair[0]))
        lines += [(name, _cut(value), n, label.after.get(value, 0)) for value, n in listed]
    return lines


def texts(m: Manifest) -> str:
    """A sentence on columns with too many values to list; "" where there is none."""
    free = [f"{name} ({label.distinct:,})" for name, label in known(m.labels, {}).items() if not label.before]
    return f"Columns with more values than are counted: {', '.join(free)}." if free else ""


def _cut(value: str) -> str:
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"
