"""Whether an answer means the same as the expected one, by rule: what only a judge can say is not the same."""

from __future__ import annotations

import re
import unicodedata
from functools import partial

from dataengine.cot.replies.coordinates import same_places
from dataengine.cot.replies.counted_things import counted_other
from dataengine.cot.replies.expected import Expected, singular, words
from dataengine.cot.replies.formulas import is_formula, same_formula
from dataengine.cot.replies.number_words import roman
from dataengine.cot.replies.quantities import multiplied, plain, quantity, relative, same_quantity, unit_asked
from dataengine.cot.replies.times import is_time, same_span, same_time, seconds
from dataengine.cot.replies.units import UNITS
from dataengine.cot.replies.wrappers import bare
from dataengine.errors import InputError
from dataengine.text.bounded_json import parse_json

LEAST_ANLS = 0.9
"""Of a text in a picture with more than SHORT characters; a shorter one must be the same, and what is exact always."""
SHORT = 8
_DECIDES = re.compile(r"\d+|\b(?:no|not|never)\b")


def same(expected: Expected, candidate: str) -> bool:
    """``candidate`` is an answer by itself, as ``final_answer`` gives it."""
    candidate = bare(candidate)
    if not candidate:
        return False
    match expected.kind:
        case "choice":
            return candidate == expected.answer
        case "number":
            return _number(expected, candidate)
        case "order":
            return re.findall(r"[A-Z]", candidate) == re.findall(r"[A-Z]", expected.answer)
        case "box":
            return same_places(expected.answer, candidate, 4)
        case "point":
            return same_places(expected.answer, candidate, 2)
        case "span":
            return same_span(expected.answer, candidate)
        case "time":
            return same_time(expected.answer, candidate)
        case "list" | "set":
            return _items(expected, candidate)
        case "ocr":
            return _written(expected.answer, candidate)
        case _:
            return _words(expected, candidate)


def anls(a: str, b: str) -> float:
    """One less the edit distance by the longer length, over lower-case text with single spaces (Biten et al. 2019)."""
    a, b = (" ".join(text.lower().split()) for text in (a, b))
    if not a and not b:
        return 1.0
    if max(len(a), len(b)) > 2000:
        return float(a == b)
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (letter != other))
    return 1 - row[-1] / max(len(a), len(b))


def _number(expected: Expected, candidate: str) -> bool:
    question = expected.question
    if multiplied(candidate, question) or relative(candidate, question) or counted_other(plain(candidate), question):
        return False
    ours, theirs = quantity(expected.answer), quantity(roman(candidate) or candidate)
    if ours is not None and theirs is not None:
        return same_quantity(ours, theirs, question)
    timed = ours is not None and UNITS.get(ours.unit or unit_asked(question))
    if timed and timed.kind == "time" and ours is not None and (moment := seconds(candidate)) is not None:
        return moment == ours.value * timed.factor
    return _formulas(expected.answer, candidate)


def _words(expected: Expected, candidate: str) -> bool:
    answer = bare(expected.answer)
    if re.fullmatch(r"-?\d+(\.\d+)?", answer):
        return candidate.strip() == answer
    ours, theirs = words(answer), words(candidate)
    if ours and theirs:
        if ours == theirs or (not expected.vocabulary and singular(ours) == singular(theirs)):
            return expected.kind != "formula" or answer.lower() == candidate.lower() or not is_formula(answer)
    elif not ours:
        return answer == candidate.strip()
    value, other = quantity(answer), quantity(candidate)
    if value is not None and other is not None and (value.unit or not re.search(r"[A-Za-z]", answer)):
        return same_quantity(value, other, expected.question)
    if is_time(answer):
        return same_time(answer, candidate)
    return expected.kind in ("formula", "text", "word") and _formulas(answer, candidate)


def _formulas(answer: str, candidate: str) -> bool:
    if _squeezed(answer) == _squeezed(candidate):
        return True
    return (is_formula(answer) or is_formula(candidate)) and not _prose(candidate) and same_formula(answer, candidate)


def _prose(text: str) -> bool:
    """Whether a text has words of more than two letters that are no commands of LaTeX."""
    return len(re.findall(r"(?<![\\A-Za-z])[A-Za-z]{3,}", text)) > 2


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _items(expected: Expected, candidate: str) -> bool:
    """Lists item by item, sets in any order; items by words, or by value where they are numbers."""
    ours, theirs = _split(expected.answer), _split(candidate)
    if len(ours) != len(theirs):
        return False
    kind = partial(Expected, "word", question=expected.question)
    if expected.kind == "list":
        return all(_item(kind(a), b) for a, b in zip(ours, theirs, strict=True))
    left = list(theirs)
    for item in ours:
        match = next((one for one in left if _item(kind(item), one)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _item(expected: Expected, candidate: str) -> bool:
    a, b = quantity(expected.answer), quantity(candidate)
    return same_quantity(a, b) if a is not None and b is not None else _words(expected, bare(candidate))


def _split(text: str) -> list[str]:
    text = bare(text)
    if text.startswith(("[", "{")) and len(text) < 4000:
        try:
            value = parse_json(text)
        except InputError:
            value = None
        if isinstance(value, list):
            return [str(item) for item in value]
        text = text.strip("[]{}")
    parts = re.split(r"\s*[,;\n、，；|]\s*(?:and\s+)?|\s+and\s+|\s+&\s+", text)
    return [re.sub(r"^(?:[-*•]|\d{1,2}[.)])\s+", "", part).strip() for part in parts if part.strip()]


def _written(answer: str, candidate: str) -> bool:
    """Text in a picture: case and spacing do not count; digits, negations and characters without case do."""
    a, b = (" ".join(bare(text).lower().split()) for text in (answer, candidate))
    if a == b:
        return True
    return min(len(a), len(b)) > SHORT and _exact(a) == _exact(b) and anls(a, b) >= LEAST_ANLS


def _exact(text: str) -> tuple[list[str], list[str]]:
    """Runs of digits and negations, and characters of which each says something by itself: letters without case, and symbols."""
    return _DECIDES.findall(text), [letter for letter in text if unicodedata.category(letter) in ("Lo", "So")]
