"""Number words as digits: ``twenty-one`` is 21, ``two hundred and five`` 205, ``three quarters`` 3/4, ``三`` 3."""

from __future__ import annotations

import re

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SMALL = {word: n for n, word in enumerate(_ONES)} | {word: 10 * n for n, word in enumerate(_TENS, 2)}
_LARGE = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_PARTS = {"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4,
          "fifth": 5, "fifths": 5, "sixth": 6, "eighth": 8, "eighths": 8, "tenth": 10, "tenths": 10}  # fmt: skip
_WORD = "|".join(sorted((*_SMALL, *_LARGE), key=len, reverse=True))
_LARGE_WORD = "|".join(_LARGE)
_RUN = re.compile(
    rf"(?i)\b(?:a (?:{_LARGE_WORD})|{'|'.join(sorted(_SMALL, key=len, reverse=True))})(?:[ -](?:and )?(?:{_WORD}))*\b"
)
_SHARE = re.compile(
    rf"(?i)\b(\d{{1,3}}|an?)[ -]({'|'.join(sorted(_PARTS, key=len, reverse=True))})\b(?! (?:of the way|place|from))"
)
_HALF_DOZEN = re.compile(r"(?i)\bhalf(?: a|-a)?[ -]dozen\b")
_AND_A_SHARE = re.compile(r"\b(\d{1,6}) and (?=\d{1,3}/\d{1,3}\b)")
_DOZEN = re.compile(r"(?i)\b(?:a |one )dozen\b")
_PRONOUN = re.compile(
    r"(?i)(?:\b(?:the|this|that|each|every|another|which|any|some|other|last|first|second|no|right|left|next|top|bottom) )one\b"
    r"|\bone(?= (?:of|can|on|in|that|which|who|another|by|at|side|more|with|from|could|might|may|has|sees)\b)"
)
_SINGLE = re.compile(r"(?i)\b(?:a|the) single\b|\bsingle\b")
_HAN = {"零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_HAN_NUMBER = re.compile(
    r"(?:百分之)?[零一二两三四五六七八九]?十[一二三四五六七八九]?|百分之[一二两三四五六七八九]|[零一二两三四五六七八九](?=[个只张条辆座位人本次台]|$)"
)
_MARK = "\x00"
_ROMAN = re.compile(r"(X{0,3})(IX|IV|V?I{0,3})")
_TENS_AND_UNITS = {"": 0, "I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6, "VII": 7, "VIII": 8, "IX": 9}


def roman(text: str) -> str | None:
    """Digits of a text that is a Roman numeral up to XXXIX; a single letter may be anything, and is None."""
    match = _ROMAN.fullmatch(text.strip().rstrip("."))
    if not match or len(match[0]) < 2:
        return None
    return str(10 * len(match[1]) + _TENS_AND_UNITS[match[2]])


def with_digits(text: str) -> str:
    """Text with its number words as digits; ``one`` where it stands for a thing is left."""
    text = _DOZEN.sub("12", _HALF_DOZEN.sub("6", text))
    text = _SINGLE.sub("1", text)
    text = _PRONOUN.sub(lambda match: re.sub(r"(?i)one", f"o{_MARK}ne", match[0]), text)
    text = _RUN.sub(lambda match: str(_value(match[0])), text)
    text = _AND_A_SHARE.sub(r"\1 ", _SHARE.sub(_share, text))
    text = _HAN_NUMBER.sub(_han, text)
    return text.replace(_MARK, "")


def _value(words: str) -> int:
    total, group = 0, 0
    for word in re.split(r"[ -]", words.lower()):
        if word in _SMALL:
            group += _SMALL[word]
        elif word == "hundred":
            group = max(group, 1) * 100
        elif word in _LARGE:
            total += max(group, 1) * _LARGE[word]
            group = 0
    return total + group


def _share(match: re.Match[str]) -> str:
    count = match[1] if match[1].isdigit() else "1"
    return f"{count}/{_PARTS[match[2].lower()]}"


def _han(match: re.Match[str]) -> str:
    word = match[0].removeprefix("百分之")
    percent = "%" if word != match[0] else ""
    before, ten, after = word.partition("十")
    if not ten:
        return f"{_HAN[word]}{percent}"
    return f"{10 * _HAN.get(before, 1) + _HAN.get(after, 0)}{percent}"
