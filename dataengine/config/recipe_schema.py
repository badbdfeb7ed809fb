"""JSON Schema of a recipe, for editors: names, types, choices and bounds of all fields, with what they mean."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel

from dataengine.config.recipe import Recipe
from dataengine.config.sources import Model

DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: Blocks of every recipe but one that only indexes a table of items.
_OF_SAMPLES = ("sources", "filter", "release")
_ITEMS_ALONE = {
    "required": ["index"],
    "properties": {"index": {"type": "object", "required": ["of"], "properties": {"of": {"const": "items"}}}},
}
_DESCRIPTION = (
    "A recipe of dataengine: one YAML file that describes a whole run. Sizes in bytes or as `16 MB`, times in seconds."
)


@cache
def recipe_schema() -> dict[str, Any]:
    """What an editor can check; some mistakes, such as a path that does not exist, only ``dataengine validate`` finds."""
    schema = Recipe.model_json_schema()
    definitions = schema["$defs"]
    _describe(schema, Recipe)
    for model in _models(Model):
        if model.__name__ in definitions:
            _describe(definitions[model.__name__], model)
    column = definitions.pop("ColumnConfig")
    definitions["ColumnFields"] = column
    definitions["ColumnConfig"] = {"anyOf": [{"$ref": "#/$defs/ColumnFields"}, column["properties"]["type"]]}
    schema["required"] = [name for name in schema["required"] if name not in _OF_SAMPLES]
    schema["anyOf"] = [{"required": list(_OF_SAMPLES)}, _ITEMS_ALONE]
    return {"$schema": DIALECT, **schema, "title": "recipe", "description": _DESCRIPTION}


def _models(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in base.__subclasses__():
        yield model
        yield from _models(model)


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Add the sentences that stand below a model's fields, and make those of the model one line."""
    if "description" in schema:
        schema["description"] = _line(schema["description"])
    for cls in reversed(model.__mro__):
        if issubclass(cls, Model) and cls.__module__ in sys.modules:
            for name, text in _sentences(cls):
                if name in schema.get("properties", {}):
                    schema["properties"][name]["description"] = _line(text)


def _sentences(cls: type) -> Iterator[tuple[str, str]]:
    """The string that follows each field in the source of a class. They are read here, and not by every start of the command."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    for field, after in zip(body.body, body.body[1:], strict=False):
        text = after.value if isinstance(after, ast.Expr) else None
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Constant):
            yield field.target.id, str(text.value)


def _line(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")
