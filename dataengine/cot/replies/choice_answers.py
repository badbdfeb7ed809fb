"""The option that a text chooses, and the order that it gives; None where it gives none, or more than one."""

from __future__ import annotations

import re
import string

from dataengine.cot.replies.affirmed import affirmed
from dataengine.cot.replies.comparisons import ahead
from dataengine.cot.replies.expected import Expected, holds, words
from dataengine.cot.replies.lead_ins import LEAD_IN
from dataengine.cot.replies.opposites import opposes

_LETTERS = string.ascii_uppercase
_ALONE = re.compile(r"\(?\[?([A-Z])\]?\)?[.:)]?")
_LEADING = re.compile(r"\(?([A-Z])(?:\)[.:]?|[.:](?=\s|$)|\s[-–—:](?=\s)|,?\s(?=because\b|since\b))\s{0,4}")
_LAST = re.compile(r"[:：]\s{0,3}\(?([A-Z])\)?\.?$")
_NAMED = re.compile(
    r"(?:\b(?:[Oo]ption|[Cc]andidate|[Cc]hoice|[Cc]aption|[Ll]etter|[Aa]nswer)\s{1,3}|选项?\s{0,2})\(?([A-Z])\b(?!')|\(([A-Z])\)"
)
_SEQUENCE = re.compile(r"\b[A-Z](?:(?:\s*+(?:[,<>\-–→/;]|then|and)\s*+(?:(?:then|and)\b)?+\s*+|[^\S ]*+ \s*+)[A-Z])+\b")
_RELATED = re.compile(r"(?i)\b(?:after|before|last|first|second|earlier|later|preced\w+|follow\w*|between)\b")
_THAN = re.compile(r"(?i)(?<!rather )(?<!other )\bthan\b")
_REVERSED = re.compile(r"(?i)\b(?:revers\w*|backwards?)\b")
_LESSER = re.compile(r"(?i)\b(?:(?<!at )least|(?<!or )less)\b")


def choice(expected: Expected, text: str) -> str | None:
    """The letter of the one option that is chosen."""
    if alone := _ALONE.fullmatch(text):
        return alone[1]
    if small := re.fullmatch(r"\(?([a-z])[.)]?", text):
        return small[1].upper() if small[1].upper() in expected.options else None
    if lead := _LEADING.match(text):
        return _consistent(expected, lead[1], text[lead.end() :])
    if last := _LAST.search(text):
        return _consistent(expected, last[1], text[: last.start()])
    statement = affirmed(text).strip()
    if alone := _ALONE.fullmatch(re.sub(r"(?i)^but\s", "", LEAD_IN.sub("", statement).strip()).rstrip(",.")):
        return alone[1]
    if (winner := ahead(expected.question, text)) is not None:
        return _of_winner(expected, winner)
    if (
        opposes(expected.question, statement)
        or _compares(expected, text)
        or (_LESSER.search(statement) and not _LESSER.search(expected.question))
    ):
        return None
    exact = [letter for letter, option in expected.options.items() if words(option) == words(statement)]
    if len(exact) == 1:
        return exact[0]
    named = {a or b for a, b in _NAMED.findall(statement)} & (set(expected.options) or set(_LETTERS))
    if len(named) == 1 and not re.search(r"(?i)\bor\b|\bboth\b", statement):
        return _consistent(expected, named.pop(), statement)
    return None if named else _by_words(expected, statement)


def _of_winner(expected: Expected, winner: str) -> str | None:
    """The option that the side ahead in a comparison is."""
    named = {a or b for a, b in _NAMED.findall(winner)} & (set(expected.options) or set(_LETTERS))
    if alone := _ALONE.fullmatch(winner.strip()):
        named |= {alone[1]} & set(expected.options)
    return named.pop() if len(named) == 1 else None if named else _by_words(expected, winner)


def _compares(expected: Expected, text: str) -> bool:
    """Whether a text sets two options against each other, which is no choice of one."""
    plain_words = words(text)
    held = sum(holds(plain_words, words(option)) for option in expected.options.values())
    letters = {a or b for a, b in _NAMED.findall(text)}
    return bool(_THAN.search(text)) and max(held, len(letters)) > 1


def _consistent(expected: Expected, letter: str, rest: str) -> str | None:
    """The letter, unless what is said with it is another option, or a second letter."""
    rest = affirmed(rest)
    others = {a or b for a, b in _NAMED.findall(rest)} | set(
        re.findall(r"(?:\bor|\band|[,/&])\s{0,3}\(?([A-Z])\b(?!')", rest)
    )
    if (others & set(expected.options)) - {letter}:
        return None
    by_words = _by_words(expected, rest)
    return letter if by_words in (None, letter) else None


def _by_words(expected: Expected, text: str) -> str | None:
    """The only option whose words a text holds; one that lies inside of another that it holds does not count."""
    plain_words = words(text)
    held = {letter: words(option) for letter, option in expected.options.items() if holds(plain_words, words(option))}
    held = {a: x for a, x in held.items() if not any(x != y and holds(y, x) for y in held.values())}
    return next(iter(held)) if len(held) == 1 else None


def order(expected: Expected, text: str) -> str | None:
    """Letters in the order that a text gives them, joined by ``", "``."""
    count = len(expected.options) or len(re.findall(r"[A-Z]", expected.answer))
    if re.fullmatch(r"[A-Z]{2,8}", text) and len(set(text)) == len(text) == count:
        return ", ".join(text)
    statement = affirmed(text)
    if _REVERSED.search(statement):
        return None
    runs = {", ".join(re.findall(r"\b[A-Z]\b", run)) for run in _SEQUENCE.findall(statement)}
    runs = {run for run in runs if len(set(run.split(", "))) == count == len(run.split(", "))}
    if runs:
        return runs.pop() if len(runs) == 1 else None
    if _RELATED.search(statement):
        return None
    letters = re.findall(r"(?<![\w'])[A-Z](?![\w'])", statement)
    if len(letters) == len(set(letters)) == count:
        return ", ".join(letters)
    return None if letters else _order_by_words(expected, statement)


def _order_by_words(expected: Expected, text: str) -> str | None:
    plain_words = f" {words(text)} "
    at = {letter: plain_words.find(f" {words(option)} ") for letter, option in expected.options.items()}
    if (
        len(at) < 2
        or min(at.values()) < 0
        or any(plain_words.count(f" {words(o)} ") > 1 for o in expected.options.values())
    ):
        return None
    return ", ".join(sorted(at, key=lambda letter: at[letter]))
