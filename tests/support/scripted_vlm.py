"""A vision-language model by script, behind ``chat_server``: it proposes questions, answers them with and without the picture in
the styles that real models reply in, and judges them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dataengine.testing import Body, Turn

STYLES: tuple[Callable[[str], str], ...] = (
    lambda answer: f"I look at it closely, part by part.\n\\boxed{{{answer}}}",
    lambda answer: f"<think>Let me see what is there.</think>\nThe answer is {answer}.",
    lambda answer: f"Looking from left to right, I can tell.\n\n**{answer}**",
    lambda answer: f"What matters is in the middle of it. \\boxed{{{answer}}} as asked.",
)


@dataclass(frozen=True)
class Scripted:
    """A question: what the model proposes as ``answer``, what it ``says`` when it sees the picture, one after another, and when
    it does not (``guesses``), and whether a judge finds it valid."""

    question: str
    answer: str
    says: tuple[str, ...]
    guesses: tuple[str, ...] = ("no idea",)
    capability: str = "objects"
    choices: tuple[str, ...] = ()
    valid: bool = True

    @property
    def fields(self) -> dict[str, Any]:
        return {
            "capability": self.capability,
            "question": self.question,
            "answer": self.answer,
            "choices": list(self.choices),
        }


@dataclass
class ScriptedVlm:
    """Call it with the body of a request. ``asked`` counts requests by kind; ``raw`` replaces the reply to a request for
    questions; ``fails``: kinds of which every request is answered with a status of 500."""

    questions: tuple[Scripted, ...]
    raw: str | None = None
    fails: frozenset[str] = frozenset()
    asked: dict[str, int] = field(default_factory=dict)
    _turns: dict[tuple[str, str], int] = field(default_factory=dict)

    def __call__(self, body: Body) -> Turn:
        kind, one = self._kind(body)
        self.asked[kind] = self.asked.get(kind, 0) + 1
        if kind in self.fails:
            return Turn(status=500)
        if kind == "propose":
            return Turn(text=self.raw or json.dumps({"questions": [q.fields for q in self.questions]}))
        if one is None:
            return Turn(text="no idea")
        if kind == "judge":
            return Turn(text=json.dumps({"valid": one.valid, "reason": "not so", "score": 4}))
        number = self._turns[kind, one.question] = self._turns.get((kind, one.question), -1) + 1
        if kind == "guess":
            return Turn(text=one.guesses[number % len(one.guesses)])
        return Turn(text=STYLES[number % len(STYLES)](one.says[number % len(one.says)]))

    def _kind(self, body: Body) -> tuple[str, Scripted | None]:
        blocks = [block for message in body["messages"] for block in _blocks(message)]
        text = " ".join(block["text"] for block in blocks if block["type"] == "text")
        seen = any(block["type"] == "image_url" for block in blocks)
        one = next((q for q in self.questions if q.question in text), None)
        if "You write questions" in text:
            return "propose", None
        if "Judge a question" in text:
            return "judge", one
        return ("sample" if seen else "guess"), one


def _blocks(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
