"""Numbers that a text says are those of all ("2 women and 1 man, 3 in total"), and numbers that it takes back ("3 is wrong")."""

from __future__ import annotations

import re

_TOTAL = (
    re.compile(r"(?i)(?<![\d.,/])(\d{1,9})(?: [a-z]{1,20}){0,2} (?:in total|in all|altogether)\b"),
    re.compile(r"(?i)\ba total of (\d{1,9})(?![\d.,/]\d)\b"),
)
_COUNTED = re.compile(r"(?i)^(?:(?:i (?:count|see)|there are) )?(\d{1,9})(?: [a-z]{1,20}){0,2}: (?=[^:]{1,300}$)")
_SAYS_MORE = re.compile(r"(?i)\b(?:or|more|others?|another|maybe|perhaps|possibly|plus|minus|half|twice)\b|[=+×*<>]")
_TAKEN_BACK = re.compile(
    r"(?i)\d\s{1,3}(?:[a-z]{1,20}\s{1,3}){0,2}(?:(?:is|are|was|were|would be|seems?)\s{1,3})?"
    r"(wrong|incorrect|false|too (?:many|few|much|high|low|big|small))\b"
)
_SUPPOSED = re.compile(r"(?i)\bwould\b[^.]{0,80}\bif\b")
_BUT_FOR = re.compile(r"(?i)\bno(?: [a-z]{1,20}){1,2} (?:other than|except|besides|but)\b")


def total_of(text: str) -> str | None:
    """The number of all, of a text with digits: one that is called so, or the first one, of which what follows a colon is no more
    than the parts."""
    if _SAYS_MORE.search(text):
        return None
    if counted := _COUNTED.match(text):
        parts = [int(part) for part in re.findall(r"\d{1,9}", text[counted.end() :])]
        return counted[1] if parts and sum(parts) <= int(counted[1]) else None
    totals = {match[1] for pattern in _TOTAL for match in pattern.finditer(text)}
    return totals.pop() if len(totals) == 1 else None


def taken_back(text: str, question: str) -> bool:
    """Whether a text says of its number that it is wrong, which the question does not ask for, or of none that there is one
    ("no people but a child"), or only supposes it ("would be 4 if")."""
    if _BUT_FOR.search(text) or _SUPPOSED.search(text):
        return True
    return any(match[1].lower() not in question.lower() for match in _TAKEN_BACK.finditer(text))
