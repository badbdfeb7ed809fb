"""The answer of a reply to a question, and whether it is right by rule; what a question's answer could be instead."""

from __future__ import annotations

import json

from dataengine.cot.core.formats import AutoPlain, Plain, Reply, boxed
from dataengine.cot.core.question import Question
from dataengine.cot.replies.expected import Expected
from dataengine.cot.replies.final import final_answer
from dataengine.cot.replies.picked import pick
from dataengine.cot.replies.same import same
from dataengine.cot.tasks.base import LETTERS
from dataengine.cot.tasks.colours import COLOURS
from dataengine.cot.tasks.locate_cell import CELLS, label

_CLOSED = (
    frozenset({"yes", "no"}),
    frozenset(COLOURS),
    frozenset({"portrait", "landscape", "square"}),
)


def answer_of(question: Question, reply: Reply) -> str | None:
    """The answer of a reply, or None where it gives none or more than one."""
    inside = boxed(reply)
    if inside is not None:
        return final_answer(expected(question), reply.answer if not isinstance(reply, Plain | AutoPlain) else inside)
    return final_answer(expected(question), reply.text) if isinstance(reply, Plain | AutoPlain) else None


def matches(question: Question, candidate: str | None) -> bool:
    """Whether a candidate means the question's answer (``replies.same``)."""
    return candidate is not None and same(expected(question), _alone(question, candidate))


def expected(question: Question) -> Expected:
    """What replies to a question are compared with."""
    known = (
        answer_vocabulary(question)
        if question.basis not in ("given", "agreed") or question.answer.lower() in ("yes", "no")
        else None
    )
    words = known if known and len(known) > 1 else frozenset[str]()
    return Expected(question.answer_type, question.answer, options(question), words, question.text)


def _alone(question: Question, candidate: str) -> str:
    return pick(expected(question), candidate) or candidate


def options(question: Question) -> dict[str, str]:
    """The options of a choice by letter; none for other questions."""
    if "choices" in question.parameters:
        return dict(zip(LETTERS, json.loads(question.parameters["choices"]), strict=False))
    if "parts" not in question.parameters:
        return {letter: f"candidate {letter}" for letter in LETTERS if letter in question.facts}
    parts = question.parameters["parts"].split("|")
    return dict(zip(LETTERS, parts, strict=False)) if question.answer_type in ("choice", "order") else {}


NO_OTHER = "something else"
"""Stands for a wrong answer where none of the same kind is known."""


def wrong_answers(question: Question) -> list[str]:
    """Wrong answers of the same kind, in a fixed order."""
    answer = question.answer
    if question.answer_type == "number":
        whole = int(float(answer))
        return [str(whole + 1), str(whole + 2)]
    if question.answer_type == "order":
        letters = answer.split(", ")
        return [", ".join([letters[-1], *letters[:-1]]), ", ".join([*letters[1:], letters[0]])]
    if question.answer_type == "choice":
        return [letter for letter in options(question) if letter != answer]
    if question.answer_type == "box":
        return sorted({label(cell) for cell in CELLS} - {answer})
    if question.basis in ("given", "agreed", "constructed"):
        return [NO_OTHER]
    return sorted(answer_vocabulary(question) - {answer}) or [answer[1:] + answer[0]]


def answer_vocabulary(question: Question) -> frozenset[str]:
    """The words that such a question can be answered with; the answer alone where they are without number."""
    return next((words for words in _CLOSED if question.answer in words), frozenset({question.answer}))
