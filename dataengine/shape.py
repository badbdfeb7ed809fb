"""Holds JSON against the contracts in ``schemas.py``: the part of JSON Schema that they use, and no more.

pydantic's Rust core does it in 5 µs for the JSON of a sample, parsing included; a general JSON Schema validator takes a
hundred times as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import SchemaValidator, ValidationError
from pydantic_core import core_schema as core

_KNOWN = {"type", "properties", "required", "additionalProperties", "items", "enum", "anyOf", "pattern", "minimum"}
_KNOWN |= {"maximum", "minItems", "maxItems", "title", "description", "$schema", "contentEncoding"}


class Shape:
    """A schema, ready to check many values. Raises ValueError for one that uses more than is known here."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._validator = SchemaValidator(_core(schema))

    def parsed(self, data: bytes) -> Any:
        """The value of JSON ``data``. Raises ValueError saying what is wrong as ``field.3.name: reason``."""
        try:
            return self._validator.validate_json(data)
        except ValidationError as error:
            raise ValueError(_first(error)) from None

    def wrong(self, value: Any) -> str:
        """What is wrong with a value, or ""."""
        try:
            self._validator.validate_python(value)
        except ValidationError as error:
            return _first(error)
        return ""


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]


def _core(schema: Mapping[str, Any]) -> core.CoreSchema:
    if unknown := sorted(schema.keys() - _KNOWN):
        raise ValueError(f"cannot check {', '.join(unknown)}")
    if "enum" in schema:
        return core.literal_schema(schema["enum"])
    if "anyOf" in schema:
        return core.union_schema([_core(s) for s in schema["anyOf"]])
    kind = schema.get("type")
    if isinstance(kind, list):
        return core.union_schema([_core({"type": k}) for k in kind])
    if kind == "object":
        return _object(schema)
    if kind == "array":
        least, most = schema.get("minItems"), schema.get("maxItems")
        return core.list_schema(_core(schema["items"]), min_length=least, max_length=most, strict=True)
    return core.any_schema() if kind is None else _scalar(kind, schema)


def _object(schema: Mapping[str, Any]) -> core.CoreSchema:
    more = schema.get("additionalProperties", True)
    if isinstance(more, Mapping):
        return core.dict_schema(core.str_schema(), _core(more), strict=True)
    required = schema.get("required", ())
    fields = {
        name: core.typed_dict_field(_core(sub), required=name in required)
        for name, sub in schema.get("properties", {}).items()
    }
    return core.typed_dict_schema(fields, extra_behavior="allow" if more else "forbid", strict=True)


def _scalar(kind: str, schema: Mapping[str, Any]) -> core.CoreSchema:
    if kind == "string":
        return core.str_schema(pattern=schema.get("pattern"), strict=True)
    if kind == "integer":
        return core.int_schema(ge=schema.get("minimum"), le=schema.get("maximum"), strict=True)
    if kind == "number":
        return core.float_schema(ge=schema.get("minimum"), le=schema.get("maximum"), strict=True, allow_inf_nan=False)
    return {"boolean": core.bool_schema(strict=True), "null": core.none_schema()}[kind]
