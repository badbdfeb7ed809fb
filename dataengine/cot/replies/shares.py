"""Shares in words where a question asks for one: "half of them" to "what percentage is red?"."""

from __future__ import annotations

import re
from fractions import Fraction

from dataengine.cot.replies.affirmed import affirmed
from dataengine.cot.replies.expected import Expected, listed, singular, words
from dataengine.cot.replies.number_words import with_digits

_PER_CENT = re.compile(r"(?i)\bper ?cent(?:age)?s?\b|%")
_FRACTION = re.compile(r"(?i)\b(?:fraction|proportion|share|portion)\b|\b(?:what|which) part of\b")
_SHARE = re.compile(
    r"(?i)(?:(?:about|exactly|roughly|around|approximately|it is|it's|that is|that's|this is|the answer is)\s){0,3}"
    r"(?P<share>half|all|none|\d{1,3}/\d{1,3})(?P<rest>(?:\s(?:of\s)?[a-z ]{1,80})?)\.?"
)
_VALUES = {"half": Fraction(1, 2), "all": Fraction(1), "none": Fraction(0)}
_FILLERS = listed("of is are was were it them they there one that this these those in on at have has do be")


def share_of(expected: Expected, text: str) -> str | None:
    """A share in words or as a fraction, as per cent or a fraction by what is asked; None where a text says something else, of
    which more than the question's own words are a sign."""
    per_cent = bool(_PER_CENT.search(expected.question) or "%" in expected.answer)
    if not per_cent and not _FRACTION.search(expected.question):
        return None
    match = _SHARE.fullmatch(with_digits(text.replace("’", "'").strip()))
    if match is None or affirmed(text).strip() != text.replace("’", "'").strip():
        return None
    question_words = {singular(word) for word in words(expected.question).split()} | _FILLERS
    if not all(singular(word) in question_words or word in question_words for word in words(match["rest"]).split()):
        return None
    value = _VALUES.get(match["share"].lower())
    if value is None:
        above, below = map(int, match["share"].split("/"))
        if not below:
            return None
        value = Fraction(above, below)
    if not per_cent:
        return str(value)
    places = len(expected.answer.partition(".")[2].rstrip("% "))
    return f"{float(round(value * 100, places)):g}%"
