"""Families composed of one sample: find a part, spot an edit, the odd one out, put pieces back, say what was done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import permutations

import numpy as np
import numpy.typing as npt
from PIL import Image

from dataengine.cot.core.measure import thumbnail
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import LETTERS, Abstain, Facts, Params
from dataengine.cot.tasks.composed import wording as w
from dataengine.cot.tasks.composed.base import (
    EDITS,
    Composed,
    cells,
    difference,
    distinct,
    fitted,
    least_difference,
    least_distinct,
    numbers,
    place,
    sheet,
    sides_ok,
)
from dataengine.cot.tasks.rendered.words import ordinal
from dataengine.media.image.pixels import Pixels

_ROWS, _COLUMNS = 3, 3
_TOO_SMALL = Abstain("too small, or a strip")


def _facts(shown: Pixels, others: Sequence[Pixels]) -> Facts:
    """How far a picture is from the one of the others that is most like it."""
    return {
        "steps": 1.0,
        "difference": min(difference(shown, other) for other in others),
        "distinct": min(distinct(shown, other) for other in others),
    }


class FindCrop(Composed):
    """Which cell of a 3 x 3 grid a crop shows."""

    shows_sample = True
    wordings = w.FIND_CROP
    plain = ("{answer}", "Cell {answer}.", "It shows cell {answer}.")

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        if not sides_ok(source):
            return _TOO_SMALL
        return [{"answer": number} for number in draw.shuffled(numbers(_ROWS * _COLUMNS))]

    def measure(self, params: Params, source: CotInput) -> Facts:
        parts = cells(source.picture(), _ROWS, _COLUMNS)
        answered = parts[int(params["answer"]) - 1]
        others = [part for n, part in enumerate(parts) if n != int(params["answer"]) - 1]
        return _facts(answered, others)

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        part = cells(source.picture(), _ROWS, _COLUMNS)[int(params["answer"]) - 1]
        return [
            np.asarray(Image.fromarray(np.ascontiguousarray(part)).resize((240, 240 * part.shape[0] // part.shape[1])))
        ]


class SpotEdit(Composed):
    """In which cell a second copy differs from the sample, and how."""

    shows_sample = True
    wordings = w.SPOT_EDIT
    finals = w.SPOT_EDIT_FINALS

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        if not sides_ok(source):
            return _TOO_SMALL
        picks = [(row, column, edit) for row in range(3) for column in range(3) for edit in sorted(EDITS)]
        return [
            {"answer": f"row {row + 1}, column {column + 1}", "edit": edit}
            for row, column, edit in draw.shuffled(picks)[:6]
        ]

    def measure(self, params: Params, source: CotInput) -> Facts:
        pixels = source.picture()
        cell, edited = (cells(p, 3, 3)[_cell(params)] for p in (pixels, _edited(params, pixels)))
        return _facts(cell, [edited])

    def thought(self, params: Params, answer: str, draw: Draw) -> str:
        row = _cell(params) // 3 + 1
        before = (
            f"In {'the first row' if row == 2 else 'the first two rows'} both pictures are the same. "
            if row > 1
            else ""
        )
        slots = {"edit": params["edit"], "cell": answer, "row": ordinal(row), "before": before}
        return draw.choice(w.SPOT_EDIT_THOUGHTS).format(**slots)

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        return [_edited(params, source.picture())]


def _cell(params: Params) -> int:
    """From "row 2, column 3" to 5."""
    row, column = (int(part.split()[1]) for part in params["answer"].split(", "))
    return 3 * (row - 1) + column - 1


def _edited(params: Params, pixels: Pixels) -> Pixels:
    copy, at = pixels.copy(), _cell(params)
    height, width = pixels.shape[0] // 3, pixels.shape[1] // 3
    rows, columns = slice(at // 3 * height, (at // 3 + 1) * height), slice(at % 3 * width, (at % 3 + 1) * width)
    copy[rows, columns] = EDITS[params["edit"]](pixels[rows, columns])
    return copy


class OddOneOut(Composed):
    """Which of nine copies was edited."""

    wordings = w.ODD_ONE_OUT
    finals = ("The odd one out is number {box}.", "Number {box} differs from the others.", "It is number {box}.")

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        if not sides_ok(source):
            return _TOO_SMALL
        picks = [(number, edit) for number in numbers(9) for edit in sorted(EDITS)]
        return [{"answer": number, "edit": edit} for number, edit in draw.shuffled(picks)[:6]]

    def measure(self, params: Params, source: CotInput) -> Facts:
        pixels = source.picture()
        return _facts(pixels, [EDITS[params["edit"]](pixels)])

    def thought(self, params: Params, answer: str, draw: Draw) -> str:
        return draw.choice(w.ODD_THOUGHTS).format(edit=params["edit"], number=answer)

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        pixels = source.picture()
        copies = [EDITS[params["edit"]](pixels) if n == params["answer"] else pixels for n in numbers(9)]
        return [sheet(copies, numbers(9), 3, 200)]


class Jigsaw(Composed):
    """Six pieces out of order. Asked only where the right order fits clearly better along the seams than any other."""

    wordings = w.JIGSAW
    plain = ("{answer}", "The order is {answer}.")

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        if not sides_ok(source):
            return _TOO_SMALL
        return [{"pieces": "".join(draw.shuffled("012345"))} for _ in range(3)]

    def measure(self, params: Params, source: CotInput) -> Facts:
        parts = cells(source.picture(), 2, 3)
        right, next_ = _seams(parts)
        seams = min(99.0, round(4 * (next_ - right), 1))
        return {"steps": 5.0, "difference": least_difference(parts), "distinct": least_distinct(parts), "seams": seams}

    def tolerance(self, fact: str) -> float:
        return 12.0 if fact == "seams" else super().tolerance(fact)

    def answer(self, params: Params) -> str:
        pieces = [int(n) for n in params["pieces"]]
        return ", ".join(LETTERS[pieces.index(n)] for n in range(6))

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        parts = cells(source.picture(), 2, 3)
        return [sheet([parts[int(n)] for n in params["pieces"]], list(LETTERS), 3, 240)]


def _seams(parts: list[Pixels]) -> tuple[float, float]:
    """Mean difference along the seams of the right order, and of the best other one."""
    across, below = _costs(parts, across=True), _costs(parts, across=False)
    costs = {}
    for order in permutations(range(6)):
        seams = [across[order[n], order[n + 1]] for n in (0, 1, 3, 4)] + [
            below[order[n], order[n + 3]] for n in range(3)
        ]
        costs[order] = float(sum(seams)) / len(seams)
    right = costs.pop(tuple(range(6)))
    return right, min(costs.values())


def _costs(parts: list[Pixels], *, across: bool) -> npt.NDArray[np.float64]:
    """By pair of pieces, how far the last lines of the one are from the first of the other."""
    small = [thumbnail(np.ascontiguousarray(part), 36, 36) for part in parts]
    ends = np.stack([p[:, -1] if across else p[-1] for p in small])
    starts = np.stack([p[:, 0] if across else p[0] for p in small])
    costs: npt.NDArray[np.float64] = np.abs(ends[:, None] - starts[None]).mean(axis=(2, 3))
    return costs


_TURNS = {
    "rotated by 90 degrees clockwise": lambda p: np.rot90(p, -1),
    "rotated by 90 degrees counter-clockwise": lambda p: np.rot90(p),
    "rotated by 180 degrees": lambda p: np.rot90(p, 2),
    "mirrored left to right": lambda p: p[:, ::-1],
    "mirrored top to bottom": lambda p: p[::-1],
    "turned into black and white": EDITS["in black and white"],
    "turned into a negative": EDITS["a negative"],
}


class Transformed(Composed):
    """What was done to the sample to get the second picture."""

    shows_sample = True
    wordings = tuple(f"{one} Choose from: {', '.join(_TURNS)}." for one in w.TRANSFORMED)
    plain = ("It was {answer}.", "The picture was {answer}.")

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        if not sides_ok(source):
            return _TOO_SMALL
        return [{"answer": turn} for turn in draw.shuffled(sorted(_TURNS))]

    def measure(self, params: Params, source: CotInput) -> Facts:
        pixels = source.picture()
        answered = _TURNS[params["answer"]](pixels)
        return _facts(answered, [pixels, *(turn(pixels) for name, turn in _TURNS.items() if name != params["answer"])])

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        return [np.asarray(fitted(_TURNS[params["answer"]](source.picture()), 320, 320))]


ALONE = (
    place(FindCrop, "find_crop", "non_thinking", "grounding", "number"),
    place(SpotEdit, "spot_edit", "thinking", "attributes", "text"),
    place(OddOneOut, "odd_one_out", "thinking", "objects", "number"),
    place(Jigsaw, "jigsaw", "non_thinking", "order", "order"),
    place(Transformed, "transformed", "non_thinking", "actions", "word"),
)
