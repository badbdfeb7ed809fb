"""Non-thinking tasks, answered in a sentence: the dominant colour, and the orientation of the picture."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

import numpy as np

from dataengine.cot.core.formats import Plain
from dataengine.cot.core.measure import LEVELS, PARTS, SIDES, cut
from dataengine.cot.core.record import Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import Abstain, Exchange, Facts, Params, PixelTask, picture
from dataengine.cot.tasks.colours import COLOURS, reduced, shares

_COLOUR_QUESTIONS = (
    "Which colour covers most of the {part}?",
    "What is the dominant colour of the {part}?",
    "Name the one colour that takes up the largest area of the {part}.",
    "If you had to describe the {part} with a single colour, which would it be?",
)
_COLOUR_ANSWERS = (
    "Mostly {answer}.",
    "The dominant colour is {answer}.",
    "{title}.",
    "It is {answer} for the most part.",
)
_SHAPE_QUESTIONS = (
    "What is the orientation of this picture?",
    "Which format does this picture have, going by its width and height?",
    "How is the frame of this picture oriented?",
    "Describe the shape of the picture's frame in one word, as a printer would.",
)
_SHAPE_ANSWERS = ("{title}.", "The format is {answer}.", "It has a {answer} format.", "This is a {answer} frame.")

_SHIFTS = ((0, 0, 0), (3, 3, 3), (-3, -3, -3), (3, 0, -3), (-3, 0, 3))
_SHARE, _LEAD = 40, 20
_SQUARE, _OBLONG = 20, 150


class DominantColour(PixelTask):
    """``lead``: the least distance in per cent to the next colour, also where all pixels are moved a little, since many
    may lie at the border between two names."""

    name = "dominant_colour"
    mode = "non_thinking"
    styles = ("non_thinking",)
    answer_type = "word"
    tolerances = MappingProxyType(dict.fromkeys((*COLOURS, "lead"), 10.0))

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params]:
        for part in draw.shuffled(("whole picture", *SIDES, *LEVELS)):
            yield {"part": part}

    def measure(self, params: Params, source: CotInput) -> Facts:
        small = reduced(cut(source.picture(), PARTS[params["part"]]))
        moved = [shares((small + np.array(shift)).clip(0, 255)) for shift in _SHIFTS]
        first = _first(moved[0])
        lead = min(m[first] - max(v for name, v in m.items() if name != first) for m in moved)
        return {**moved[0], "lead": lead}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        first = _first(facts)
        share, lead = (_SHARE, _LEAD) if strict else (_SHARE / 2, _LEAD / 2)
        return first if facts[first] >= share and facts["lead"] >= lead else Abstain("no dominant colour")

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        question = draw.choice(_COLOUR_QUESTIONS).format(part=params["part"].replace("whole picture", "picture"))
        return Exchange(question, _sentence(draw.choice(_COLOUR_ANSWERS), answer), picture(source_id))


class Orientation(PixelTask):
    """``aspect``: width by height, in thousandths."""

    name = "orientation"
    mode = "non_thinking"
    styles = ("non_thinking",)
    answer_type = "word"
    tolerances = MappingProxyType({"aspect": 20.0})

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params]:
        return [{"part": "whole picture"}]

    def measure(self, params: Params, source: CotInput) -> Facts:
        height, width = cut(source.picture(), PARTS[params["part"]]).shape[:2]
        return {"aspect": round(1000 * max(width, height) / min(width, height)), "wide": float(width > height)}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        excess, slack = facts["aspect"] - 1000, 0 if strict else 20
        if excess <= _SQUARE + slack:
            return "square"
        if excess < _OBLONG - slack:
            return Abstain("nearly square")
        return "landscape" if facts["wide"] else "portrait"

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        reply = _sentence(draw.choice(_SHAPE_ANSWERS), answer)
        return Exchange(draw.choice(_SHAPE_QUESTIONS), reply, picture(source_id))


def _first(facts: Facts | dict[str, int]) -> str:
    return max(COLOURS, key=lambda name: (facts[name], name))


def _sentence(template: str, answer: str) -> Plain:
    return Plain(template.format(answer=answer, title=answer.capitalize()))
