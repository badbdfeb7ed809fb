"""JSON from outside, bounded in size, nesting and numbers. Messages never quote what was read."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from dataengine.errors import InputError
from dataengine.text.cleaning import DEPTH, Repairs, clean_text, clean_value

#: Bytes, or characters, of one document.
SIZE = 16 << 20

_TO_CLEAN = re.compile(r"\ufeff|\\[bf]|\\u(?:[dD][89a-fA-F]|00[01]|[fF][eE][fF][fF])")


def parse_json(data: bytes | str, *, depth: int = DEPTH, size: int = SIZE) -> Any:
    """The value of a JSON document, its strings cleaned (``text.cleaning``). Raises InputError ``bad_json``: not JSON, larger
    than ``size``, nested deeper than ``depth`` levels, or with NaN, Infinity or a number beyond float64."""
    text = _text(data, size)
    value = _loads(text, depth, parse_constant=_refuse, parse_float=_finite)
    return clean_value(value, Repairs(), depth) if _TO_CLEAN.search(text) else value


def repair_json(data: bytes | str, repairs: Repairs, *, depth: int = DEPTH, size: int = SIZE) -> Any:
    """As ``parse_json``, but NaN, Infinity and numbers beyond float64 are dropped; ``repairs`` counts what was changed."""
    return clean_value(parse_uncleaned(data, depth=depth, size=size), repairs, depth)


def parse_uncleaned(data: bytes | str, *, depth: int = DEPTH, size: int = SIZE) -> Any:
    """As ``repair_json``, but ``text.cleaning.clean_value`` is left to the caller."""
    return _loads(_text(data, size), depth)


def _text(data: bytes | str, size: int) -> str:
    if len(data) > size:
        raise InputError("bad_json", f"not read: {len(data):,} bytes of JSON, limit {size:,}")
    if isinstance(data, str):
        return clean_text(data)
    return data.decode(json.detect_encoding(data), "replace")


def _loads(text: str, depth: int, **hooks: Any) -> Any:
    try:
        value = json.loads(text, **hooks)
    except RecursionError:
        raise _nested(depth) from None
    except json.JSONDecodeError as error:
        raise InputError("bad_json", f"not JSON: {error}") from None
    except ValueError:
        raise InputError("bad_json", "not read: a number with too many digits") from None
    if text.count("[") + text.count("{") > depth and _deeper(value, depth):
        raise _nested(depth)
    return value


def _nested(depth: int) -> InputError:
    return InputError("bad_json", f"not read: nested deeper than {depth} levels")


def _deeper(value: Any, depth: int) -> bool:
    """True where lists and dicts are nested deeper than ``depth``; level by level, without recursion."""
    level = [value]
    for _ in range(depth):
        level = [inner for outer in level if isinstance(outer, dict | list) for inner in _inside(outer)]
    return bool(level)


def _inside(value: dict[str, Any] | list[Any]) -> list[Any]:
    children = value.values() if isinstance(value, dict) else value
    return [child for child in children if isinstance(child, dict | list)]


def _refuse(_constant: str) -> None:
    raise InputError("bad_json", "not read: NaN or Infinity, which JSON does not have")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise InputError("bad_json", "not read: a number beyond the range of float64")
    return number
