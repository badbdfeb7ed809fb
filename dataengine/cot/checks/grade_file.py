"""Grades replies of one's own, one JSON object a line: a question, its answer, and a reply as a model server gave it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import ValidationError

from dataengine.cot.checks.grade import grade, read
from dataengine.cot.core.question import Question
from dataengine.cot.tasks.base import LETTERS
from dataengine.cot.tasks.from_source import lettered
from dataengine.errors import InputError
from dataengine.models.serving.messages import TextBlock
from dataengine.text.bounded_json import parse_json

_FIELDS = {"question", "answer", "answer_type", "choices", "style", "reply", "id", "expect", "note"}
_WORD_LIMIT = 3
_MODES = {"thinking": "thinking", "non_thinking": "non_thinking", "auto": "auto_think", "agentic": "think_with_image"}


@dataclass(frozen=True)
class GradedLine:
    """``text``: the reply in the exact form of its style, or as it came. ``expect``: the grade that the line says it should
    have, empty where it says none. ``error``: why the line cannot be graded; then the other fields are empty."""

    id: str
    grade: str = ""
    answer: str = ""
    right: bool = False
    reasons: tuple[str, ...] = ()
    text: str = ""
    expect: str = ""
    error: str = ""

    @property
    def unexpected(self) -> bool:
        """Whether the line cannot be graded, or has another grade than it says."""
        return bool(self.error) or self.expect not in ("", self.grade)

    @property
    def complaint(self) -> str:
        """What is unexpected, for a person."""
        return f"line {self.id}: {self.error or f'graded {self.grade}, expected {self.expect}'}"

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "reasons": list(self.reasons)}, ensure_ascii=False)


def graded_lines(lines: Iterable[str]) -> Iterator[GradedLine]:
    """The grade of each line that is not blank; a line that cannot be read has an ``error``."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield graded_line(parse_json(line), str(number))
            except InputError as error:
                yield GradedLine(str(number), error=error.message)


def graded_line(row: Any, name: str) -> GradedLine:
    """``name`` stands for an ``id`` that the line lacks. Raises InputError for fields that are missing, unknown or of another
    type."""
    if not isinstance(row, Mapping):
        raise InputError("bad_line", "not a JSON object")
    if unknown := sorted(set(row) - _FIELDS):
        raise InputError("bad_line", f"unknown field {unknown[0]!r}; known: {', '.join(sorted(_FIELDS))}")
    question = question_of(row)
    text = read(question, *_reply(row.get("reply")))
    graded = grade(question, text, measured=False)
    name, expect = str(row.get("id", name)), str(row.get("expect", ""))
    return GradedLine(name, graded.grade, graded.answer, graded.right, graded.reasons, text, expect)


def question_of(row: Mapping[str, Any]) -> Question:
    """The question of a line. Raises InputError."""
    text, style, choices = row.get("question", ""), row.get("style", "thinking"), row.get("choices") or []
    answer = row.get("answer")
    if isinstance(answer, list):
        answer = json.dumps(answer, ensure_ascii=False)
    if not isinstance(text, str) or not isinstance(answer, str | int | float) or not str(answer).strip():
        raise InputError("bad_line", "`question` must be a text and `answer` a text, number or list")
    if style not in _MODES:
        raise InputError("bad_line", f"`style` must be one of {', '.join(_MODES)}, not {style!r}")
    if not isinstance(choices, list) or not all(isinstance(c, str) for c in choices) or len(choices) > len(LETTERS):
        raise InputError("bad_line", f"`choices` must be a list of at most {len(LETTERS)} texts")
    answer_type = row.get("answer_type") or _type(str(answer), choices)
    parameters = {"question": text} | ({"choices": json.dumps(choices, ensure_ascii=False)} if choices else {})
    fields = {
        "id": "0" * 32,
        "mode": _MODES[style],
        "task": "given_reasoned",
        "style": style,
        "family": "picture",
        "difficulty": "medium",
        "seed": 0,
        "parents": ("0" * 32,),
        "content": (TextBlock(text=f"{text}\n{lettered(choices)}" if choices else text or "?"),),
        "answer": str(answer).strip(),
        "answer_type": answer_type,
        "basis": "given",
        "parameters": parameters,
        "facts": {"given": 1.0},
    }
    try:
        return Question.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError("bad_line", f"`{'.'.join(map(str, first['loc']))}`: {first['msg']}") from None


def _reply(reply: Any) -> tuple[str, str]:
    """``(text, reasoning)`` of a text, a message, or a chat completion."""
    if isinstance(reply, str):
        return reply, ""
    if isinstance(reply, Mapping) and isinstance(reply.get("choices"), list) and reply["choices"]:
        first = reply["choices"][0]
        return _reply(first.get("message") if isinstance(first, Mapping) else None)
    if isinstance(reply, Mapping):
        text, reasoning = reply.get("content") or "", reply.get("reasoning_content") or reply.get("reasoning") or ""
        if isinstance(text, str) and isinstance(reasoning, str):
            return text, reasoning
    raise InputError("bad_line", "`reply` must be a text, a message with `content`, or a chat completion")


def _type(answer: str, choices: list[str]) -> str:
    if choices:
        return "choice"
    if answer.replace(".", "", 1).removeprefix("-").isdigit():
        return "number"
    return "word" if len(answer.split()) <= _WORD_LIMIT else "text"
