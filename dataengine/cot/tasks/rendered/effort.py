"""What a question takes to be answered, by which auto-think decides whether to think: the kind of work and its measured size.

The same question in the same words can take little or much; only the picture says which.
"""

from __future__ import annotations

from dataclasses import dataclass

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered.words import NUMBER_WORDS

Sentence = tuple[str, ...]
"""A sentence in several wordings, of which one is drawn."""
_MANY_SHAPES = 9
"""Shapes that take more than a glance."""
_LITTLE = (
    "This only takes {work}, so the answer can be given directly.",
    "{Work} is all that is needed here, and no steps have to be written out.",
    "The question comes down to {work}, which can be done in one go.",
    "Nothing more is asked for than {work}, so a direct answer is safe.",
    "All it takes is {work}, and that leaves little room for error.",
)
_MUCH = (
    "This takes {work}, which is better done step by step.",
    "{Work} leaves room for slips, so the steps should be written out.",
    "The question comes down to {work}; done in one go, that could easily go wrong.",
    "The answer depends on {work}, so a quick reply would be risky.",
    "Getting this right means {work}, one step after another.",
)


@dataclass(frozen=True)
class Effort:
    """``work`` in phrases like "adding up five numbers"; from a ``size`` of ``many`` on it is worth thinking."""

    work: Sentence
    size: int
    many: int

    @property
    def is_large(self) -> bool:
        return self.size >= self.many

    def reason(self, draw: Draw) -> str:
        """Why to think or not, as a sentence."""
        work = draw.choice(self.work)
        frame = draw.choice(_MUCH if self.is_large else _LITTLE)
        return frame.format(work=work, Work=work[0].upper() + work[1:])


def counted(number: int, noun: str) -> str:
    """ "one row", "four rows", "12 rows"."""
    word = NUMBER_WORDS[number] if 0 < number < len(NUMBER_WORDS) else str(number)
    return f"{word} {noun}{'' if number == 1 else 's'}"


def _table(rows: int, columns: int) -> str:
    return f"a table of {counted(rows, 'row')} and {counted(columns, 'column')} of numbers"


def entry(rows: int, columns: int) -> Effort:
    """One entry of a table."""
    return Effort(
        (f"finding one entry in {_table(rows, columns)}", f"looking up one entry among {rows * columns}"),
        rows * columns,
        20,
    )  # fmt: skip


def two_entries(rows: int, columns: int) -> Effort:
    """The difference of two entries of a table."""
    return Effort(
        (f"finding two entries in {_table(rows, columns)} and subtracting one from the other",
         f"reading two entries of {_table(rows, columns)} and taking their difference"),
        rows * columns,
        20,
    )  # fmt: skip


def addition(numbers: int) -> Effort:
    return Effort(
        (f"adding up {counted(numbers, 'number')}", f"reading {counted(numbers, 'number')} and adding them"), numbers, 4
    )


def ranking(rows: int) -> Effort:
    """The order of the entries of a column."""
    return Effort(
        (f"comparing {counted(rows, 'number')} in one column", f"putting {counted(rows, 'number')} in order"), rows, 4
    )


def changes(rows: int) -> Effort:
    """The change between two columns, row by row."""
    return Effort(
        (f"comparing two columns over {counted(rows, 'row')}",
         f"working out the change in {counted(rows, 'row')} and comparing the results"),
        rows,
        4,
    )  # fmt: skip


def bar(numbered: bool) -> Effort:
    """The value of a bar, with a number above it or not."""
    work = (
        ("reading the number above one bar", "finding one bar with its number printed above it")
        if numbered
        else ("following the top of one bar across to the scale", "reading the height of one bar off the scale")
    )
    return Effort(work, 0 if numbered else 1, 1)


def two_bars(numbered: bool) -> Effort:
    """The difference between two bars."""
    work = (
        ("reading the numbers above two bars and subtracting them", "subtracting two numbers that are printed above their bars")
        if numbered
        else ("reading the heights of two bars off the scale and subtracting them",
              "following the tops of two bars to the scale and taking the difference")
    )  # fmt: skip
    return Effort(work, 0 if numbered else 2, 1)


