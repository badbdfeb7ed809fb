"""Reading task: letters that are rendered onto the picture, on a background with enough contrast.

The picture with the letters is the record's own, made again from the sample whenever it is checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dataengine.cot.core.formats import Thinking, box
from dataengine.cot.core.measure import PARTS, QUARTERS, cut, mean
from dataengine.cot.core.record import OBSERVATION, Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import Abstain, Exchange, Facts, Params, Task
from dataengine.media.image.pixels import Pixels
from dataengine.models.serving.messages import ImageBlock

_LETTERS = "ACDEFHJKLMNPRTUVWXY"
_LENGTHS = (4, 5, 6)
_INKS = {"white": 255, "black": 0}
_CONTRAST = 90
"""Least difference in brightness between the ink and the middle of its quarter."""
_SMALLEST = 96

_QUESTIONS = (
    "A few capital letters are written on this picture. What do they read?",
    "Read the letters that are printed on the picture.",
    "Which sequence of capital letters has been put on this picture?",
    "There is a short code of capital letters on the picture. Which one?",
    "What do the letters over the picture say?",
    "Somebody stamped capital letters onto this photograph. Read them.",
    "Give the letters that were written across a part of the picture.",
    "Spell out the code that is printed on the picture.",
    "Which letters can be read on top of this picture?",
    "Find the lettering on the picture and write it down.",
    "A label of a few letters lies over the picture. What is it?",
    "Type the capital letters that you see on this picture, in their order.",
)
_OPENINGS = (
    "The letters are {ink} and stand in the {place}. One by one:",
    "In the {place} there is something written in {ink}. Letter by letter it says:",
)
_CLOSINGS = ("Together that is {text}.", "Put together they read {text}.")
_ANSWERS = ("The letters read {box}", "It says {box}")


class ReadText(Task):
    name = "read_text"
    mode = "thinking"
    styles = ("thinking",)
    family = "made"
    answer_type = "word"
    capability = "text"
    wordings = _QUESTIONS
    tolerances = MappingProxyType({"contrast": 3.0})

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        if min(source.picture().shape[:2]) < _SMALLEST:
            return Abstain("too small to write on")
        text = "".join(draw.choice(_LETTERS) for _ in range(draw.choice(_LENGTHS)))
        placements = [(place, ink) for place in QUARTERS for ink in _INKS]
        return [{"text": text, "place": place, "ink": ink} for place, ink in draw.shuffled(placements)]

    def measure(self, params: Params, source: CotInput) -> Facts:
        ground = mean("brightness", cut(source.picture(), PARTS[params["place"]]))
        return {"contrast": abs(_INKS[params["ink"]] - ground)}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        enough = facts["contrast"] >= _CONTRAST * (1.0 if strict else 0.8)
        return params["text"] if enough else Abstain("too little contrast")

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        slots = {**params, "box": box(answer)}
        letters = ", ".join(answer)
        think = f"{draw.choice(_OPENINGS).format(**slots)} {letters}. {draw.choice(_CLOSINGS).format(**slots)}"
        reply = Thinking(think, draw.choice(_ANSWERS).format(**slots))
        return Exchange(draw.choice(_QUESTIONS), reply, (ImageBlock(image=f"{OBSERVATION}0"),))

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        return [with_text(source.picture(), params["text"], params["place"], _INKS[params["ink"]])]


def with_text(pixels: Pixels, text: str, place: str, ink: int) -> Pixels:
    """``(H, W, 3)`` with the text across the middle of a part, as large as four fifths of its width allow."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = (
        edge * side // 1000 for edge, side in zip(PARTS[place], (width, height) * 2, strict=True)
    )
    size = min(round(0.8 * (right - left) / (0.72 * len(text))), (bottom - top) // 2)
    picture = Image.fromarray(pixels).copy()
    middle = ((left + right) // 2, (top + bottom) // 2)
    font = ImageFont.load_default(max(8, size))
    ImageDraw.Draw(picture).text(middle, text, fill=(ink, ink, ink), font=font, anchor="mm")
    return np.asarray(picture)
