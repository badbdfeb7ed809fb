"""Task of text-only long chains of thought, which a source brings with question, reasoning and answer; asked of no sample."""

from __future__ import annotations

from collections.abc import Iterable

from dataengine.cot.core.formats import Plain
from dataengine.cot.core.record import AnswerType, Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import Abstain, Exchange, Facts, Params, Task

TEXT_TASK = "text_reasoning"


class TextReasoning(Task):
    """The answer is the source's; a check can only say that the reply agrees with it."""

    name = TEXT_TASK
    mode = "thinking"
    kind = "text"
    styles = ("thinking",)
    family = "text"
    capability = "source"
    answer_type = "text"
    basis = "given"

    def programs(self, style: Style) -> bool:
        return False

    def type_of(self, params: Params) -> AnswerType:
        return params["answer_type"]  # type: ignore[return-value]

    def parents(self, source_id: str, params: Params) -> tuple[str, ...]:
        return ()

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        return Abstain("no text")

    def measure(self, params: Params, source: CotInput) -> Facts | Abstain:
        return {"given": 1.0}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        return params["answer"]

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        return Exchange(params["question"], Plain(answer))
