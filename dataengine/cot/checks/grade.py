"""Grades a path A, B or C by rule, as in Keye-VL-1.5 (arXiv 2509.01563, the LongCoT pipeline).

A: the answer and the reasoning are right. B: the answer is right, the reasoning flawed. C: a wrong answer or not the exact
form of the mode; it is discarded.
"""

from __future__ import annotations

from dataclasses import dataclass

from dataengine.cot.checks.answers import answer_of, expected, matches
from dataengine.cot.checks.reasoning import flaws
from dataengine.cot.core import formats
from dataengine.cot.core.formats import IMAGE_MARK
from dataengine.cot.core.question import Question
from dataengine.cot.core.record import OBSERVATION, Grade
from dataengine.cot.replies.canonical import answer_section, canonical
from dataengine.cot.replies.final import final_answer


@dataclass(frozen=True)
class Graded:
    """``answer`` is the path's, empty where it gives none; ``words`` its length."""

    grade: Grade
    answer: str
    right: bool
    reasons: tuple[str, ...]
    words: int


def grade(question: Question, text: str, measured: bool = True) -> Graded:
    """A reply in the exact form of its mode, by rule. ``measured``: its numbers must be those of the facts, as a program's are;
    a model's are a matter for the judge. A model's right answer in a reply that lacks its reasoning is B."""
    words = len(text.split())
    try:
        reply = formats.parse(question.style, text)
        formats.to_blocks(text, pictures(question, text))
        _only_tools_show(reply, text)
    except formats.FormatError:
        return Graded("C", "", False, ("format",), words) if measured else _out_of_form(question, text, words)
    answer = answer_of(question, reply)
    reasons = tuple(flaws(question, reply, measured))
    if not matches(question, answer):
        return Graded("C", answer or "", False, ("answer", *reasons), words)
    return Graded("B" if reasons else "A", answer or "", True, reasons, words)


def read(question: Question, text: str, reasoning: str = "") -> str:
    """A model's reply in the exact form of its mode, the text itself where it cannot be brought to it (``replies.canonical``).
    ``reasoning``: what the server tells apart."""
    return canonical(question.style, expected(question), text, reasoning)


def in_form(question: Question, text: str) -> bool:
    """Whether a reply has the exact form of its mode, pictures included."""
    try:
        reply = formats.parse(question.style, text)
        _only_tools_show(reply, text)
    except formats.FormatError:
        return False
    return True


def _out_of_form(question: Question, text: str, words: int) -> Graded:
    """A reply that cannot be brought to its form: for a person where its answer is right, as only reasoning is missing."""
    if question.style in ("thinking", "auto") and IMAGE_MARK not in text:
        answer = final_answer(expected(question), answer_section(question.style, text))
        if answer is not None and matches(question, answer):
            return Graded("B", answer, True, ("format",), words)
    return Graded("C", "", False, ("format",), words)


def guessed_right(question: Question, text: str) -> bool:
    """Grades a text-only baseline: whether a guess of a few words is the answer."""
    if matches(question, text.strip().removesuffix(".")):
        return True
    try:
        return matches(question, answer_of(question, formats.Plain(text)))
    except formats.FormatError:
        return False


def _only_tools_show(reply: formats.Reply, text: str) -> None:
    """A picture stands where a tool has given it. Raises FormatError."""
    shown = sum(s.output == formats.IMAGE_MARK for s in reply.steps) if isinstance(reply, formats.Agentic) else 0
    if shown != text.count(formats.IMAGE_MARK):
        raise formats.FormatError.because("a place for a picture that no tool has given")


def pictures(question: Question, text: str) -> list[str]:
    """References of the pictures in a reply: all that its tools have given, after the question's own. Other replies show none."""
    if question.style != "agentic":
        return []
    return [f"{OBSERVATION}{question.shown + i}" for i in range(text.count(formats.IMAGE_MARK))]
