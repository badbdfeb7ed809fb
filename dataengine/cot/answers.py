r"""What a reply answers, and whether it is the answer: by rule, no model asked.

A boxed answer is taken from its box. A plain one is looked for among the words that the question can be answered with, so
two of them in one sentence are no answer at all.
"""

from __future__ import annotations

import re

from dataengine.cot.colours import COLOURS
from dataengine.cot.formats import AutoPlain, Plain, Reply, boxed
from dataengine.cot.modes.locate_cell import CELLS, label
from dataengine.cot.record import Record
from dataengine.cot.task import LETTERS

_CLOSED = (
    frozenset({"yes", "no"}),
    frozenset(COLOURS),
    frozenset({"portrait", "landscape", "square"}),
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_ORDER = re.compile(rf"\b[{LETTERS}](?:\s*[,<>\-–→ ]\s*[{LETTERS}])+\b")


def answer_of(record: Record, reply: Reply) -> str | None:
    """What the reply says, or None where it says nothing or more than one thing."""
    inside = boxed(reply)
    if inside is not None:
        return inside.strip()
    return _plain(record, reply.text) if isinstance(reply, Plain | AutoPlain) else None


def matches(record: Record, said: str | None) -> bool:
    """Is it the record's answer? Numbers by value, orders by their letters, choices by letter or by the option's words."""
    if said is None:
        return False
    kind, answer = record.answer_type, record.answer
    if kind == "number":
        return bool(_NUMBER.fullmatch(said.strip())) and float(said) == float(answer)
    if kind == "order":
        return re.findall(rf"[{LETTERS}]", said) == re.findall(rf"[{LETTERS}]", answer)
    if kind == "box":
        return said.strip() == answer
    if kind == "choice":
        letter = re.fullmatch(rf"\(?([{LETTERS}])\b[.)]?.*", said.strip(), re.DOTALL)
        return letter[1] == answer if letter else _words(said) == _words(options(record).get(answer, answer))
    return _words(said) == _words(answer)


def options(record: Record) -> dict[str, str]:
    """The options of a choice by letter; none for other questions."""
    parts = record.asked.get("parts", "").split("|")
    return dict(zip(LETTERS, parts, strict=False)) if record.answer_type in ("choice", "order") else {}


def others(record: Record) -> list[str]:
    """Wrong answers of the same kind, in a fixed order."""
    answer = record.answer
    if record.answer_type == "number":
        return [str(int(answer) + 1), str(int(answer) + 2)]
    if record.answer_type == "order":
        letters = answer.split(", ")
        return [", ".join([letters[-1], *letters[:-1]]), ", ".join([*letters[1:], letters[0]])]
    if record.answer_type == "choice":
        return [letter for letter in options(record) if letter != answer]
    if record.answer_type == "box":
        return sorted({label(cell) for cell in CELLS} - {answer})
    return sorted(alike(record) - {answer}) or [answer[1:] + answer[0]]


def alike(record: Record) -> frozenset[str]:
    """The words that such a question can be answered with; the answer alone where they are without number."""
    return next((words for words in _CLOSED if record.answer in words), frozenset({record.answer}))


def _plain(record: Record, text: str) -> str | None:
    if record.answer_type == "number":
        found = set(_NUMBER.findall(text))
    elif record.answer_type == "order":
        found = set(_ORDER.findall(text))
    else:
        found = set(_words(text).split()) & alike(record)
    return found.pop() if len(found) == 1 else None


def _words(text: str) -> str:
    return " ".join(re.findall(r"[\w-]+", text.lower().removeprefix("the ")))
