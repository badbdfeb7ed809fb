"""Numbers with their units as text, and whether two are the same: words, fractions, percent, thousands separators, powers.

Only exact arithmetic, so that every machine agrees. More than one number in a short answer is none ("3 or 4", "3 of 10").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from dataengine.cot.replies.number_words import with_digits
from dataengine.cot.replies.opposites import opposes
from dataengine.cot.replies.units import SCALES, UNITS, unit_of
from dataengine.cot.replies.wrappers import bare

_LONGEST = 200
_GROUPED = "[,'’\u00a0\u2009\u202f ]"
_NUMBER = re.compile(
    r"(?P<sign>[-+−–]\s?)?(?P<money>[$€£¥]\s?)?(?P<sign2>[-−])?"
    r"(?:(?P<whole>\d{1,6})[ -](?=\d{1,6}\s?[/⁄]))?"
    rf"(?:(?P<num>\d{{1,15}})\s?[/⁄]\s?(?P<den>\d{{1,15}})(?![\d/])|(?P<grouped>\d{{1,3}}(?:{_GROUPED}\d{{3}})+(?:\.\d+)?)(?![\d])"
    r"|(?P<comma>\d{1,15},\d{1,2}(?![\d,.]\d?))|(?P<plain>\d{1,40}(?:\.\d{1,40})?|\.\d{1,40}))"
    r"(?:\s?[eE](?P<exp>[-+]?\d{1,3})(?![\w])|\s?[x×·*]\s?10\s?\^?\s?\{?(?P<power>[-−+]?\d{1,3})\}?(?![\w]))?"
)
_APPROXIMATELY = re.compile(
    r"(?i)^(?:(?:about|approximately|approx\.?|around|roughly|nearly|exactly|only|just|precisely|a total of|total of|in total|"
    r"total:?|there (?:is|are)|it is|it's|约|大约|共|一共|≈|~|=)\s{0,4})+"
)
_NAME = re.compile(r"^[A-Za-z][A-Za-z ]{0,20}\s?[=≈]\s?")
_FRACTION = re.compile(r"\\[dt]?frac\s?\{\s?(-?\d{1,15})\s?\}\s?\{\s?(\d{1,15})\s?\}")
_MULTIPLIED = re.compile(r"(?i)\d\s{1,3}(pairs?|times (?=as\b|more\b|the\b))")
_GROUP = r"(?:a|another|one|1)\s{1,3}(?:pair|couple|trio|handful|few)\b"
_GROUPED_WITH = re.compile(
    rf"(?i)\b{_GROUP}[^.;:]{{0,60}}\b(?:and|plus|with)\s{{1,3}}\d|\d[^.;:]{{0,60}}\b(?:and|plus|with)\s{{1,3}}{_GROUP}"
)
_RELATIVE = re.compile(
    r"(?i)\d\s{1,3}(more|fewer|less|extra|additional|others?)\b|\d\s{1,3}(?:[a-z]{1,20}\s{1,3}){0,2}([a-z]{2,20}er)\s{1,3}than\b"
)
_ASKS_RELATION = re.compile(
    r"(?i)\b(?:than|more|fewer|less|difference|differ|extra|additional|other|others|left|remain\w*)\b"
)
_MINUS = re.compile(r"(?i)(^|\b(?:is|are|be|=|:)\s{0,3})(?:minus|negative)\s{1,3}(?=[\d.$€£¥])")
_GLYPHS = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3", "⅕": "1/5", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8"}
_REFUSED = re.compile(
    r"(?i)\b(?:or|to|not|no|than|least|most|between|per|out of|either|neither|versus|vs|minus|plus|times|if|but|unless|"
    r"wrong|incorrect|too (?:many|few|much|high|low)|unknown|unclear|maybe|infinite)\b|[<>≤≥±+*^=?]"
)


@dataclass(frozen=True)
class Quantity:
    """``unit``: a symbol of UNITS, ``%``, or empty; ``decimals`` as written."""

    value: Fraction
    unit: str = ""
    decimals: int = 0


def quantity(text: str) -> Quantity | None:
    """The number that a short answer is, with its unit or noun; None where it is none or more than one."""
    text = plain(text)
    if not text or len(text) > _LONGEST:
        return None
    if text.lower().rstrip(".") in ("none", "nothing", "zero", "no", "nil", "没有", "无"):
        return Quantity(Fraction(0))
    if text.lower().rstrip(".") == "half":
        return Quantity(Fraction(1, 2))
    text = _NAME.sub("", _APPROXIMATELY.sub("", text)).strip()
    text = _APPROXIMATELY.sub("", text).strip()
    if zero := re.fullmatch(r"(?i)no(?: \w+){1,5}", text):
        return (
            Quantity(Fraction(0))
            if not re.search(
                r"(?i)\b(?:idea|answer|way|number|doubt|one can|more|fewer|less|longer|other|except|besides|but)\b|\d",
                zero[0],
            )
            else None
        )
    match = _NUMBER.match(text)
    if not match or (value := value_of(match)) is None:
        return None
    rest = text[match.end() :].strip()
    scale, rest = _scaled(rest)
    unit, rest = unit_of(rest, match["money"] or "")
    if re.search(r"\d", rest) or _REFUSED.search(rest) or len(rest.split()) > 6 or rest[:1] in "-–—/:":
        return None if rest else Quantity(value * scale, unit, decimals_of(match))
    if (
        match.end() < len(text)
        and text[match.end()].isalpha()
        and not unit
        and scale == 1
        and text[match.end()].isascii()
    ):
        return None
    return Quantity(value * scale, unit, decimals_of(match))


def multiplied(text: str, question: str) -> bool:
    """Whether a number counts pairs, or times, that the question does not ask for: ``3 pairs`` are no 3 shoes."""
    return any(
        re.sub("s$", "", match[1].lower()) not in question.lower() for match in _MULTIPLIED.finditer(with_digits(text))
    )


def relative(text: str, question: str) -> bool:
    """Whether a number counts from another one (``3 fewer than 5``, ``a pair and 3``) that the question does not ask about."""
    text, question = with_digits(text), question[:LONGEST_QUESTION]
    if _GROUPED_WITH.search(text):
        return True
    compared = _RELATIVE.search(text)
    if compared is None:
        return False
    if _ASKS_RELATION.search(question):
        return opposes(question, text)
    return (compared[1] or compared[2]).lower() not in question.lower()


def plain(text: str) -> str:
    """Text with LaTeX's and Unicode's fractions as ``1/2``, number words as digits and ``minus 5`` as ``-5``."""
    text = _FRACTION.sub(r" \1/\2 ", text)
    text = bare(text).replace("−", "-")
    for glyph, written in _GLYPHS.items():
        text = text.replace(glyph, f" {written}")
    return _MINUS.sub(r"\1-", with_digits(text.strip()))


def value_of(match: re.Match[str]) -> Fraction | None:
    """The value of a match of the number expression."""
    if match["den"] is not None:
        if int(match["den"]) == 0:
            return None
        value = Fraction(int(match["num"]), int(match["den"])) + int(match["whole"] or 0)
    else:
        value = Fraction(Decimal(written(match)))
    exponent = match["exp"] or match["power"]
    if exponent is not None:
        value *= Fraction(10) ** int(exponent.replace("−", "-"))
    negative = (match["sign"] or match["sign2"] or "+").strip() in "-−–"
    return -value if negative else value


def decimals_of(match: re.Match[str]) -> int:
    return 0 if match["den"] is not None else len(written(match).partition(".")[2])


def written(match: re.Match[str]) -> str:
    """The digits of a number that is no fraction, without separators."""
    if match["grouped"]:
        return re.sub(_GROUPED, "", match["grouped"])
    return match["comma"].replace(",", ".") if match["comma"] else str(match["plain"])


def same_quantity(expected: Quantity, candidate: Quantity, question: str = "") -> bool:
    """Whether a candidate has the expected value: in other units of the same kind by value, without a unit by number; one that is
    written with more decimals is rounded first."""
    if not expected.unit:
        unit = unit_asked(question)
        expected = Quantity(expected.value, unit, expected.decimals) if unit and candidate.unit in UNITS else expected
    if "%" in (expected.unit, candidate.unit):
        counts = not expected.unit and _COUNTS.search(question)
        return not counts and _same_share(expected, candidate)
    if not expected.unit or not candidate.unit or expected.unit == candidate.unit:
        return _rounded(expected, candidate.value)
    ours, theirs = UNITS.get(expected.unit), UNITS.get(candidate.unit)
    if ours is None or theirs is None or ours.kind != theirs.kind:
        return False
    return _rounded(expected, candidate.value * theirs.factor / ours.factor)


def unit_asked(question: str) -> str:
    """The unit that a question asks for ("in cm", "how many seconds"); empty where it names none."""
    for match in re.finditer(
        r"(?i)\b(?:in|how many)\s{1,4}((?:square |cubic )?[a-zµ°²³/]{1,20})", question[:LONGEST_QUESTION]
    ):
        unit, rest = unit_of(match[1], "")
        if unit and not rest and (len(match[1]) > 1 or match[1] in "mgsh"):
            return unit
    return ""


_COUNTS = re.compile(r"(?i)\bhow many (?!per ?cent\b|%)(?!.{0,200}(?:\bhow much\b|per ?cent|%))")
LONGEST_QUESTION = 8000


def _same_share(expected: Quantity, candidate: Quantity) -> bool:
    """Per cent on one side or both: 20 % is 20 % or 20 where per cent are asked for, and 0.2."""
    if expected.unit == candidate.unit or (candidate.unit == "" and _rounded(expected, candidate.value)):
        return _rounded(expected, candidate.value)
    if expected.unit == "%":
        return candidate.unit == "" and candidate.value.denominator > 1 and candidate.value * 100 == expected.value
    if expected.unit:
        return False
    if expected.value.denominator > 1 and _rounded(expected, candidate.value / 100):
        return True
    return _rounded(expected, candidate.value)


def _rounded(expected: Quantity, value: Fraction) -> bool:
    if value == expected.value:
        return True
    return expected.decimals > 0 and abs(value - expected.value) <= Fraction(1, 2 * 10**expected.decimals)


def _scaled(rest: str) -> tuple[Fraction, str]:
    word, _, more = rest.partition(" ")
    scale = SCALES.get(word.lower() if len(word) > 1 else word)
    return (scale, more.strip()) if scale else (Fraction(1), rest)
