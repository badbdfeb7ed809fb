"""Thinking task: which part of the picture has most or least of a quality. All parts are measured before one is chosen."""

from __future__ import annotations

from collections.abc import Iterable

from dataengine.cot.core.formats import Thinking
from dataengine.cot.core.measure import BANDS, COLUMNS, LEVELS, PARTS, QUALITIES, QUARTERS, SIDES, cut, mean
from dataengine.cot.core.record import Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks import extremes
from dataengine.cot.tasks.base import SEPARATOR, Abstain, Exchange, Facts, Params, PixelTask, listed, names, picture

_LAYOUTS = (SIDES, LEVELS, COLUMNS, BANDS, QUARTERS)

_QUESTIONS = (
    "Which of these parts of the picture is the {extreme}, taken as a whole?\n{options}",
    "Compare these parts of the picture by their average. Which one is the {extreme}?\n{options}",
    "If each part is averaged over all of its pixels, which is the {extreme}?\n{options}",
    "One of these parts is the {extreme} on average. Which one?\n{options}",
)
_OPENINGS = (
    "I have to compare the parts by {noun} ({scale}), so I go through them one at a time.",
    "What counts here is {noun}: {scale}. Let me look at each part in turn.",
    "The question is about {noun}, where {scale}. I will estimate it for every part first.",
    "To settle this I need the {noun} of each part, remembering that {scale}.",
)
_READINGS = (
    "The {part} comes to about {value}.",
    "For the {part} I get {value}.",
    "Averaging over the {part} gives {value}.",
    "In the {part} it is {value}.",
    "The {part}: {value}.",
)
_COMPARISONS = (
    "The {end} of these is {value}, for the {part}; the next is the {second} with {other}, a gap of {gap}.",
    "So the {part} has the {end} value, {value}. The {second} comes closest with {other}, still {gap} apart.",
    "{value} is the {end} value and belongs to the {part}. Nearest to it is the {second} at {other}, {gap} away.",
)
_CLOSINGS = (
    "That is a clear difference, so the answer is {letter}.",
    "The gap is wide enough to be sure: {letter}.",
    "Hence option {letter}.",
)
_ANSWERS = (
    "The {part} is the {extreme}. {box}",
    "It is the {part}: {box}",
    "Of the parts given, the {part} is the {extreme}: {box}",
)


class CompareParts(PixelTask):
    name = "compare_parts"
    mode = "thinking"
    styles = ("thinking",)
    answer_type = "choice"

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params]:
        combinations = [(q, layout, end) for q in QUALITIES for layout in _LAYOUTS for end in ("highest", "lowest")]
        for quality, layout, end in draw.shuffled(combinations):
            yield {"quality": quality, "end": end, "parts": SEPARATOR.join(draw.shuffled(layout))}

    def measure(self, params: Params, source: CotInput) -> Facts:
        pixels = source.picture()
        return {part: mean(params["quality"], cut(pixels, PARTS[part])) for part in names(params, "parts")}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        return extremes.winner(params, facts, strict)

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        parts, slots = names(params, "parts"), extremes.words(params, facts, answer)
        order = draw.shuffled(parts)
        readings = [draw.choice(_READINGS).format(part=part, value=round(facts[part])) for part in order]
        opening, ending = draw.choice(_OPENINGS).format(**slots), draw.choice(_COMPARISONS).format(**slots)
        think = " ".join([opening, *readings, ending, draw.choice(_CLOSINGS).format(**slots)])
        question = draw.choice(_QUESTIONS).format(extreme=slots["extreme"], options=listed(parts))
        return Exchange(question, Thinking(think, draw.choice(_ANSWERS).format(**slots)), picture(source_id))
