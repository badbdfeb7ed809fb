"""The recipe's ``plugins``: paths in the file, their content in the recipe, read once for all that a run does with it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import PlainValidator

from dataengine.errors import UsageError
from dataengine.plugins.file import PluginFile


def _read(value: Any) -> PluginFile:
    """The file that a path names. Raises ValueError."""
    if isinstance(value, PluginFile):
        return value
    if not isinstance(value, str):
        raise ValueError("use the path of a Python file, as in `plugins: [./my_scorer.py]`")
    try:
        return PluginFile.read(value)
    except UsageError as error:
        raise ValueError(str(error)) from None


Plugins = tuple[Annotated[PluginFile, PlainValidator(_read, json_schema_input_type=str)], ...]
