"""A plugin file: the task family ``exposure``, is the picture bright or dark?

In a recipe: ``plugins: [examples/plugins/exposure_task.py]``; ``cot: {tasks: {exposure: 3}}`` asks it more often.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

import dataengine
from dataengine.cot.core.formats import Plain
from dataengine.cot.core.record import Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import Abstain, Exchange, Facts, Params, Task, picture

_QUESTIONS = ("Is this picture bright or dark?", "Would you call this picture bright, or dark?")
_ANSWERS = ("{}.", "It is {}.")


class Exposure(Task):
    """The mean of all values of a picture: above 128 it is bright, and close to it nobody is asked."""

    name = "exposure"
    mode = "non_thinking"
    styles = ("non_thinking",)
    answer_type = "word"
    capability = "attributes"
    tolerances = MappingProxyType({"brightness": 3.0})
    wordings = _QUESTIONS

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params]:
        return [{"part": "whole picture"}]

    def measure(self, params: Params, source: CotInput) -> Facts:
        return {"brightness": float(round(source.picture().mean()))}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        margin = 16 if strict else 8
        if abs(facts["brightness"] - 128) < margin:
            return Abstain("medium brightness")
        return "bright" if facts["brightness"] > 128 else "dark"

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        reply = Plain(draw.choice(_ANSWERS).format(answer).capitalize())
        return Exchange(draw.choice(_QUESTIONS), reply, picture(source_id))


TASKS: list[type[dataengine.Task]] = [Exposure]
