"""Mistakes in a YAML file in the words of its writer: what would be right, without the names of types and patterns behind it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Any

from pydantic_core import ErrorDetails

#: What the patterns of fields ask for. A pattern that is not here is described by pydantic; a test holds that there is none.
PATTERNS = {
    r"^(auto|cpu|cuda(:\d+)?)$": "use auto, cpu, cuda, or cuda:0 for one device",
    r"^(cpu|cuda(:\d+)?)$": "use cpu, cuda, or cuda:0 for one device",
    r"^[a-z][a-z0-9_]{0,30}$": "use up to 31 of a-z, 0-9 and `_`, beginning with a letter",
    r"^[a-z][a-z0-9_]{0,62}$": "use up to 63 of a-z, 0-9 and `_`, beginning with a letter",
    r"^[a-z0-9][a-z0-9._-]{0,62}$": "use up to 63 of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit",
    r"^[a-z][a-z-]*$": "use a-z and `-`, beginning with a letter",
    r"^[a-z]{2,3}$": "use a language code of two or three letters, such as en",
    r"^\d+\.\d+\.\d+$": "use three numbers, such as 1.0.0",
    r"^\d{4}-\d{2}-\d{2}$": 'use a day in quotes, such as "2026-01-31"',
    r"^https?://": "use a URL that begins with http:// or https://",
    r"^[A-Za-z0-9_.-]+(/[\x21-\x7e]+)?( [\x20-\x7e]+)?$": "use a product name, such as mybot/1.0, and a comment after a space",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "must be at least {}"),
    "greater_than": ("gt", "must be more than {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "less_than": ("lt", "must be less than {}"),
    "multiple_of": ("multiple_of", "must be a multiple of {}"),
}
_KINDS: dict[str, tuple[str, ...]] = {
    "a whole number": ("int_type", "int_parsing", "int_from_float", "int_parsing_size"),
    "a number": ("float_type", "float_parsing", "finite_number"),
    "true or false": ("bool_type", "bool_parsing"),
    "a list, as in `[a, b]`": ("list_type", "tuple_type", "set_type"),
    "a block of fields, as in `{field: value}`": ("dict_type", "model_type", "model_attributes_type", "dataclass_type"),
}


def plain(error: ErrorDetails) -> str:
    """What is wrong with a value and what would be right, without its place and the value itself."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _BOUNDS:
        name, text = _BOUNDS[kind]
        return text.format(f"{context[name]:g}" if isinstance(context[name], int | float) else context[name])
    for text, kinds in _KINDS.items():
        if kind in kinds:
            return f"must be {text}"
    special = _SPECIAL.get(kind)
    return special(error, context) if special is not None else error["msg"].removeprefix("Value error, ")


def _text(error: ErrorDetails, context: dict[str, Any]) -> str:
    value = error.get("input")
    looks = isinstance(value, bool | int | float | datetime.date)
    return "must be a text: put it in quotes" if looks else "must be a text"


def _literal(error: ErrorDetails, context: dict[str, Any]) -> str:
    return f"use {str(context['expected']).replace(chr(39), '')}"


def _pattern(error: ErrorDetails, context: dict[str, Any]) -> str:
    return PATTERNS.get(context["pattern"], error["msg"])


def _few(error: ErrorDetails, context: dict[str, Any]) -> str:
    least = context["min_length"]
    return f"needs at least {least} {'entry' if least == 1 else 'entries'}"


def _many(error: ErrorDetails, context: dict[str, Any]) -> str:
    return f"takes at most {context['max_length']} entries"


def _short(error: ErrorDetails, context: dict[str, Any]) -> str:
    return "must not be empty" if context["min_length"] == 1 else f"needs at least {context['min_length']} characters"


def _long(error: ErrorDetails, context: dict[str, Any]) -> str:
    return f"takes at most {context['max_length']} characters"


_SPECIAL: dict[str, Callable[[ErrorDetails, dict[str, Any]], str]] = {
    "string_type": _text,
    "literal_error": _literal,
    "string_pattern_mismatch": _pattern,
    "too_short": _few,
    "too_long": _many,
    "string_too_short": _short,
    "string_too_long": _long,
}


def joined(messages: Iterable[str]) -> str:
    """The alternatives of one value: ``use auto, or must be a whole number``; what was found stands once, at the end."""
    parts = [message.rpartition(" (got: ") for message in dict.fromkeys(messages)]
    texts = dict.fromkeys(before or after for before, _, after in parts)
    value = next((f" (got: {after}" for before, _, after in parts if before), "")
    return ", or ".join(texts) + value
