"""Decoding and cleaning of text from outside: byte order marks, invalid bytes, lone surrogates, control characters, non-finite
numbers. What passes here can be written as UTF-8, JSON and Arrow."""

from __future__ import annotations

import codecs
import math
import re
from dataclasses import dataclass
from typing import Any

from dataengine.errors import InputError

#: Levels of nesting of one value.
DEPTH = 64

#: UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufeff]")


@dataclass
class Repairs:
    """Counts of what was changed in a value: strings that were cleaned, non-finite numbers that were dropped."""

    cleaned: int = 0
    dropped: int = 0


def clean_text(value: str) -> str:
    """``value`` without lone surrogates, byte order marks and control characters other than tab and line breaks; the two halves
    of a surrogate pair become their character."""
    if _SURROGATE.search(value):
        value = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    return _UNWANTED.sub("", value)


def decode_text(data: bytes) -> str:
    """Text by its byte order mark (UTF-8, UTF-16 or UTF-32), UTF-8 without one; invalid bytes become U+FFFD. Cleaned."""
    return clean_text(data.decode(encoding_of(data), "replace"))


def encoding_of(data: bytes) -> str:
    """Name of the encoding that the byte order mark of ``data`` states, ``utf-8`` without one."""
    return next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")


def clean_value(value: Any, repairs: Repairs, depth: int = DEPTH) -> Any:
    """``value``, of dicts and lists, with all strings and keys cleaned; NaN and infinities are dropped from dicts and are None
    elsewhere. ``repairs`` counts both. Raises InputError ``bad_value`` for one that is nested deeper than ``depth`` levels."""
    if isinstance(value, str):
        text = clean_text(value)
        repairs.cleaned += text != value
        return text
    if isinstance(value, float) and not math.isfinite(value):
        repairs.dropped += 1
        return None
    if not isinstance(value, dict | list | tuple):
        return value
    if depth <= 0:
        raise InputError("bad_value", "a value is nested too deep")
    if isinstance(value, dict):
        return {
            clean_value(k, repairs, depth - 1): clean_value(v, repairs, depth - 1)
            for k, v in value.items()
            if not _dropped(v, repairs)
        }
    return [clean_value(v, repairs, depth - 1) for v in value]


def _dropped(value: Any, repairs: Repairs) -> bool:
    unusable = isinstance(value, float) and not math.isfinite(value)
    repairs.dropped += unusable
    return unusable
