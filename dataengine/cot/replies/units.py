"""Units of measurement by symbol and word, with what they measure and their size."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple


class Unit(NamedTuple):
    """``factor``: its size in the first unit of its ``kind``."""

    kind: str
    factor: Fraction


def _units(kind: str, **factors: str) -> dict[str, Unit]:
    return {name: Unit(kind, Fraction(factor)) for name, factor in factors.items()}


UNITS: dict[str, Unit] = {
    **_units("length", m="1", mm="1/1000", cm="1/100", dm="1/10", km="1000", um="1/1000000", nm="1/1000000000",
             inch="0.0254", ft="0.3048", yd="0.9144", mi="1609.344"),
    **_units("mass", g="1", mg="1/1000", kg="1000", t="1000000", lb="453.59237", oz="28.349523125"),
    **_units("time", s="1", ms="1/1000", min="60", h="3600", day="86400", week="604800"),
    **_units("years", year="12", month="1"),
    **_units("volume", L="1", ml="1/1000", cl="1/100", m3="1000", cm3="1/1000", dm3="1"),
    **_units("area", m2="1", cm2="1/10000", mm2="1/1000000", km2="1000000", ha="10000"),
    **_units("angle", deg="1"), **_units("radians", rad="1"),
    **_units("data", B="1", KB="1000", MB="1000000", GB="1000000000", TB="1000000000000"),
    **_units("pixels", px="1"), **_units("celsius", C="1"), **_units("fahrenheit", F="1"), **_units("kelvin", K="1"),
    **_units("force", N="1", kN="1000"), **_units("energy", J="1", kJ="1000", kcal="4184"), **_units("power", W="1", kW="1000"),
    **_units("voltage", V="1"), **_units("current", A="1"), **_units("frequency", Hz="1", kHz="1000", MHz="1000000"),
    "km/h": Unit("speed", Fraction(1000, 3600)), "m/s": Unit("speed", Fraction(1)), "mph": Unit("speed", Fraction("0.44704")),
    "$": Unit("dollars", Fraction(1)), "¢": Unit("dollars", Fraction(1, 100)), "€": Unit("euros", Fraction(1)),
    "£": Unit("pounds", Fraction(1)), "¥": Unit("yen", Fraction(1)), "%": Unit("share", Fraction(1)),
}  # fmt: skip
_WORDS = {
    "m": "metre meter 米", "mm": "millimetre millimeter 毫米", "cm": "centimetre centimeter 厘米 公分",
    "dm": "decimetre decimeter",
    "km": "kilometre kilometer kms 千米 公里", "um": "µm μm micrometre micrometer micron", "nm": "nanometre nanometer",
    "inch": "in inches ″", "ft": "foot feet ′", "yd": "yard", "mi": "mile", "g": "gram gramme 克", "mg": "milligram",
    "kg": "kilogram kilo kgs 千克 公斤", "t": "tonne ton 吨", "lb": "lbs", "oz": "ounce", "s": "sec secs second 秒",
    "ms": "millisecond 毫秒", "min": "mins minute 分钟", "h": "hr hrs hour 小时", "day": "天", "week": "周", "year": "yr yrs 年",
    "month": "个月", "L": "l litre liter 升", "ml": "mL millilitre milliliter 毫升", "cl": "centilitre", "m3": "m³ m^3",
    "cm3": "cm³ cm^3 cc", "dm3": "dm³ dm^3", "m2": "m² m^2 sqm 平方米", "cm2": "cm² cm^2 平方厘米", "mm2": "mm² mm^2",
    "km2": "km² km^2 平方公里", "ha": "hectare 公顷", "deg": "° degree 度", "rad": "radian", "px": "pixel 像素",
    "C": "°C ℃ celsius 摄氏度", "F": "°F ℉ fahrenheit", "K": "kelvin", "km/h": "kmh kph km/hr 公里/小时", "m/s": "米/秒",
    "mph": "mi/h", "$": "dollar usd bucks 美元", "¢": "cent", "€": "euro eur 欧元", "£": "gbp", "¥": "yuan rmb cny yen jpy 元",
    "%": "percent pct ％ 百分之", "N": "newton", "J": "joule", "W": "watt", "V": "volt", "A": "ampere amp", "Hz": "hertz",
}  # fmt: skip
_PHRASES = {
    "per cent": "%", "percentage points": "%", "degrees celsius": "C", "degrees fahrenheit": "F", "degree celsius": "C",
    "° c": "C", "° f": "F", "kilometers per hour": "km/h", "kilometres per hour": "km/h", "miles per hour": "mph",
    "meters per second": "m/s", "metres per second": "m/s", "us dollars": "$", "square meters": "m2", "square metres": "m2",
    "square centimeters": "cm2", "square centimetres": "cm2", "square cm": "cm2", "square m": "m2", "sq m": "m2", "sq cm": "cm2",
    "square kilometers": "km2", "square kilometres": "km2", "cubic meters": "m3", "cubic metres": "m3",
    "cubic centimeters": "cm3", "cubic centimetres": "cm3",
}  # fmt: skip
_CASED = frozenset(
    {"C", "F", "K", "N", "J", "W", "V", "A", "B", "t", "h", "m", "g", "s", "MB", "GB", "KB", "TB", "L", "T"}
)
"""Symbols that mean something else, or nothing, in the other case."""


def _names() -> dict[str, str]:
    names = {unit: unit for unit in UNITS}
    for unit, words in _WORDS.items():
        for word in words.split():
            names[word] = unit
            if word.isascii() and len(word) > 3 and word.isalpha():
                names[f"{word}s"] = unit
    return names | {f"{name}s": name for name in ("day", "week", "year", "month", "yard", "mile")}


NAMES = _names()
SCALES = {
    "hundred": Fraction(100), "thousand": Fraction(1000), "million": Fraction(10**6), "billion": Fraction(10**9),
    "trillion": Fraction(10**12), "k": Fraction(1000), "bn": Fraction(10**9), "mn": Fraction(10**6), "M": Fraction(10**6),
    "dozen": Fraction(12), "万": Fraction(10**4), "亿": Fraction(10**8), "千": Fraction(1000), "百": Fraction(100),
}  # fmt: skip
_TOKEN = re.compile(r"[^\s,;()。，]{1,30}")


def unit_of(rest: str, money: str) -> tuple[str, str]:
    """The unit that the text after a number begins with, and what comes after it; ``money``: the sign before the number."""
    rest = rest.strip()
    if money.strip():
        name = money.strip()
        unit, more = unit_of(rest, "")
        return (name, more) if unit == name else (name, rest)
    lower = rest.lower()
    for phrase, unit in _PHRASES.items():
        if lower.startswith(phrase) and not lower[len(phrase) : len(phrase) + 1].isalpha():
            return unit, rest[len(phrase) :].strip()
    token = _TOKEN.match(rest)
    if not token:
        return "", rest
    word = token[0].rstrip(".").removesuffix("'s")
    more = rest[token.end() :].strip()
    if word == "in" and more:
        return "", rest
    unit = NAMES.get(word, "")
    if not unit and word not in _CASED and word.upper() not in _CASED:
        unit = NAMES.get(word.lower(), "")
    return (unit, more) if unit else ("", rest)
