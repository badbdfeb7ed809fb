"""dataengine: raw images, short videos and captions → a release that a trainer can read.

The names below are the public face; docs/python.md shows each. All are imported on first use, so that ``import dataengine``
costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataengine.config.recipe import Recipe, load
    from dataengine.ingest.occurrence import SourceReader as Source
    from dataengine.models.serving.completion import ChatModel as Teacher
    from dataengine.pipeline import execute as run
    from dataengine.score.base import Scorer

__all__ = ["Recipe", "Scorer", "Source", "Teacher", "load", "run"]

_PLACES = {
    "Recipe": ("dataengine.config.recipe", "Recipe"),
    "Scorer": ("dataengine.score.base", "Scorer"),
    "Source": ("dataengine.ingest.occurrence", "SourceReader"),
    "Teacher": ("dataengine.models.serving.completion", "ChatModel"),
    "load": ("dataengine.config.recipe", "load"),
    "run": ("dataengine.pipeline", "execute"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module dataengine has no attribute {name!r}; it offers {', '.join(__all__)}")
    module, attribute = _PLACES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
