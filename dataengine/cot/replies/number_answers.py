"""The one number that a text answers with, as it is written; None where it gives none, or more than one."""

from __future__ import annotations

import re
from fractions import Fraction

from dataengine.cot.replies.affirmed import affirmed
from dataengine.cot.replies.counted_things import counts_other, is_label
from dataengine.cot.replies.equations import result_of
from dataengine.cot.replies.expected import Expected
from dataengine.cot.replies.number_words import roman
from dataengine.cot.replies.quantities import _NUMBER, multiplied, plain, quantity, relative, value_of
from dataengine.cot.replies.shares import share_of
from dataengine.cot.replies.times import seconds
from dataengine.cot.replies.totals import taken_back, total_of
from dataengine.cot.replies.units import SCALES, unit_of

_BOUNDED = re.compile(
    r"(?i)(?:\b(?:at least|at most|more than|less than|fewer than|greater than|over|under|up to|above|below|almost|between|"
    r"close to|no more than|no less than|minimum of|maximum of|not|"
    r"half of|twice|double|triple|all but|all except|everything but)|[<>≥≤±√])\s{0,3}(?:the\s)?$"
)
_RANGED = re.compile(
    r"(?i)^\s{0,2}(?:\+(?!\s{0,2}\d)|or more|or fewer|or less|or so|(?:or|to|-|–|—|~|/|out of|\.{2,3}|…)\s{0,2}\d)"
)
_FEW = 3
"""Words of a number with what it counts."""
Mentions = dict[tuple[Fraction, str], str]
"""Numbers by value and unit, as they are written."""


def number(expected: Expected, text: str) -> str | None:
    """The number, with its unit or what it counts where they stand beside it."""
    question = expected.question
    if multiplied(text, question) or relative(text, question):
        return None
    if value := roman(text):
        return value
    if seconds(text) is not None and quantity(text) is None:
        return text
    if taken_back(plain(text), question):
        return None
    if share := share_of(expected, text):
        return share
    statement = plain(affirmed(text))
    if (result := result_of(statement)) is not None:
        return result or None
    return _mentioned(text, statement, question)


def _mentioned(text: str, statement: str, question: str) -> str | None:
    mentions, others = _mentions(statement, question)
    if others and not mentions:
        return None
    for whole in (text, statement):
        if quantity(whole) is not None and not others:
            return whole if len(whole.split()) <= _FEW or not mentions else next(iter(mentions.values()))
    if mentions is None:
        return None
    if len(mentions) == 1:
        return next(iter(mentions.values()))
    _, equals, result = statement.rpartition("=")
    if not equals:
        return total_of(statement)
    return result.strip() if len(result) < 60 and quantity(result) is not None else None


def _mentions(text: str, question: str) -> tuple[Mentions | None, int]:
    """Numbers in a sentence, None where one is a bound or one end of a range; and how many more are of other things than is asked
    for."""
    mentions, others = Mentions(), 0
    for match in _NUMBER.finditer(text):
        before, after = text[max(0, match.start() - 24) : match.start()], text[match.end() : match.end() + 40]
        if re.search(r"[\w.,:/^]$", before) or re.match(r"[.:,/]\d|(?:st|nd|rd|th)\b", after):
            continue
        if is_label(before, after, question):
            others += 1
            continue
        if re.search(r"(?:^|\n)\s{0,4}$", before) and re.match(r"[.)]\s", after) and "\n" in text:
            continue
        if _BOUNDED.search(before) or _RANGED.match(after):
            return None, others
        value = value_of(match)
        scale, _, rest = after.strip().partition(" ")
        unit, _ = unit_of(rest if scale.lower() in SCALES else after, match["money"] or "")
        if value is None or (re.match(r"[A-Za-z]", after) and not unit):
            continue
        if counts_other(rest if scale.lower() in SCALES else after, unit, question):
            others += 1
            continue
        size = SCALES.get(scale.lower(), 1)
        written = f"{match[0].strip()} {scale if size != 1 else ''} {unit}".strip()
        mentions.setdefault((value * size, unit), written)
    units = {unit for _, unit in mentions} - {""}
    bare_values = {value for value, unit in mentions if not unit}
    if len(units) <= 1 and len({value for value, _ in mentions}) == 1 and bare_values:
        return dict([max(mentions.items(), key=lambda item: len(item[1]))]), others
    return mentions, others
