r"""Extracts the answer of a reply and compares it with the question's: exact-match grading by rule.

A boxed answer comes from its box. A plain one is looked for among the words that the question can be answered with; two of them
in one sentence are no answer at all.
"""

from __future__ import annotations

import json
import re

from dataengine.cot.core.formats import AutoPlain, Plain, Reply, boxed
from dataengine.cot.core.question import Question
from dataengine.cot.tasks.base import LETTERS
from dataengine.cot.tasks.colours import COLOURS
from dataengine.cot.tasks.locate_cell import CELLS, label

_CLOSED = (
    frozenset({"yes", "no"}),
    frozenset(COLOURS),
    frozenset({"portrait", "landscape", "square"}),
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_LEADING = re.compile(rf"\(?([{LETTERS}])(?:[.):]|$)")
_NAMED = re.compile(rf"\b(?:[Oo]ption|[Cc]andidate|[Aa]nswer(?: is|:)) \(?([{LETTERS}])\b")
_ORDER = re.compile(rf"\b[{LETTERS}](?:(?:\s*+[,<>\-–→]\s*+|[^\S ]*+ \s*+)[{LETTERS}])+\b")
"""Between two letters a separator, or white space with a space in it; possessive, so that long runs take linear time."""


def answer_of(question: Question, reply: Reply) -> str | None:
    """The answer of a reply, or None where it gives none or more than one."""
    inside = boxed(reply)
    if inside is not None:
        return inside.strip()
    return _plain(question, reply.text) if isinstance(reply, Plain | AutoPlain) else None


def matches(question: Question, candidate: str | None) -> bool:
    """Whether a candidate is the question's answer: numbers by value, orders by their letters, choices by letter or words."""
    if candidate is None:
        return False
    kind, answer = question.answer_type, question.answer
    if kind == "number":
        return bool(_NUMBER.fullmatch(candidate.strip())) and float(candidate) == float(answer)
    if kind == "order":
        return re.findall(rf"[{LETTERS}]", candidate) == re.findall(rf"[{LETTERS}]", answer)
    if kind == "box":
        return candidate.strip() == answer
    if kind == "choice":
        letter = re.fullmatch(rf"\(?([{LETTERS}])\b[.)]?.*", candidate.strip(), re.DOTALL)
        return letter[1] == answer if letter else _words(candidate) == _words(options(question).get(answer, answer))
    if kind == "word" and re.fullmatch(r"-?\d+(\.\d+)?", answer):
        return candidate.strip() == answer
    return _words(candidate) == _words(answer)


def options(question: Question) -> dict[str, str]:
    """The options of a choice by letter; none for other questions."""
    if "choices" in question.parameters:
        return dict(zip(LETTERS, json.loads(question.parameters["choices"]), strict=False))
    if "parts" not in question.parameters:
        return {letter: f"candidate {letter}" for letter in LETTERS if letter in question.facts}
    parts = question.parameters["parts"].split("|")
    return dict(zip(LETTERS, parts, strict=False)) if question.answer_type in ("choice", "order") else {}


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
    if question.basis == "given":
        return ["something else"]
    return sorted(answer_vocabulary(question) - {answer}) or [answer[1:] + answer[0]]


def answer_vocabulary(question: Question) -> frozenset[str]:
    """The words that such a question can be answered with; the answer alone where they are without number."""
    return next((words for words in _CLOSED if question.answer in words), frozenset({question.answer}))


def _plain(question: Question, text: str) -> str | None:
    if question.answer_type == "number":
        answers = set(_NUMBER.findall(text))
    elif question.answer_type == "order":
        answers = set(_ORDER.findall(text))
    elif question.answer_type == "text":
        return text.strip()
    elif question.answer_type == "choice":
        return _picked(question, text)
    elif question.basis == "given":
        return question.answer if f" {_words(question.answer)} " in f" {_words(text)} " else None
    else:
        answers = set(_words(text).split()) & answer_vocabulary(question)
    return answers.pop() if len(answers) == 1 else None


def _picked(question: Question, text: str) -> str | None:
    """The letter that a sentence begins with or names as the option, else the one option whose words it holds."""
    if match := _LEADING.match(text.strip()) or _NAMED.search(text):
        return match[1]
    letters = [letter for letter, words in options(question).items() if f" {_words(words)} " in f" {_words(text)} "]
    return letters[0] if len(letters) == 1 else None


def _words(text: str) -> str:
    return " ".join(re.findall(r"[\w-]+", text.lower().removeprefix("the ")))
