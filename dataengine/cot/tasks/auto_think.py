"""Auto-think tasks: the reply decides first whether to think, by how close the case is."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from types import MappingProxyType

from dataengine.cot.core.formats import AutoPlain, AutoThinking, Reply, box
from dataengine.cot.core.measure import BANDS, COLUMNS, PARTS, QUALITIES, QUARTERS, cut, mean
from dataengine.cot.core.record import Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks import wording_auto as w
from dataengine.cot.tasks.base import (
    LETTERS,
    SEPARATOR,
    Abstain,
    Exchange,
    Facts,
    Params,
    PixelTask,
    listed,
    names,
    picture,
    ranked,
)

_DARK, _BRIGHT, _MIDDLE = 85, 150, 117
_FAR = {"brightness": 68.0, "aspect": 400.0}
"""From the middle; a picture that is nearer is thought about."""
_APART = 2.0
"""Margins between neighbours in an order that is seen at once."""


class Glance(PixelTask):
    """``brightness`` of the whole from 0 to 255, ``aspect`` width by height in thousandths."""

    name = "glance"
    mode = "auto_think"
    styles = ("auto",)
    answer_type = "word"
    tolerances = MappingProxyType({"aspect": 20.0})

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params]:
        for subject in draw.shuffled(sorted(w.GLANCES)):
            yield {"subject": subject}

    def measure(self, params: Params, source: CotInput) -> Facts:
        pixels = source.picture()
        height, width = pixels.shape[:2]
        if params["subject"] in ("dark", "bright"):
            return {"brightness": mean("brightness", pixels)}
        return {"aspect": round(1000 * width / height)}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        if params["subject"] in ("dark", "bright"):
            value, low, high, middle = facts["brightness"], _DARK, _BRIGHT, _MIDDLE
        else:
            value, low, high, middle = facts["aspect"], 870, 1150, 1000
        if strict and low < value < high:
            return Abstain("in between")
        return "yes" if (value > middle) == (params["subject"] in ("bright", "wide")) else "no"

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        question = draw.choice(w.GLANCES[params["subject"]])
        [(fact, value)] = facts.items()
        middle = _MIDDLE if fact == "brightness" else 1000
        if abs(value - middle) >= _FAR[fact]:
            reply: Reply = AutoPlain(draw.choice(w.EASY), draw.choice(w.SHORT[answer]))
        else:
            slots = {"value": round(value), "half": w.HALVES[fact, value > middle]}
            think, verdict = draw.choice(w.ESTIMATES[fact]), draw.choice(w.VERDICTS)
            reply = AutoThinking(draw.choice(w.CLOSE), think.format(**slots), verdict.format(box=box(answer)))
        return Exchange(question, reply, picture(source_id))


class RankParts(PixelTask):
    name = "rank_parts"
    mode = "auto_think"
    styles = ("auto",)
    answer_type = "order"

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params]:
        combinations = [(quality, layout) for quality in QUALITIES for layout in (COLUMNS, BANDS, QUARTERS)]
        for quality, layout in draw.shuffled(combinations):
            yield {"quality": quality, "parts": SEPARATOR.join(draw.shuffled(layout))}

    def measure(self, params: Params, source: CotInput) -> Facts:
        pixels = source.picture()
        return {part: mean(params["quality"], cut(pixels, PARTS[part])) for part in names(params, "parts")}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        parts = names(params, "parts")
        order = ranked(facts, parts, QUALITIES[params["quality"]].margin * (0.8 if strict else 0.4))
        return order if isinstance(order, Abstain) else ", ".join(LETTERS[parts.index(part)] for part in order)

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        quality, parts = QUALITIES[params["quality"]], names(params, "parts")
        letters = dict(zip(LETTERS, parts, strict=False))
        chain = " < ".join(f"{letter} ({round(facts[letters[letter]])})" for letter in answer.split(", "))
        slots = {"noun": quality.noun, "scale": quality.scale, "n": len(parts), "chain": chain, "box": box(answer)}
        if _least_gap(facts) >= _APART * quality.margin:
            reply: Reply = AutoPlain(draw.choice(w.APART).format(**slots), answer)
        else:
            readings = [
                draw.choice(w.READINGS).format(letter=letter, part=part, value=round(facts[part]))
                for letter, part in letters.items()
            ]
            think = " ".join(
                [draw.choice(w.OPENINGS).format(**slots), *readings, draw.choice(w.SORTED).format(**slots)]
            )
            reply = AutoThinking(draw.choice(w.HARD).format(**slots), think, draw.choice(w.ANSWERS).format(**slots))
        return Exchange(draw.choice(w.RANKINGS).format(options=listed(parts), **slots), reply, picture(source_id))


def _least_gap(facts: Facts) -> float:
    """Between neighbours in their order."""
    return min(b - a for a, b in pairwise(sorted(facts.values())))
