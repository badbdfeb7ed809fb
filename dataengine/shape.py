"""Holds JSON values against the contracts in ``schemas.py``: the part of JSON Schema that they use, and no more.

A schema becomes nested closures, some 10 µs for the JSON of a sample; a general validator takes fifty times as long.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

#: Says what is wrong as ``.field[3]: reason``, or "".
Check = Callable[[Any], str]

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_KNOWN = {"type", "properties", "required", "additionalProperties", "items", "enum", "anyOf", "pattern", "minimum"}
_KNOWN |= {"maximum", "minItems", "maxItems", "title", "description", "$schema", "contentEncoding"}


def check_of(schema: Mapping[str, Any]) -> Check:
    """A check of values against ``schema``. Raises ValueError for a schema that uses more than is known here."""
    if unknown := sorted(schema.keys() - _KNOWN):
        raise ValueError(f"cannot check {', '.join(unknown)}")
    if "enum" in schema:
        return _enum(schema["enum"])
    if "anyOf" in schema:
        return _any([check_of(s) for s in schema["anyOf"]])
    kind = schema.get("type")
    if isinstance(kind, list):
        return _any([check_of({"type": k}) for k in kind])
    if kind == "object":
        return _object(schema)
    if kind == "array":
        return _array(check_of(schema["items"]), schema.get("minItems", 0), schema.get("maxItems"))
    if kind is None:
        return lambda value: ""
    return _scalar(kind, schema)


def _enum(values: list[Any]) -> Check:
    return lambda value: "" if value in values else f": {value!r} is none of {', '.join(map(str, values))}"


def _any(checks: list[Check]) -> Check:
    def check(value: Any) -> str:
        said = ""
        for one in checks:
            if not (said := one(value)):
                return ""
        return said

    # The last one is "null" where a field may be missing; what the first says tells more.
    return check if len(checks) < 2 else lambda value: check(value) and checks[0](value)


def _object(schema: Mapping[str, Any]) -> Check:
    checks = {name: check_of(sub) for name, sub in schema.get("properties", {}).items()}
    required = frozenset(schema.get("required", ()))
    more = schema.get("additionalProperties", True)
    other = check_of(more) if isinstance(more, Mapping) else None

    def check(value: Any) -> str:
        if type(value) is not dict:
            return f": {value!r:.60} is no object"
        if not required <= value.keys():
            return f".{min(required - value.keys())}: missing"
        for name, item in value.items():
            one = checks.get(name, other)
            if one is None:
                if more:
                    continue
                return f".{name}: unknown field"
            if said := one(item):
                return f".{name}{said}"
        return ""

    return check


def _array(item: Check, least: int, most: int | None) -> Check:
    def check(value: Any) -> str:
        if type(value) is not list:
            return f": {value!r:.60} is no list"
        if len(value) < least or (most is not None and len(value) > most):
            return f": has {len(value)} items"
        for n, one in enumerate(value):
            if said := item(one):
                return f"[{n}]{said}"
        return ""

    return check


def _scalar(kind: str, schema: Mapping[str, Any]) -> Check:
    types, fits = _TYPES[kind], re.compile(schema.get("pattern", "")).search
    pattern, low, high = "pattern" in schema, schema.get("minimum"), schema.get("maximum")

    def check(value: Any) -> str:
        if type(value) not in types:
            return f": {value!r:.60} is no {kind}"
        if (low is not None and value < low) or (high is not None and value > high):
            return f": {value!r} is out of range"
        if pattern and not fits(value):
            return f": {value!r:.60} is not of the form {schema['pattern']}"
        return ""

    return check
