"""The one answer in a few words or a sentence, by the kind of the question; None where it gives none or more than one."""

from __future__ import annotations

import re

from dataengine.cot.replies.affirmed import settled, without_aside
from dataengine.cot.replies.choice_answers import choice, order
from dataengine.cot.replies.coordinates import label_of
from dataengine.cot.replies.expected import Expected
from dataengine.cot.replies.number_answers import number
from dataengine.cot.replies.number_words import with_digits
from dataengine.cot.replies.word_answers import word
from dataengine.cot.replies.wrappers import bare

_READS = re.compile(
    r"(?is)(?:(?:the|this|that) (?:\w{1,20} ){1,3}|it )(?:reads|says|shows|is)[:,]?\s{1,3}[\"“]([^\"“”]{1,2000})[\"”]"
)
_LONGEST = 4000


def pick(expected: Expected, text: str) -> str | None:
    """The answer as it would stand in a box."""
    text = bare(text)
    if expected.kind == "number" or {"yes", "no"} <= expected.vocabulary:
        text = _without_aside(text)
    if expected.kind in ("choice", "number", "order", "word"):
        text = settled(text)
    if not text or len(text) > _LONGEST:
        return None
    match expected.kind:
        case "choice":
            return choice(expected, text)
        case "number":
            return number(expected, text)
        case "order":
            return order(expected, text)
        case "box":
            return label_of(text, 4)
        case "point":
            return label_of(text, 2)
        case "word":
            return word(expected, text)
        case "ocr" if (read := _READS.fullmatch(text)) and '"' not in expected.answer and "“" not in expected.answer:
            return read[1]
        case _:
            return text


def _without_aside(text: str) -> str:
    digits = with_digits(text) if len(text) <= _LONGEST else text
    short = without_aside(digits)
    return text if short == digits else short
