"""Grounding task: which cell of a grid has most or least of a quality, answered with its box."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from dataengine.cot.core import grounding
from dataengine.cot.core.formats import Thinking, box
from dataengine.cot.core.measure import QUALITIES, cut, mean
from dataengine.cot.core.record import Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import Abstain, Exchange, Facts, Params, PixelTask, picture

ROWS = 3
_EDGES = [1000 * i // ROWS for i in range(ROWS + 1)]
CELLS = {
    f"row {row + 1}, column {column + 1}": (_EDGES[column], _EDGES[row], _EDGES[column + 1], _EDGES[row + 1])
    for row, column in product(range(ROWS), repeat=2)
}

_QUESTIONS = (
    "Divide the picture into a grid of 3 × 3 equal cells. Which cell is the {extreme} on average? Answer with its box.",
    "Lay a grid of 3 × 3 cells over the picture and average each cell. Give the bounding box of the {extreme} one.",
    "Of the 3 × 3 equal cells of this picture, mark the one that is the {extreme} on average with a box.",
)
_OPENINGS = (
    "I estimate the {noun} of every cell, where {scale}, row by row.",
    "What counts is {noun} ({scale}). Cell by cell, from the top left:",
)
_CLOSINGS = (
    "The {end} value is {value}, in {cell}; the next is {other}.",
    "{value} is the {end} of these. It belongs to {cell}, and {other} comes after it.",
)
_ANSWERS = ("The {extreme} cell is {cell}: {box}", "It is the cell in {cell}. {box}")


class LocateCell(PixelTask):
    name = "locate_cell"
    mode = "thinking"
    styles = ("thinking",)
    answer_type = "box"

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params]:
        for quality, end in draw.shuffled([(q, end) for q in QUALITIES for end in ("highest", "lowest")]):
            yield {"quality": quality, "end": end}

    def measure(self, params: Params, source: CotInput) -> Facts:
        pixels = source.picture()
        return {name: mean(params["quality"], cut(pixels, edges)) for name, edges in CELLS.items()}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        best, second = _order(params, facts)[:2]
        if abs(facts[best] - facts[second]) < QUALITIES[params["quality"]].margin * (1.0 if strict else 0.5):
            return Abstain("too close")
        return label(best)

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        quality, (best, second) = QUALITIES[params["quality"]], _order(params, facts)[:2]
        slots = {"noun": quality.noun, "scale": quality.scale, "end": params["end"], "cell": best, "box": box(answer)}
        slots |= {"value": str(round(facts[best])), "other": str(round(facts[second]))}
        slots["extreme"] = quality.most if params["end"] == "highest" else quality.least
        readings = "; ".join(f"{name}: {round(value)}" for name, value in facts.items())
        think = f"{draw.choice(_OPENINGS).format(**slots)} {readings}. {draw.choice(_CLOSINGS).format(**slots)}"
        reply = Thinking(think, draw.choice(_ANSWERS).format(**slots))
        return Exchange(draw.choice(_QUESTIONS).format(**slots), reply, picture(source_id))


def label(cell: str) -> str:
    """The box of a cell, as a grounding label."""
    return grounding.Label("box", (tuple(min(n, grounding.SIDE - 1) for n in CELLS[cell]),)).render()


def _order(params: Params, facts: Facts) -> list[str]:
    return sorted(facts, key=lambda name: (facts[name], name), reverse=params["end"] == "highest")
