"""Argmax and argmin questions: which of several parts has most or least of a quality."""

from __future__ import annotations

from dataengine.cot.core.formats import box
from dataengine.cot.core.measure import QUALITIES
from dataengine.cot.tasks.base import LETTERS, Abstain, Facts, Params, names

Words = dict[str, str | int]


def leaders(params: Params, facts: Facts) -> tuple[str, str]:
    """The part that wins and the one after it."""
    order = sorted(names(params, "parts"), key=lambda part: (facts[part], part), reverse=params["end"] == "highest")
    return order[0], order[1]


def winner(params: Params, facts: Facts, strict: bool) -> str | Abstain:
    """Letter of the part that wins by the quality's margin, or by half of it."""
    best, second = leaders(params, facts)
    if abs(facts[best] - facts[second]) < margin(params, strict):
        return Abstain("too close")
    return LETTERS[names(params, "parts").index(best)]


def margin(params: Params, strict: bool) -> float:
    """Least difference between two means of the quality."""
    return QUALITIES[params["quality"]].margin * (1.0 if strict else 0.5)


def words(params: Params, facts: Facts, answer: str) -> Words:
    """Values for the slots of the question's templates."""
    quality, (best, second) = QUALITIES[params["quality"]], leaders(params, facts)
    return {
        "noun": quality.noun,
        "scale": quality.scale,
        "extreme": quality.most if params["end"] == "highest" else quality.least,
        "end": params["end"],
        "part": best,
        "second": second,
        "value": round(facts[best]),
        "other": round(facts[second]),
        "gap": round(abs(facts[best] - facts[second])),
        "letter": answer,
        "box": box(answer),
    }
