"""Sums that a reply writes out: the result of "5 - 2 = 3", where the sum is right."""

from __future__ import annotations

import re
from fractions import Fraction

from dataengine.cot.replies.quantities import quantity

_OPERATORS = (
    (re.compile(r"(?i)\b(?:is |are )?equals?(?: to)?\b|\b(?:makes|gives|leaves)\b"), "="),
    (re.compile(r"(?i)(?<=\d)\s{1,3}(?:is|are)\s{1,3}(?=\d)"), " = "),
    (re.compile(r"(?i)(?<=\d)\s{1,3}(?:plus|added to)\s{1,3}(?=\d)"), " + "),
    (re.compile(r"(?i)(?<=\d)\s{1,3}(?:minus|less)\s{1,3}(?=\d)"), " - "),
    (re.compile(r"(?i)(?<=\d)\s{1,3}(?:times|multiplied by)\s{1,3}(?=\d)"), " * "),
    (re.compile(r"(?i)(?<=\d)\s{1,3}divided by\s{1,3}(?=\d)"), " / "),
    (re.compile(r"[−–]"), "-"),
    (re.compile(r"(?<=[\d)\s])[×·x](?=[\s(\d])"), "*"),
    (re.compile(r"÷"), "/"),
)
_TERM = r"\d{1,12}(?:\.\d{1,12})?"
_BODY = rf"[(\s]*{_TERM}(?:[\s()]*[-+*/][\s()]*{_TERM}){{1,40}}[)\s]*"
_SUM, _SUM_AT_END = re.compile(_BODY), re.compile(rf"(?<![\w.,^/]){_BODY}$")
_TOKENS = re.compile(rf"{_TERM}|[-+*/()]")
_LONGEST = 400
_CLOSE = Fraction(1, 100)
"""Of the value: results are often rounded."""


def result_of(text: str) -> str | None:
    """The result, with its unit or noun, of the last sum in a text with digits; empty where that sum is wrong; None where there
    is none."""
    if len(text) > _LONGEST:
        return None
    for pattern, symbol in _OPERATORS:
        text = pattern.sub(symbol, text)
    if text.count("=") == 0:
        return None
    before, _, result = text.rstrip(" .").rpartition("=")
    if _SUM.fullmatch(result) and quantity(before.rpartition("=")[2]) is not None:
        before, result = result, before.rpartition("=")[2]
    written = _SUM_AT_END.search(before)
    value = quantity(result)
    if written is None or value is None:
        return None
    computed = _value(written[0])
    if computed is None:
        return None
    return result.strip() if abs(computed - value.value) <= abs(computed) * _CLOSE else ""


def _value(written: str) -> Fraction | None:
    """The value of a sum in digits, operators and brackets; None for brackets that do not match, and division by zero."""
    tokens = [*_TOKENS.findall(written), ""]
    try:
        value = _added(tokens)
    except (ZeroDivisionError, IndexError, ValueError, RecursionError):
        return None
    return value if tokens == [""] else None


def _added(tokens: list[str]) -> Fraction:
    value = _multiplied(tokens)
    while tokens[0] in ("+", "-"):
        sign = 1 if tokens.pop(0) == "+" else -1
        value += sign * _multiplied(tokens)
    return value


def _multiplied(tokens: list[str]) -> Fraction:
    value = _one(tokens)
    while tokens[0] in ("*", "/"):
        if tokens.pop(0) == "*":
            value *= _one(tokens)
        else:
            value /= _one(tokens)
    return value


def _one(tokens: list[str]) -> Fraction:
    token = tokens.pop(0)
    if token != "(":
        return Fraction(token)
    value = _added(tokens)
    if tokens.pop(0) != ")":
        raise ValueError("brackets do not match")
    return value
