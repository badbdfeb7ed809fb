"""Says which columns sources fill, and how many of their values fit no type. From the manifest alone."""

from __future__ import annotations

from dataengine.release.card_text import table
from dataengine.release.manifest import Manifest
from dataengine.shards.json_types import known

HEAD = ("column", "type", "source", "field", "values", "misfits")


def source_columns(m: Manifest) -> str:
    """Section of the card; "" where the recipe declares none."""
    lines = rows(m)
    if not lines:
        return ""
    text = (
        "Columns below come from the sources' own metadata; the filter policy may decide over them. A value that does not fit "
        "its column's type is a misfit: it is left out, its sample is not."
    )
    return f"## Columns from sources\n\n{text}\n\n{table(HEAD, lines)}"


def rows(m: Manifest) -> list[tuple[str, str, str, str, int, int]]:
    """A row a source and column."""
    columns = known(m.source_columns, [])
    return [(c.column, c.type, c.source, c.field, c.values, c.misfits) for c in columns]


def steps(m: Manifest) -> list[str]:
    """What was read, a sentence a column, for Croissant."""
    return [
        f"Column {c.column} ({c.type}) was read from field {c.field} of source {c.source}: {c.values:,} values, "
        f"{c.misfits:,} misfits."
        for c in known(m.source_columns, [])
    ]
