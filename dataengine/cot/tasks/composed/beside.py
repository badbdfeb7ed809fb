"""Families composed of many samples on one sheet: find one among dozens, count the edited ones, find the pair.

A sample gets the others that such a sheet takes only if its id says so (``questions.distractors.partner_count``), so that on
average a sample reads few others.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import SEPARATOR, Abstain, Facts, Params, names
from dataengine.cot.tasks.composed import wording as w
from dataengine.cot.tasks.composed.base import (
    EDITS,
    LEAST_DIFFERENCE,
    Composed,
    difference,
    fitted,
    grey,
    numbers,
    place,
    sheet,
)
from dataengine.cot.tasks.rendered.words import NUMBER_WORDS, joined
from dataengine.media.image.pixels import Pixels

DOZENS = 23
"""Other samples of a sheet of two dozen."""
_TWELVE = 12


class Sheet(Composed):
    """``order`` are places of the shown samples, 0 for the sample itself."""

    needs = ("other samples",)
    size = _TWELVE

    def takes(self, source: CotInput) -> bool:
        return super().takes(source) and len(source.partners) >= self.size - 1

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        others = list(source.partners)[: self.size - 1]
        params = {"others": SEPARATOR.join(others)}
        return [self.drawn(draw, self.shown(params, source)) | params]

    def drawn(self, draw: Draw, shown: list[Pixels]) -> Params:
        """Answer and arrangement of the pictures."""
        raise NotImplementedError

    def shown(self, params: Params, source: CotInput) -> list[Pixels]:
        """The sample, then the others."""
        return [source.picture(), *(source.partners[id_].picture() for id_ in names(params, "others"))]


class FindAmongDozens(Sheet):
    """Which of two dozen pictures a part of one, enlarged and mirrored, belongs to."""

    size = DOZENS + 1
    wordings = w.AMONG_DOZENS
    plain = ("{answer}", "It is {answer}.")

    def drawn(self, draw: Draw, shown: list[Pixels]) -> Params:
        return {"answer": str(1 + draw.below(self.size))}

    def measure(self, params: Params, source: CotInput) -> Facts:
        first, *others = (np.asarray(fitted(one, 96, 72)) for one in self.shown(params, source))
        return {"steps": 1.0, "difference": min(difference(first, other) for other in others)}

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        own, *others = self.shown(params, source)
        pictures = list(others)
        pictures.insert(int(params["answer"]) - 1, own)
        height, width = own.shape[:2]
        part = own[height // 6 : height - height // 6, width // 6 : width - width // 6]
        return [sheet([*pictures, EDITS["mirrored"](part)], [*numbers(self.size), "Part"], 5, 112)]


class CountGrey(Sheet):
    """How many of twelve pictures are in black and white: those with hardly any colour are always made so."""

    wordings = w.COUNT_GREY
    finals = ("The number of pictures in black and white is {box}.", "The count is {box}.", "So the answer is {box}.")

    def drawn(self, draw: Draw, shown: list[Pixels]) -> Params:
        pale = [n for n, one in enumerate(shown) if _colour(one) < 1.2 * LEAST_DIFFERENCE]
        rest = draw.shuffled([n for n in range(_TWELVE) if n not in pale])
        least = max(len(pale), 1)
        count = least + draw.below(max(_TWELVE - 1 - least, 1))
        edited = pale + rest[: count - len(pale)]
        return {"answer": str(len(edited)), "edited": ",".join(map(str, sorted(edited)))}

    def measure(self, params: Params, source: CotInput) -> Facts | Abstain:
        edited = params["edited"].split(",")
        coloured = [one for n, one in enumerate(self.shown(params, source)) if str(n) not in edited]
        return (
            {"steps": 2.0, "difference": min(map(_colour, coloured))}
            if len(coloured) > 1
            else Abstain("too few colours")
        )

    def thought(self, params: Params, answer: str, draw: Draw) -> str:
        edited = [str(int(n) + 1) for n in params["edited"].split(",")]
        one = len(edited) == 1
        slots = {"listed": joined(edited), "pictures": "Picture" if one else "Pictures", "are": "is" if one else "are"}
        slots |= {"has": "has" if one else "have", "count": NUMBER_WORDS[len(edited)]}
        return draw.choice(w.COUNT_GREY_THOUGHTS).format(**slots)

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        edited = {int(n) for n in params["edited"].split(",")}
        shown = [grey(one) if n in edited else one for n, one in enumerate(self.shown(params, source))]
        return [sheet(shown, numbers(_TWELVE), 4, 132)]


def _colour(pixels: Pixels) -> float:
    """How far a picture is from black and white."""
    small = np.asarray(fitted(pixels, 96, 72))
    return difference(small, grey(small))


class FindPair(Sheet):
    """Which two of twelve pictures show the same, one of them mirrored."""

    size = _TWELVE - 1
    wordings = w.FIND_PAIR
    finals = ("The two are {box}.", "The pair is {box}.", "So the answer is {box}.")

    def drawn(self, draw: Draw, shown: list[Pixels]) -> Params:
        first, second = sorted(draw.shuffled(range(1, _TWELVE + 1))[:2])
        return {"answer": f"{first} and {second}"}

    def measure(self, params: Params, source: CotInput) -> Facts:
        first, *others = (np.asarray(fitted(one, 96, 72)) for one in self.shown(params, source))
        mirrored = EDITS["mirrored"](first)
        return {"steps": 2.0, "difference": min(difference(a, b) for a in (first, mirrored) for b in others)}

    def thought(self, params: Params, answer: str, draw: Draw) -> str:
        first, second = answer.split(" and ")
        return draw.choice(w.FIND_PAIR_THOUGHTS).format(first=first, second=second)

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        own, *others = self.shown(params, source)
        first, second = (int(n) for n in params["answer"].split(" and "))
        pictures = list(others)
        pictures.insert(first - 1, own)
        pictures.insert(second - 1, EDITS["mirrored"](own))
        return [sheet(pictures, numbers(_TWELVE), 4, 132)]


BESIDE = (
    place(FindAmongDozens, "find_among_dozens", "non_thinking", "objects", "number"),
    place(CountGrey, "count_black_and_white", "thinking", "counting", "number"),
    place(FindPair, "find_pair", "thinking", "relations", "text"),
)
