"""What a plugin's object is made of: it never leaves its process, and is made again in each that needs it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dataengine.errors import DataEngineError, UsageError
from dataengine.plugins.failure import in_words
from dataengine.plugins.kinds import Kind
from dataengine.plugins.offers import Plugin, find
from dataengine.storage.workspace import digest


@dataclass(frozen=True)
class Origin:
    """A class of a plugin by its name, and the options that a recipe gives it."""

    kind: Kind
    plugin: Plugin
    name: str
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return f"{self.kind} `{self.name}` of plugin {self.plugin.label}"

    @property
    def identity(self) -> str:
        """Digest of code and options: what must be part of the key of all that the object makes."""
        return digest(self.plugin.code, json.dumps(dict(self.options), sort_keys=True, default=str))[:12]

    @property
    def class_(self) -> Any:
        """The plugin's class. Raises UsageError, RunError."""
        return self.plugin.offers(self.kind)[self.name]

    def make(self) -> Any:
        """The object. Raises UsageError where its class does not take the options."""
        try:
            return self.class_(**self.options)
        except (DataEngineError, MemoryError):
            raise
        except Exception as error:
            raise UsageError(f"{self}: {in_words(error)}") from error


def origin_of(kind: Kind, name: str, options: Mapping[str, Any], plugins: Sequence[Plugin]) -> Origin | None:
    """The plugin's class of that name; None where none of ``plugins`` and no installed package has it. Raises UsageError."""
    plugin = find(kind, name, plugins)
    return None if plugin is None else Origin(kind, plugin, name, options)
