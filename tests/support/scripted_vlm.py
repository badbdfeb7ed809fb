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
        if kind == "path":
            return Turn(text=in_form(_text(body), one.says[0]))
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
        if "The question:" in text:
            return "path", one
        return ("sample" if seen else "guess"), one


def in_form(prompt: str, answer: str) -> str:
    """A reply in the form that a teacher's prompt asks for; in thinking with images, the turn before the program has run."""
    closing = f"<answer>So it is \\boxed{{{answer}}}</answer>"
    if "fenced program" in prompt:
        return "<think>I enlarge it.\n```python\nimage.crop((0, 0, image.width // 2, image.height // 2)).save('a')\n```"
    if "/no_think mode" in prompt:
        return f"<analysis>A glance is enough. Therefore, /no_think mode is more appropriate.</analysis> {answer}"
    if "No reasoning" in prompt:
        return f"{answer}."
    return f"<think>I look at what is shown, part by part.</think> {closing}"


def _text(body: Body) -> str:
    return " ".join(b["text"] for m in body["messages"] for b in _blocks(m) if b["type"] == "text")


def _blocks(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
