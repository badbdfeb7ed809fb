"""Questions about the entries of rendered tables: values, sums, differences, rankings, and what is missing or claimed."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import accumulate, pairwise

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import effort
from dataengine.cot.tasks.rendered import wording_tables as w
from dataengine.cot.tasks.rendered.base import Maker, Scene
from dataengine.cot.tasks.rendered.effort import Effort, Sentence, counted
from dataengine.cot.tasks.rendered.tables import SUBJECTS, Table, drawn_table
from dataengine.cot.tasks.rendered.words import joined, ordinal, signed, some

_SMALL, _LARGE = ((3, 3), (2, 3)), ((5, 8), (4, 6))
"""Rows and columns of tables that auto-think reads at once, and of those that it goes through."""


def _scene(
    table: Table,
    kind: str,
    answer: str,
    slots: dict[str, str],
    steps: list[Sentence],
    work: Effort,
    check: Sentence = ("",),
) -> Scene:
    return Scene(
        kind,
        answer,
        "number" if answer.isdigit() else "word",
        table.paint,
        slots,
        tuple(steps),
        w.FINALS[kind],
        w.PLAIN[kind],
        json.dumps(table.cells(), ensure_ascii=False),
        (_layout(table) if kind in w.TRAP else _extent(table),),
        (check,),
        work,
    )


def _extent(table: Table) -> Sentence:
    """What is in the table, in fewer words."""
    down, columns = counted(len(table.rows), "row"), joined(table.columns)
    return (
        f"The table has {down}, from {table.rows[0]} to {table.rows[-1]}, and the columns {columns}.",
        f"There are {down}; the columns are {columns}.",
        f"The numbers are under {columns}.",
        "",
    )


def _layout(table: Table) -> Sentence:
    """All rows and columns by name."""
    rows, columns = joined(table.rows), joined(table.columns)
    return (
        f"The rows of the table are {rows}; its columns are {columns}.",
        f"The columns are {columns}, and from top to bottom the rows are {rows}.",
        f"In the first column I find {rows}; the numbers are under {columns}.",
    )


def _cell(table: Table, row: str, column: str) -> Sentence:
    value = table.value(row, column)
    down, across = table.rows.index(row) + 1, table.columns.index(column) + 1
    return (
        f"In the row for {row}, under {column}, I read {value}.",
        f"{row} is the {ordinal(down)} row, and under {column} it has the entry {value}.",
        f"Where the row for {row} meets the column {column}, it says {value}.",
        f"{column} is the {ordinal(across)} column of numbers; in the row for {row} it holds {value}.",
    )


def _beside(table: Table, row: str, column: str) -> Sentence:
    """What is next to an entry, so that it is not mistaken for it."""
    down, across = table.rows.index(row), table.columns.index(column)
    above = table.rows[down - 1 if down else down + 1]
    other = table.columns[across - 1 if across else across + 1]
    return (
        f"The entry beside it, {table.value(row, other)}, belongs to {other}.",
        f"The entry {'above' if down else 'below'} it, {table.value(above, column)}, is that for {above}.",
        "",
    )


def _size(table: Table) -> tuple[int, int]:
    return len(table.rows), len(table.columns)


def _value(table: Table, draw: Draw) -> Scene:
    row, column = draw.choice(table.rows), draw.choice(table.columns)
    answer, slots = str(table.value(row, column)), {"row": row, "column": column}
    work, check = effort.entry(*_size(table)), _beside(table, row, column)
    return _scene(table, "value", answer, slots, [_cell(table, row, column)], work, check)


def _sum_of(table: Table, draw: Draw) -> Scene:
    """All values of a row, or of a column."""
    if draw.below(2):
        name, kind = draw.choice(table.rows), "row_sum"
        values, what = table.row(name), f"the row for {name}"
    else:
        name, kind = draw.choice(table.columns), "column_sum"
        values, what = table.column(name), f"the column {name}"
    sums = list(accumulate(values))
    chain = ", ".join(f"{a} + {b} = {c}" for a, b, c in zip(sums, values[1:], sums[1:], strict=False))
    listed, again = joined(list(map(str, values))), " + ".join(map(str, reversed(values)))
    along = "left to right" if kind == "row_sum" else "top to bottom"
    steps: list[Sentence] = [
        (
            f"In {what} I read {listed}.",
            f"From {along}, {what} holds {listed}.",
            f"The entries in {what} are {listed}.",
        ),
        (
            f"Added up step by step: {chain}.",
            f"Adding them one after another: {chain}.",
            f"I add them in turn: {chain}.",
        ),
    ]
    check = (
        f"Added the other way round, {again} = {sums[-1]} as well.",
        f"To be sure, I add them from the other end: {again} = {sums[-1]}.",
        "",
    )
    return _scene(table, kind, str(sums[-1]), {"name": name}, steps, effort.addition(len(values)), check)


def _difference(table: Table, draw: Draw) -> Scene:
    column = draw.choice(table.columns)
    more, less = sorted(some(draw, table.rows, 2), key=lambda row: -table.value(row, column))
    a, b = table.value(more, column), table.value(less, column)
    steps = [_cell(table, more, column), _cell(table, less, column)]
    steps += [(f"The difference: {a} - {b} = {a - b}.", f"Subtracting, {a} - {b} = {a - b}.")]
    check = (f"Adding it back gives {b} + {a - b} = {a}.", f"Indeed, {b} + {a - b} = {a}.", "")
    slots = {"more": more, "less": less, "column": column}
    return _scene(table, "difference", str(a - b), slots, steps, effort.two_entries(*_size(table)), check)


def _ranked(table: Table, draw: Draw) -> Scene:
    """The row that comes at some place in a column."""
    column, place = draw.choice(table.columns), draw.below(3)
    order = sorted(table.rows, key=lambda row: -table.value(row, column))
    listed = ", ".join(f"{row} {table.value(row, column)}" for row in table.rows)
    sorted_ = ", ".join(f"{row} ({table.value(row, column)})" for row in order[: place + 1])
    steps: list[Sentence] = [
        (
            f"Under {column} I read: {listed}.",
            f"The column {column} says: {listed}.",
            f"Going down {column}: {listed}.",
        ),
        (f"From the highest down, that is {sorted_}.", f"Sorted from the top: {sorted_}.")
        if place
        else (f"The highest of these is {sorted_}.", f"None is above {sorted_}."),
    ]
    check: Sentence = ("",)
    if rest := order[place + 1 :]:
        names, are = joined(rest), "are" if len(rest) > 1 else "is"
        check = (f"{names} {are} lower.", f"The entr{'ies' if len(rest) > 1 else 'y'} for {names} {are} smaller.", "")
    nth = ("highest", "second-highest", "third-highest")[place]
    slots = {"nth": nth, "column": column}
    return _scene(table, "rank", order[place], slots, steps, effort.ranking(len(table.rows)), check)


def _change(table: Table, draw: Draw) -> Scene:
    """The row whose value grows most from one column to the next."""
    before, after = draw.choice(list(pairwise(table.columns)))
    grown = sorted(((table.value(row, after) - table.value(row, before), row) for row in table.rows), reverse=True)
    if grown[0][0] <= 0 or grown[0][0] == grown[1][0]:
        return _change(_again(table, draw), draw)
    by_row = {row: change for change, row in grown}
    listed = ", ".join(
        f"{row} from {table.value(row, before)} to {table.value(row, after)} ({signed(by_row[row])})"
        for row in table.rows
    )
    steps: list[Sentence] = [
        (
            f"From {before} to {after} the rows change as follows: {listed}.",
            f"For each row, {before} and {after}: {listed}.",
        ),
        (f"The largest increase is {grown[0][0]}, for {grown[0][1]}.", f"{grown[0][1]} gains most, {grown[0][0]}."),
    ]
    second = grown[1]
    check = (
        f"The next is {second[1]} with {signed(second[0])}.",
        f"{second[1]} comes after it, with {signed(second[0])}.",
        "",
    )
    slots = {"before": before, "after": after}
    return _scene(table, "change", grown[0][1], slots, steps, effort.changes(len(table.rows)), check)


def _again(table: Table, draw: Draw) -> Table:
    """Another table of the same size."""
    rows, columns = len(table.rows), len(table.columns)
    return drawn_table(draw, (rows, rows), (columns, columns))


_COMPUTED: tuple[Callable[[Table, Draw], Scene], ...] = (_sum_of, _difference, _ranked, _change)


def _mixed(draw: Draw) -> Scene:
    """A value or a computation, on a small table or a large one."""
    table = drawn_table(draw, *draw.choice((_SMALL, _LARGE)))
    return draw.choice((_value, draw.choice(_COMPUTED)))(table, draw)


def _trap(draw: Draw) -> Scene:
    """An entry that is there or not, in the same words, or a claim about one that is true or not, half of the time each."""
    table = drawn_table(draw)
    row, column = draw.choice(table.rows), draw.choice(table.columns)
    if not draw.below(3):
        return _claim(table, row, column, draw)
    if draw.below(2):
        return _asked(table, row, column, str(table.value(row, column)), [_cell(table, row, column)])
    names, heads = next((n, h) for _, n, h in SUBJECTS if {*table.rows} <= {*n} and {*table.columns} <= {*h})
    missing = [head for head in heads if head not in table.columns]
    if missing and draw.below(2):
        column = draw.choice(missing)
        step = (
            f"{column} is not among the columns.",
            f"None of the columns is {column}.",
            f"There is no column {column}.",
        )
        return _asked(table, row, column, f"no {column}", [_row_there(row), step])
    row = draw.choice([name for name in names if name not in table.rows])
    step = (f"{row} is not among the rows.", f"None of the rows is that for {row}.", f"There is no row for {row}.")
    return _asked(table, row, column, f"no {row}", [(f"There is a column {column}.", ""), step])


def _row_there(row: str) -> Sentence:
    return (f"There is a row for {row}.", "")


def _asked(table: Table, row: str, column: str, answer: str, steps: list[Sentence]) -> Scene:
    slots, kind = {"row": row, "column": column}, "asked" if answer.isdigit() else "missing"
    return _scene(table, kind, answer, slots, steps, effort.entry(*_size(table)))


def _claim(table: Table, row: str, column: str, draw: Draw) -> Scene:
    value = table.value(row, column)
    claimed = value + (draw.choice((-9, -7, -4, 5, 6, 8)) if draw.below(2) else 0)
    right: Sentence = (
        f"So {claimed} is right.",
        f"That is the {claimed} that the question mentions.",
        "The question has it right.",
    )
    wrong: Sentence = (f"So {claimed} is not right.", f"The question has {claimed} instead, which is wrong.")
    steps = [_cell(table, row, column), right if claimed == value else wrong]
    slots = {"row": row, "column": column, "claimed": str(claimed)}
    return _scene(table, "claim", str(value), slots, steps, effort.entry(*_size(table)))


VALUE = Maker("charts and tables", lambda draw: _value(drawn_table(draw), draw), w.VALUE)
COMPUTED = Maker("charts and tables", lambda draw: draw.choice(_COMPUTED)(drawn_table(draw), draw), w.COMPUTED)
TRAP = Maker("charts and tables", _trap, w.TRAP)
MIXED = Maker("charts and tables", _mixed, {**w.VALUE, **w.COMPUTED})
