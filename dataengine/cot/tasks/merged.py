"""Tasks that merge several questions about one sample into one instruction with an answer to each: step 1 of Keye-VL-1.5's
LongCoT pipeline (arXiv 2509.01563). The questions are those of the source, or those that a model has proposed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Literal

from dataengine.cot.core.formats import Plain
from dataengine.cot.core.record import AnswerType, Mode, Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import Abstain, Exchange, Facts, Params
from dataengine.cot.tasks.from_source import FromSource, unfit

Origin = Literal["given", "agreed"]
_LEAST, _MOST, _WORDS = 2, 3, 4
"""Questions of one instruction, and words of an answer."""
_SEPARATORS = re.compile(r"[,;|\n、，；&]|\band\b")
_WORDINGS = (
    "Answer these questions in their order, with a semicolon between the answers.\n{questions}",
    "Work through the following and give one answer each, in order, separated by semicolons.\n{questions}",
    "Look closely and answer all of these. List the answers in order; put semicolons between them.\n{questions}",
    "Several things are asked about this {kind}. Give all answers in one line, in order, with semicolons.\n{questions}",
    "Complete these tasks one after another; end with all answers, separated by semicolons.\n{questions}",
    "For this {kind}, find out each of the following. Write the answers in order with semicolons between them.\n{questions}",
    "Go through these questions step by step and close with the list of answers, semicolons between.\n{questions}",
    "Here are {n} questions about one {kind}. Answer every one, in order, separated by semicolons.\n{questions}",
    "Fill in this list for the {kind}: one short answer a line's question, all in one line with semicolons.\n{questions}",
    "A form about this {kind} has {n} fields. Give their values in order, with semicolons.\n{questions}",
    "Check each point below against the {kind} and report the results in order, separated by semicolons.\n{questions}",
    "Do not leave any of these out. Answer in order and separate the answers with semicolons.\n{questions}",
)


class Merged(FromSource):
    """``origin``: where the questions are from, and the basis of the answers."""

    answer_type: AnswerType = "list"  # type: ignore[misc]

    def __init__(self, name: str, mode: Mode, styles: tuple[Style, ...], origin: Origin) -> None:
        super().__init__(name, mode, styles)
        self.basis = origin  # type: ignore[misc]

    def takes(self, source: CotInput) -> bool:
        return super().takes(source) and len(self._mergeable(source)) >= _LEAST

    def programs(self, style: Style) -> bool:
        return style == "non_thinking"

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        chosen = draw.shuffled(self._mergeable(source))[: _LEAST + draw.below(_MOST - _LEAST + 1)]
        if len(chosen) < _LEAST:
            return Abstain("too few questions to merge")
        questions = "\n".join(f"{n}. {question}" for n, (question, _) in enumerate(chosen, 1))
        kind = "video" if self.kind == "video" else "picture"
        text = draw.choice(_WORDINGS).format(questions=questions, kind=kind, n=len(chosen))
        answers = "; ".join(answer for _, answer in chosen)
        parts = json.dumps([question for question, _ in chosen], ensure_ascii=False)
        params = {"question": text, "answer": answers, "merged": parts, "answer_type": self.answer_type}
        return [params | self._shown(source, draw)]

    def measure(self, params: Params, source: CotInput) -> Facts | Abstain:
        return self._other_frames(params, source) or {"merged": float(len(json.loads(params["merged"])))}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        return params["answer"]

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        return Exchange(params["question"], Plain(answer), self._blocks(source_id, params))

    def _mergeable(self, source: CotInput) -> list[tuple[str, str]]:
        """Questions with short answers that a list can hold."""
        pairs = [(p.question, p.answer) for p in source.pairs if not p.problem and not p.choices]
        proposed = [(p.question, p.answer) for p in source.proposals if not p.unsettled and not p.choices]
        chosen = pairs if self.basis == "given" else proposed
        return [(q, a) for q, a in dict(chosen).items() if _fits(a) and "\n" not in q and not unfit(q, a)]


def _fits(answer: str) -> bool:
    return len(answer.split()) <= _WORDS and not _SEPARATORS.search(answer)


def families() -> list[Merged]:
    """Of both origins in each mode that closes with an answer of its own."""
    modes: tuple[tuple[str, Mode, tuple[Style, ...]], ...] = (
        ("", "non_thinking", ("non_thinking",)),
        ("_reasoned", "thinking", ("thinking",)),
        ("_video", "video", ("thinking", "non_thinking")),
    )
    origins: tuple[tuple[str, Origin], ...] = (("given", "given"), ("asked", "agreed"))
    return [
        Merged(f"merged_{name}{suffix}", mode, styles, origin)
        for name, origin in origins
        for suffix, mode, styles in modes
    ]
