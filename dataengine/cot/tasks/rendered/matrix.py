"""Instruction-following OCR on a matrix of characters: rows, columns, diagonals, single cells and what is where.

The classes of instructions follow Keye-VL-1.5 (arXiv 2509.01563, section on OCR data): extraction in four directions and in
combinations, and locating; the characters mix several scripts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from PIL import ImageDraw

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import canvas, effort
from dataengine.cot.tasks.rendered.base import Maker, Scene
from dataengine.cot.tasks.rendered.effort import Effort, Sentence
from dataengine.cot.tasks.rendered.wording_matrix import LOCATING, READING
from dataengine.cot.tasks.rendered.words import SCRIPTS, ordinal
from dataengine.media.image.pixels import Pixels

_LEAST_ALPHABET = 20
_USUAL, _SMALL, _LARGE = range(5, 9), range(3, 6), range(7, 10)
"""Rows and columns; auto-think reads small matrices at once, and goes through large ones."""


@dataclass(frozen=True)
class Matrix:
    """``rows`` are strings of equal length."""

    rows: tuple[str, ...]
    theme: canvas.Theme
    ruled: bool

    def column(self, number: int) -> str:
        return "".join(row[number] for row in self.rows)

    def paint(self) -> Pixels:
        step, margin = 44, 22
        width, height = len(self.rows[0]) * step + 2 * margin, len(self.rows) * step + 2 * margin
        image = canvas.blank(width, height, self.theme.paper)
        draw = ImageDraw.Draw(image)
        for y, row in enumerate(self.rows):
            for x, character in enumerate(row):
                left, top = margin + x * step, margin + y * step
                if self.ruled:
                    draw.rectangle((left, top, left + step, top + step), outline=self.theme.line)
                canvas.text(draw, (left + step / 2, top + step / 2), character, "cjk", 26, self.theme.ink, "mm")
        return canvas.pixels_of(image)


def drawn_matrix(draw: Draw, sides: Sequence[int] = _USUAL) -> Matrix:
    """A matrix with characters of up to three scripts, several of which occur only once; ``sides``: how many rows and columns it
    may have."""
    height, width = draw.choice(sides), draw.choice(sides)
    names = draw.shuffled(sorted(SCRIPTS))[: 1 + draw.below(3)]
    if sum(len(SCRIPTS[name]) for name in names) < _LEAST_ALPHABET:
        names.append("Chinese characters")
    alphabet = draw.shuffled("".join(SCRIPTS[name] for name in names))
    often = alphabet[: len(alphabet) // 2]
    cells = draw.shuffled([alphabet[n] if n < len(alphabet) else draw.choice(often) for n in range(height * width)])
    rows = tuple("".join(cells[y * width : (y + 1) * width]) for y in range(height))
    return Matrix(rows, canvas.theme(draw), bool(draw.below(2)))


def _scene(
    matrix: Matrix, kind: str, answer: str, slots: dict[str, str], steps: list[Sentence], work: Effort | None = None
) -> Scene:
    answer_type = {"count": "number", "locate": "text"}.get(kind, "ocr")
    return Scene(
        kind,
        answer,
        answer_type,  # type: ignore[arg-type]
        matrix.paint,
        slots,
        tuple(steps),
        ("The answer is {box}.", "So the answer is {box}.", "It is {box}."),
        shown="\n".join(matrix.rows),
        effort=work,
    )


def _reads(what: str, text: str) -> Sentence:
    spaced = " ".join(text)
    return (f"The {what} reads {spaced}.", f"In the {what} I find {spaced}.", f"{what.capitalize()}: {spaced}.")


def _backwards(text: str) -> Sentence:
    return (f"Backwards that is {text[::-1]}.", f"Read the other way round it becomes {text[::-1]}.")


def _line(matrix: Matrix, draw: Draw, kind: str) -> Scene:
    """A row or a column, forwards or backwards."""
    is_row = kind.startswith("row")
    number = draw.below(len(matrix.rows) if is_row else len(matrix.rows[0]))
    text = matrix.rows[number] if is_row else matrix.column(number)
    backwards = kind in ("row_rl", "column_bt")
    steps = [_reads(f"{ordinal(number + 1)} {'row' if is_row else 'column'}", text)]
    steps += [_backwards(text)] if backwards else []
    slots = {"n": str(number + 1), "nth": ordinal(number + 1)}
    work = effort.walk(len(text), backwards)
    return _scene(matrix, kind, text[::-1] if backwards else text, slots, steps, work)


def _two_lines(matrix: Matrix, draw: Draw, kind: str) -> Scene:
    """A row and a column, or two rows, one after the other."""
    row, column = draw.below(len(matrix.rows)), draw.below(len(matrix.rows[0]))
    other = (row + 1 + draw.below(len(matrix.rows) - 1)) % len(matrix.rows)
    first = (f"{ordinal(row + 1)} row", matrix.rows[row])
    second = (f"{ordinal(column + 1)} column", matrix.column(column))
    if kind == "two_rows":
        second = (f"{ordinal(other + 1)} row", matrix.rows[other])
    parts = [second, first] if kind == "column_row" else [first, second]
    slots = {"row": ordinal(row + 1), "column": ordinal(column + 1), "other": ordinal(other + 1)}
    text = "".join(text for _, text in parts)
    return _scene(matrix, kind, text, slots, [_reads(*part) for part in parts], effort.two_walks(len(text)))


def _diagonal(matrix: Matrix, draw: Draw, kind: str) -> Scene:
    """From an upper corner down, as far as the shorter side goes."""
    size = min(len(matrix.rows), len(matrix.rows[0]))
    places = [(y, y if kind == "diagonal" else len(matrix.rows[0]) - 1 - y) for y in range(size)]
    text = "".join(matrix.rows[y][x] for y, x in places)
    side = "left" if kind == "diagonal" else "right"
    walk = ", ".join(text)
    step = (
        f"From the upper {side} corner down, one row and one column at a time: {walk}.",
        f"I start in the upper {side} corner and go down diagonally: {walk}.",
    )
    return _scene(matrix, kind, text, {}, [step], effort.walk(size))


def _cell(matrix: Matrix, draw: Draw, kind: str) -> Scene:
    row, column = draw.below(len(matrix.rows)), draw.below(len(matrix.rows[0]))
    slots = {"row": ordinal(row + 1), "column": ordinal(column + 1), "r": str(row + 1), "c": str(column + 1)}
    character = matrix.rows[row][column]
    steps: list[Sentence] = [
        _reads(f"{slots['row']} row", matrix.rows[row]),
        (
            f"Its {slots['column']} character is {character}.",
            f"In the {slots['column']} column of that row I find {character}.",
        ),
    ]
    return _scene(matrix, kind, character, slots, steps, effort.cell(len(matrix.rows), len(matrix.rows[0])))


def _unique(matrix: Matrix, draw: Draw, inner: bool = False) -> tuple[int, int] | None:
    """Row and column of a character that occurs only once; ``inner``: with a neighbour on each side. None where there is none."""
    counts, edge = Counter("".join(matrix.rows)), 1 if inner else 0
    places = [
        (y, x)
        for y, row in enumerate(matrix.rows)
        for x, character in enumerate(row)
        if counts[character] == 1 and edge <= y < len(matrix.rows) - edge and edge <= x < len(row) - edge
    ]
    return draw.choice(places) if places else None


def _located(matrix: Matrix, draw: Draw, kind: str) -> Scene:
    """Where a character is, or the line that it is in."""
    if (single := _unique(matrix, draw)) is None:
        return _located(drawn_matrix(draw), draw, kind)
    row, column = single
    character = matrix.rows[row][column]
    place = (
        f"{character} is in the {ordinal(row + 1)} row, where it is the {ordinal(column + 1)} character.",
        f"I find {character} once: {ordinal(row + 1)} row, {ordinal(column + 1)} column.",
    )
    if kind == "locate":
        return _scene(matrix, kind, f"row {row + 1}, column {column + 1}", {"x": character}, [place])
    text = matrix.rows[row] if kind == "row_of" else matrix.column(column)
    what = f"{ordinal(row + 1)} row" if kind == "row_of" else f"{ordinal(column + 1)} column"
    return _scene(matrix, kind, text, {"x": character}, [place, _reads(what, text)])


_SIDES = {
    "to the right of": (0, 1),
    "to the left of": (0, -1),
    "below": (1, 0),
    "above": (-1, 0),
}


def _neighbour(matrix: Matrix, draw: Draw, kind: str) -> Scene:
    if (inner := _unique(matrix, draw, inner=True)) is None:
        return _neighbour(drawn_matrix(draw), draw, kind)
    row, column = inner
    side = draw.choice(sorted(_SIDES))
    down, right = _SIDES[side]
    character, answer = matrix.rows[row][column], matrix.rows[row + down][column + right]
    steps: list[Sentence] = [
        (f"{character} is in the {ordinal(row + 1)} row and the {ordinal(column + 1)} column.",
         f"I find {character} in the {ordinal(row + 1)} row, {ordinal(column + 1)} column."),
        (f"The cell directly {side} it holds {answer}.", f"Directly {side} it is {answer}."),
    ]  # fmt: skip
    return _scene(matrix, kind, answer, {"x": character, "side": side}, steps)


def _count(matrix: Matrix, draw: Draw, kind: str) -> Scene:
    """How often a character occurs in the matrix: written over others until it is there so many times."""
    wanted, character = 2 + draw.below(6), draw.choice(matrix.rows[1])
    cells = [[" " if one == character else one for one in line] for line in matrix.rows]
    fill = [one for line in cells for one in line if one != " "]
    places = draw.shuffled([(y, x) for y in range(len(cells)) for x in range(len(cells[0]))])
    for y, x in places[:wanted]:
        cells[y][x] = character
    for y, x in places[wanted:]:
        if cells[y][x] == " ":
            cells[y][x] = draw.choice(fill)
    counted = Matrix(tuple("".join(line) for line in cells), matrix.theme, matrix.ruled)
    by_row = [(f"{ordinal(y + 1)} row", line.count(character)) for y, line in enumerate(counted.rows)]
    listed = ", ".join(f"{times} in the {name}" for name, times in by_row if times)
    steps: list[Sentence] = [
        (
            f"I go through the rows and count {character}: {listed}.",
            f"Row by row, {character} occurs as follows: {listed}.",
        ),
        (f"Together that makes {wanted}.", f"That is {wanted} in all."),
    ]
    return _scene(counted, kind, str(wanted), {"x": character}, steps)


_KINDS: dict[str, Callable[[Matrix, Draw, str], Scene]] = {
    **dict.fromkeys(("row_lr", "row_rl", "column_tb", "column_bt"), _line),
    **dict.fromkeys(("row_column", "column_row", "two_rows"), _two_lines),
    **dict.fromkeys(("diagonal", "antidiagonal"), _diagonal),
    "cell": _cell,
    **dict.fromkeys(("locate", "row_of", "column_of"), _located),
    "neighbour": _neighbour,
    "count": _count,
}


def _made(kinds: tuple[str, ...], draw: Draw, sides: Sequence[int] = _USUAL) -> Scene:
    kind = draw.choice(kinds)
    return _KINDS[kind](drawn_matrix(draw, sides), draw, kind)


READ = Maker("text", partial(_made, tuple(READING)), READING)
LOCATE = Maker("text", partial(_made, tuple(LOCATING)), LOCATING)
MIXED = Maker("text", lambda draw: _made(tuple(READING), draw, draw.choice((_SMALL, _LARGE))), READING)
