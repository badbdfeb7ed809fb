"""Moments, durations and times of day as text, in seconds: ``1:30``, ``90 s``, ``1 min 30 s``, ``3:15 pm``, ``twenty to nine``;
spans by IoU."""

from __future__ import annotations

import re
from fractions import Fraction

from dataengine.cot.replies.quantities import plain
from dataengine.cot.replies.units import UNITS, unit_of

_LEAST_IOU = 0.5
_CLOCK = re.compile(r"(?:(\d{1,2}):)?(\d{1,3}):(\d{2})(\.\d{1,6})?")
_HALF = re.compile(r"(?i)\s{0,3}\b([ap])\.?\s?m\b\.?")
_BEFORE = re.compile(
    r"(?i)^(?:at|about|around|approximately|from|after|t\s?=|~|≈|the time is|it is|it's|just|"
    r"(?:the|this) (?:clock|watch|timer|display) (?:shows|reads|says|is at))\s{1,3}"
)
_PIECE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s{0,2}([a-zA-Z]{1,12})[\s,]{0,3}(?:and\s)?")
_SPOKEN = re.compile(
    r"(?i)(?:(?P<minutes>\d{1,2})(?: minutes?)?|(?P<quarter>(?:a )?quarter|1/4)|(?P<half>half|1/2)) "
    r"(?:(?P<past>past|after)|to|before|till?|until) (?P<hour>1[0-2]|[1-9])(?: o'?clock)?\b"
)
_FULL_HOUR = re.compile(r"(?i)(1[0-2]|[1-9]) o'?clock\b")
_SPAN = re.compile(r"(?i)\s{0,3}(?:-|–|—|\bto\b|\band\b|\buntil\b|,)\s{0,3}")


def seconds(text: str) -> Fraction | None:
    """Seconds of a moment or duration, a time of day from midnight; None for text that is none. A bare number is seconds."""
    text = _BEFORE.sub("", plain(text)).strip().strip("[]()")
    text = _FULL_HOUR.sub(r"\1:00", _SPOKEN.sub(_clock, text.replace("’", "'")), count=1)
    half = _HALF.search(text)
    if half:
        text = (text[: half.start()] + text[half.end() :]).strip()
    if match := re.fullmatch(_CLOCK, text):
        hours, minutes, rest = (Fraction(match[n] or 0) for n in (1, 2, 3))
        value = hours * 3600 + minutes * 60 + rest + Fraction(match[4] or 0)
        return value if half is None or match[1] else _of_day(value * 60, half[1])
    if half is not None:
        return _of_day(Fraction(text) * 3600, half[1]) if re.fullmatch(r"\d{1,2}", text) else None
    if re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", text):
        return Fraction(text)
    return _pieces(text)


def same_time(expected: str, candidate: str) -> bool:
    """Whether two moments are the same. Of a time of day and of ``1:30`` as minutes and seconds both readings are tried."""
    ours, theirs = seconds(expected), seconds(candidate)
    if ours is None or theirs is None:
        return False
    decimals = len(expected.partition(".")[2].rstrip(" s")) if "." in expected else 0
    if abs(ours - theirs) <= (Fraction(1, 2 * 10**decimals) if decimals else 0):
        return True
    return bool(_HALF.search(expected)) != bool(_HALF.search(candidate)) and _day(expected) == _day(candidate)


def same_span(expected: str, candidate: str) -> bool:
    """Whether two spans of time overlap by half of what they cover together."""
    ours, theirs = _span(expected), _span(candidate)
    if ours is None or theirs is None:
        return False
    both = min(ours[1], theirs[1]) - max(ours[0], theirs[0])
    either = max(ours[1], theirs[1]) - min(ours[0], theirs[0])
    return both > 0 and both / either >= _LEAST_IOU


def is_time(text: str) -> bool:
    """Whether a text is written as a time: with a colon, am or pm, or units of time."""
    return seconds(text) is not None and not re.fullmatch(r"[\d.\s]*", plain(text))


def _span(text: str) -> tuple[Fraction, Fraction] | None:
    text = re.sub(r"<\|\w{1,30}\|>", "", text).strip()
    text = re.sub(r"(?i)^(?:from|between)\s{1,3}", "", text).strip().strip("[]()")
    parts = _SPAN.split(text)
    ends = [seconds(part) for part in parts]
    if len(ends) != 2 or ends[0] is None or ends[1] is None or ends[0] >= ends[1]:
        return None
    return ends[0], ends[1]


def _clock(spoken: re.Match[str]) -> str:
    """``8:40`` of "20 to 9"; as it is where the minutes are more than half an hour's."""
    minutes, hour = 30 if spoken["half"] else 15 if spoken["quarter"] else int(spoken["minutes"]), int(spoken["hour"])
    if minutes > 30 or (spoken["half"] and not spoken["past"]):
        return spoken[0]
    if not spoken["past"]:
        minutes, hour = 60 - minutes, hour - 1 or 12
    return f"{hour}:{minutes:02d}"


def _of_day(value: Fraction, half: str) -> Fraction:
    return value % 43200 + (43200 if half.lower() == "p" else 0)


def _day(text: str) -> Fraction | None:
    """Hours and minutes as seconds from midnight."""
    value = seconds(text)
    return value if value is None or _HALF.search(text) else value * 60


def _pieces(text: str) -> Fraction | None:
    total, at = Fraction(0), 0
    for match in _PIECE.finditer(text):
        unit, rest = unit_of(match[2], "")
        if match.start() != at or rest or unit not in UNITS or UNITS[unit].kind != "time":
            return None
        total += Fraction(match[1]) * UNITS[unit].factor
        at = match.end()
    return total if at == len(text) and at else None
