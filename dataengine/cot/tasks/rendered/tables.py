"""Rendered tables: single values, sums, differences and rankings, the table's source, and rows that are not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import canvas
from dataengine.cot.tasks.rendered import wording_tables as w
from dataengine.cot.tasks.rendered.base import Maker, Scene, Sentence
from dataengine.cot.tasks.rendered.fonts import Face
from dataengine.cot.tasks.rendered.words import DAYS, GOODS, MONTHS, NAMES, TOWNS, joined, some
from dataengine.media.image.pixels import Pixels

_FACES: tuple[Face, ...] = ("sans", "serif", "mono")
_SUBJECTS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("Town", TOWNS, MONTHS),
    ("Name", NAMES, tuple(day[:3] for day in DAYS)),
    ("Item", GOODS, ("2021", "2022", "2023", "2024", "2025")),
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


def drawn_table(draw: Draw) -> Table:
    corner, names, heads = draw.choice(_SUBJECTS)
    rows = some(draw, names, 4 + draw.below(3))
    first = draw.below(len(heads) - 2)
    columns = heads[first : first + 3 + draw.below(2)]
    values = draw.shuffled(range(11, 99))
    lines = [tuple(values[n * len(columns) : (n + 1) * len(columns)]) for n in range(len(rows))]
    return Table(corner, tuple(rows), tuple(columns), tuple(lines), draw.choice(_FACES), canvas.theme(draw))


def _scene(table: Table, kind: str, answer: str, slots: dict[str, str], steps: list[Sentence], type_: str) -> Scene:
    return Scene(
        kind, answer, type_, table.paint, slots, tuple(steps), w.FINALS[kind], w.PLAIN[kind],  # type: ignore[arg-type]
        json.dumps(table.cells(), ensure_ascii=False),
    )  # fmt: skip


def _cell(table: Table, row: str, column: str) -> Sentence:
    value = table.value(row, column)
    return (
        f"In the row of {row}, under {column}, I read {value}.",
        f"{row} has {value} under {column}.",
        f"Where the row {row} meets the column {column}, it says {value}.",
    )


def _value(draw: Draw) -> Scene:
    table = drawn_table(draw)
    row, column = draw.choice(table.rows), draw.choice(table.columns)
    slots = {"row": row, "column": column}
    return _scene(table, "value", str(table.value(row, column)), slots, [_cell(table, row, column)], "number")


def _sum_of(table: Table, draw: Draw) -> Scene:
    """All values of a row, or of a column."""
    if draw.below(2):
        name = draw.choice(table.rows)
        values, what, kind = table.row(name), f"the row of {name}", "row_sum"
    else:
        name = draw.choice(table.columns)
        values, what, kind = table.column(name), f"the column {name}", "column_sum"
    partial_sums = list(accumulate(values))
    chain = ", ".join(f"{a} + {b} = {c}" for a, b, c in zip(partial_sums, values[1:], partial_sums[1:], strict=False))
    listed = joined(list(map(str, values)))
    steps: list[Sentence] = [
        (f"In {what} I read {listed}.", f"The values in {what} are {listed}."),
        (f"Added up step by step: {chain}.", f"Adding them one after another: {chain}."),
    ]
    return _scene(table, kind, str(partial_sums[-1]), {"name": name}, steps, "number")


def _difference(table: Table, draw: Draw) -> Scene:
    column = draw.choice(table.columns)
    more, less = sorted(some(draw, table.rows, 2), key=lambda row: -table.value(row, column))
    a, b = table.value(more, column), table.value(less, column)
    steps = [_cell(table, more, column), _cell(table, less, column), (f"{a} - {b} = {a - b}.",)]
    return _scene(table, "difference", str(a - b), {"more": more, "less": less, "column": column}, steps, "number")


def _ranked(table: Table, draw: Draw) -> Scene:
    """The row that comes at some place in a column."""
    column, place = draw.choice(table.columns), draw.below(3)
    order = sorted(table.rows, key=lambda row: -table.value(row, column))
    listed = ", ".join(f"{row} {table.value(row, column)}" for row in table.rows)
    sorted_ = ", ".join(f"{row} ({table.value(row, column)})" for row in order[: place + 1])
    steps: list[Sentence] = [
        (f"Under {column} I read: {listed}.", f"The column {column} says: {listed}."),
        (f"From the highest down, that is {sorted_}.", f"Sorted from the top: {sorted_}."),
    ]
    nth = ("highest", "second highest", "third highest")[place]
    return _scene(table, "rank", order[place], {"nth": nth, "column": column}, steps, "word")


def _change(table: Table, draw: Draw) -> Scene:
    """The row whose value grows most from one column to the next."""
    before, after = draw.choice(list(pairwise(table.columns)))
    grown = sorted(((table.value(row, after) - table.value(row, before), row) for row in table.rows), reverse=True)
    if grown[0][0] <= 0 or grown[0][0] == grown[1][0]:
        return _change(drawn_table(draw), draw)
    listed = ", ".join(f"{row} {change:+d}" for change, row in sorted(grown, key=lambda g: table.rows.index(g[1])))
    steps: list[Sentence] = [
        (f"For each row I take {after} minus {before}: {listed}.", f"Changes from {before} to {after}: {listed}."),
        (f"The largest increase is {grown[0][0]}, for {grown[0][1]}.",),
    ]
    return _scene(table, "change", grown[0][1], {"before": before, "after": after}, steps, "word")


def _computed(draw: Draw) -> Scene:
    makers: tuple[Callable[[Table, Draw], Scene], ...] = (_sum_of, _difference, _ranked, _change)
    return draw.choice(makers)(drawn_table(draw), draw)


def _trap(draw: Draw) -> Scene:
    """A row or column that is not there, or a value that is claimed wrongly; one in four is there."""
    table, kind = drawn_table(draw), draw.choice(("present", "no_row", "no_column", "claim"))
    row, column = draw.choice(table.rows), draw.choice(table.columns)
    rows, columns = joined(table.rows), joined(table.columns)
    if kind == "present":
        return _scene(
            table,
            kind,
            str(table.value(row, column)),
            {"row": row, "column": column},
            [_cell(table, row, column)],
            "number",
        )
    if kind == "claim":
        value, wrong = table.value(row, column), table.value(row, column) + draw.choice((-9, -7, -4, 5, 6, 8))
        steps = [_cell(table, row, column), (f"The question speaks of {wrong}, which is not what stands there.",)]
        return _scene(table, kind, str(value), {"row": row, "column": column, "wrong": str(wrong)}, steps, "number")
    if kind == "no_row":
        names = next(names for corner, names, heads in _SUBJECTS if set(table.rows) <= set(names))
        row = draw.choice([name for name in names if name not in table.rows])
        steps = [(f"The rows are {rows}.",), (f"There is none for {row}.", f"{row} is not among them.")]
        return _scene(table, kind, f"no {row}", {"row": row, "column": column}, steps, "word")
    heads = next(heads for corner, names, heads in _SUBJECTS if set(table.columns) <= set(heads))
    missing = [head for head in heads if head not in table.columns]
    if not missing:
        return _trap(draw)
    column = draw.choice(missing)
    steps = [(f"The columns are {columns}.",), (f"None of them is {column}.", f"{column} is not among them.")]
    return _scene(table, kind, f"no {column}", {"row": row, "column": column}, steps, "word")


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
    return _scene(table, kind, _SOURCES[kind](table.cells()), {}, [("The whole table.",)] * 2, "ocr")


VALUE = Maker("charts and tables", _value, w.VALUE)
COMPUTED = Maker("charts and tables", _computed, w.COMPUTED)
SOURCE = Maker("charts and tables", _source, w.SOURCE)
TRAP = Maker("charts and tables", _trap, w.TRAP)
MIXED = Maker("charts and tables", lambda draw: draw.choice((_value, _computed))(draw), {**w.VALUE, **w.COMPUTED})
