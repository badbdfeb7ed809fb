"""Auto-think: the reply says first whether thinking is worth it. One impression of the whole is not; an order of parts is."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from dataengine.cot.draw import Draw
from dataengine.cot.formats import AutoPlain, AutoThinking, box
from dataengine.cot.measure import BANDS, COLUMNS, PARTS, QUALITIES, QUARTERS, cut, mean
from dataengine.cot.record import Style
from dataengine.cot.source import CotInput
from dataengine.cot.task import (
    LETTERS,
    SEPARATOR,
    Exchange,
    Facts,
    Params,
    Task,
    Unsure,
    listed,
    names,
    picture,
    ranked,
)

_GLANCES = {
    "dark": ("Is this picture dark on the whole?", "Would you call this picture a dark one, overall?"),
    "bright": ("Is this picture bright on the whole?", "Would you call this picture a bright one, overall?"),
    "wide": ("Is this picture wider than it is tall?", "Does the picture's width exceed its height?"),
    "tall": ("Is this picture taller than it is wide?", "Does the picture's height exceed its width?"),
}
_EASY = (
    "This asks for one overall impression that can be read off directly, with nothing to compare step by step.",
    "A single look at the whole picture settles this; there is nothing to count or to work out.",
    "The question is simple: one property of the picture as a whole, yes or no.",
)
_SHORT = ("{title}.", "{title}, it is.", "{title}, quite clearly.")
_RANKINGS = (
    "Put these parts of the picture in order, from lowest to highest {noun}. Answer with their letters.\n{options}",
    "Sort these parts of the picture by {noun}, lowest first. Give the letters in order.\n{options}",
    "Rank the following parts by increasing {noun} and list their letters.\n{options}",
)
_HARD = (
    "Ordering {n} parts takes an estimate for each and several comparisons, so a quick guess would easily go wrong.",
    "There are {n} parts to estimate and to sort by {noun}; this needs more than one step.",
    "The answer depends on how {n} values compare with one another, which should be worked out carefully.",
)
_OPENINGS = (
    "I estimate the {noun} of each part ({scale}).",
    "First the {noun} of every part, where {scale}.",
    "Let me write down the {noun} part by part; {scale}.",
)
_READINGS = (
    "{letter}, the {part}: {value}.",
    "The {part} ({letter}) has {value}.",
    "{letter} is the {part}, with {value}.",
)
_SORTED = ("From lowest to highest that is {chain}.", "Sorted: {chain}.", "In increasing order: {chain}.")
_ANSWERS = ("The order is {box}", "From lowest to highest: {box}", "Sorted by {noun}: {box}")

_DARK, _BRIGHT, _MIDDLE = 85, 150, 117


class Glance(Task):
    """``brightness`` of the whole from 0 to 255, ``aspect`` width by height in thousandths."""

    name = "glance"
    mode = "auto_think"
    styles = ("auto",)
    answer_type = "text"
    tolerances = MappingProxyType({"aspect": 20.0})

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params]:
        for subject in draw.shuffled(sorted(_GLANCES)):
            yield {"subject": subject}

    def measure(self, params: Params, source: CotInput) -> Facts:
        pixels = source.picture()
        height, width = pixels.shape[:2]
        if params["subject"] in ("dark", "bright"):
            return {"brightness": mean("brightness", pixels)}
        return {"aspect": round(1000 * width / height)}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Unsure:
        if params["subject"] in ("dark", "bright"):
            value, low, high, middle = facts["brightness"], _DARK, _BRIGHT, _MIDDLE
        else:
            value, low, high, middle = facts["aspect"], 870, 1150, 1000
        if strict and low < value < high:
            return Unsure("in between")
        return "yes" if (value > middle) == (params["subject"] in ("bright", "wide")) else "no"

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        text = draw.choice(_SHORT if answer == "yes" else (_SHORT[0], "{title}, it is not.", _SHORT[2]))
        reply = AutoPlain(draw.choice(_EASY), text.format(title=answer.capitalize()))
        return Exchange(draw.choice(_GLANCES[params["subject"]]), reply, picture(source_id))


class RankParts(Task):
    name = "rank_parts"
    mode = "auto_think"
    styles = ("auto",)
    answer_type = "order"

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params]:
        asked = [(quality, layout) for quality in QUALITIES for layout in (COLUMNS, BANDS, QUARTERS)]
        for quality, layout in draw.shuffled(asked):
            yield {"quality": quality, "parts": SEPARATOR.join(draw.shuffled(layout))}

    def measure(self, params: Params, source: CotInput) -> Facts:
        pixels = source.picture()
        return {part: mean(params["quality"], cut(pixels, PARTS[part])) for part in names(params, "parts")}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Unsure:
        parts = names(params, "parts")
        order = ranked(facts, parts, QUALITIES[params["quality"]].margin * (0.8 if strict else 0.4))
        return order if isinstance(order, Unsure) else ", ".join(LETTERS[parts.index(part)] for part in order)

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        quality, parts = QUALITIES[params["quality"]], names(params, "parts")
        letters = dict(zip(LETTERS, parts, strict=False))
        chain = " < ".join(f"{letter} ({round(facts[letters[letter]])})" for letter in answer.split(", "))
        told = {"noun": quality.noun, "scale": quality.scale, "n": len(parts), "chain": chain, "box": box(answer)}
        readings = [
            draw.choice(_READINGS).format(letter=letter, part=part, value=round(facts[part]))
            for letter, part in letters.items()
        ]
        think = " ".join([draw.choice(_OPENINGS).format(**told), *readings, draw.choice(_SORTED).format(**told)])
        reply = AutoThinking(draw.choice(_HARD).format(**told), think, draw.choice(_ANSWERS).format(**told))
        return Exchange(draw.choice(_RANKINGS).format(options=listed(parts), **told), reply, picture(source_id))
