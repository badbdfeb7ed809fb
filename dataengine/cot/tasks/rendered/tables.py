"""Rendered tables of whole numbers, and their source; what is asked about their entries is in ``table_questions``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import canvas
from dataengine.cot.tasks.rendered import wording_tables as w
from dataengine.cot.tasks.rendered.base import Maker, Scene
from dataengine.cot.tasks.rendered.fonts import Face
from dataengine.cot.tasks.rendered.words import DAYS, GOODS, MONTHS, NAMES, TOWNS, some
from dataengine.media.image.pixels import Pixels

_FACES: tuple[Face, ...] = ("sans", "serif", "mono")
SUBJECTS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("Town", TOWNS, MONTHS),
    ("Name", NAMES, tuple(day[:3] for day in DAYS)),
    ("Item", tuple(good.capitalize() for good in GOODS), ("2021", "2022", "2023", "2024", "2025")),
    ("Town", TOWNS, ("North", "South", "East", "West")),
    ("Name", NAMES, ("Round 1", "Round 2", "Round 3", "Round 4")),
)


@dataclass(frozen=True)
class Table:
    """Whole numbers by row and column; all values of a row and of a column differ."""

    corner: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[int, ...], ...]
    face: Face
    theme: canvas.Theme

    def cells(self) -> list[list[str]]:
        return [
            [self.corner, *self.columns],
            *([name, *map(str, line)] for name, line in zip(self.rows, self.values, strict=True)),
        ]

    def value(self, row: str, column: str) -> int:
        return self.values[self.rows.index(row)][self.columns.index(column)]

    def row(self, name: str) -> tuple[int, ...]:
        return self.values[self.rows.index(name)]

    def column(self, name: str) -> tuple[int, ...]:
        return tuple(line[self.columns.index(name)] for line in self.values)

    def paint(self) -> Pixels:
        return canvas.pixels_of(canvas.table(self.cells(), 19, self.theme, self.face))


def drawn_table(draw: Draw, rows: tuple[int, int] = (4, 6), columns: tuple[int, int] = (3, 4)) -> Table:
    """``rows`` and ``columns``: the least and the largest number of each."""
    corner, names, heads = draw.choice(SUBJECTS)
    down = some(draw, names, rows[0] + draw.below(rows[1] - rows[0] + 1))
    width = min(columns[0] + draw.below(columns[1] - columns[0] + 1), len(heads))
    first = draw.below(len(heads) - width + 1)
    values = draw.shuffled(range(11, 99))
    lines = [tuple(values[n * width : (n + 1) * width]) for n in range(len(down))]
    across = heads[first : first + width]
    return Table(corner, tuple(down), tuple(across), tuple(lines), draw.choice(_FACES), canvas.theme(draw))


def _markdown(cells: list[list[str]]) -> str:
    head, *rows = cells
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _html(cells: list[list[str]]) -> str:
    rows = [
        "".join(f"<{tag}>{cell}</{tag}>" for cell in row)
        for tag, row in zip(["th", *["td"] * len(cells)], cells, strict=False)
    ]
    return "\n".join(["<table>", *(f"<tr>{row}</tr>" for row in rows), "</table>"])


def _json(cells: list[list[str]]) -> str:
    head, *rows = cells
    records = [{head[0]: row[0], **{k: int(v) for k, v in zip(head[1:], row[1:], strict=True)}} for row in rows]
    return json.dumps(records)


_SOURCES: dict[str, Callable[[list[list[str]]], str]] = {
    "markdown": _markdown,
    "csv": lambda cells: "\n".join(",".join(row) for row in cells),
    "html": _html,
    "json": _json,
}


def _source(draw: Draw) -> Scene:
    table, kind = drawn_table(draw), draw.choice(sorted(_SOURCES))
    cells = table.cells()
    answer, shown = _SOURCES[kind](cells), json.dumps(cells, ensure_ascii=False)
    return Scene(kind, answer, "ocr", table.paint, {}, (("The whole table.",),) * 2, shown=shown)


SOURCE = Maker("charts and tables", _source, w.SOURCE)