def bars(number: int) -> Effort:
    """All bars of a chart, to be compared."""
    return Effort(
        (
            f"comparing the heights of {counted(number, 'bar')}",
            f"looking at {counted(number, 'bar')} and comparing them",
        ),
        number,
        5,
    )


def two_lines(points: int) -> Effort:
    """Where two lines of a chart cross."""
    return Effort(
        (f"comparing two lines at {counted(points, 'point')}", f"following two lines over {counted(points, 'label')}"),
        points,
        5,
    )


def line(points: int) -> Effort:
    """The steps of one line of a chart."""
    return Effort(
        (f"comparing {counted(points - 1, 'step')} of one line", f"following one line over {counted(points, 'point')}"),
        points,
        5,
    )


def shapes(number: int) -> Effort:
    """Shapes of which those that fit are to be counted: of a handful they are seen at a glance."""
    work = (
        (f"looking over {counted(number, 'shape')}", f"picking from {counted(number, 'shape')}")
        if number < _MANY_SHAPES
        else (f"checking {counted(number, 'shape')} one by one", f"going through {counted(number, 'shape')} and counting some")
    )  # fmt: skip
    return Effort(work, number, _MANY_SHAPES)


def walk(characters: int, backwards: bool = False) -> Effort:
    """A row, column or diagonal of a matrix."""
    order = "in reverse order" if backwards else "one after another"
    return Effort(
        (f"reading {counted(characters, 'character')} {order}", f"copying {counted(characters, 'character')} {order}"),
        characters,
        6,
    )


def two_walks(characters: int) -> Effort:
    """Two lines of a matrix."""
    return Effort(
        (f"joining two lines with {counted(characters, 'character')} in all",
         f"reading and joining two lines with {counted(characters, 'character')} in all"),
        characters,
        12,
    )  # fmt: skip


def cell(rows: int, columns: int) -> Effort:
    """One cell of a matrix."""
    grid = f"{counted(rows, 'row')} and {counted(columns, 'column')}"
    return Effort((f"finding one cell among {grid}", f"locating one cell in a grid of {grid}"), rows * columns, 36)


def operations(number: int) -> Effort:
    """A program or an expression."""
    return Effort(
        (f"carrying out {counted(number, 'operation')}", f"working through {counted(number, 'operation')}"), number, 3
    )


def equation(number: int) -> Effort:
    """An equation in which so many operations have to be undone."""
    return Effort(
        (f"undoing {counted(number, 'operation')}", f"solving an equation with {counted(number, 'operation')} to undo"),
        number,
        2,
    )


def sides(wide: int, tall: int, product: bool) -> Effort:
    """Area or perimeter of a rectangle."""
    digits = len(f"{wide}{tall}")
    size = (
        "one-digit numbers"
        if digits == 2
        else "numbers of more than one digit"
        if digits == 4
        else "numbers, one of them of two digits"
    )
    if product:
        return Effort((f"multiplying two {size}", f"reading two sides and multiplying two {size}"), digits, 3)
    work = (f"adding two {size} and doubling the sum", f"reading two sides, adding two {size} and doubling the sum")
    return Effort(work, digits, 3)


def angles(uneven: int) -> Effort:
    """Two angles to be taken from 180°, of which so many are no multiples of ten."""
    work = (
        ("taking two round numbers from 180", "adding two round numbers and subtracting the sum from 180")
        if not uneven
        else ("taking two angles that are not both round numbers from 180",
              "adding two angles that are not both round numbers and subtracting the sum from 180")
    )  # fmt: skip
    return Effort(work, uneven, 1)


def notice(events: int) -> Effort:
    """One line of a notice that announces so many events."""
    work = (
        ("reading one line of a short notice", "finding one line on a notice with a single event")
        if events == 1
        else (f"finding one of {counted(events, 'event')} and then the right line of it",
              f"telling {counted(events, 'event')} apart and reading one line of one of them")
    )  # fmt: skip
    return Effort(work, events, 2)
