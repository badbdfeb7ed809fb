"""dataengine: raw images, short videos and captions → a release that a trainer can read.

The names below are the public face; docs/python.md shows each. All are imported on first use, so that ``import dataengine``
costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataengine.api.release import CotRecord, Release, Sample
    from dataengine.api.release import Release as open  # noqa: N813
    from dataengine.api.run import Run, run
    from dataengine.config.recipe import Recipe, load
    from dataengine.cot.tasks.base import Task
    from dataengine.errors import CancelledError, DataEngineError, RunError, UsageError
    from dataengine.export.plugin import Exporter
    from dataengine.ingest.occurrence import Occurrence
    from dataengine.ingest.occurrence import SourceReader as Source
    from dataengine.models.serving.completion import ChatModel as Teacher
    from dataengine.score.base import EmbeddingScorer, FileScorer, Scorer
    from dataengine.stage import Part
    from dataengine.tokenize.base import Tokenizer

__all__ = [
    "CancelledError",
    "CotRecord",
    "DataEngineError",
    "EmbeddingScorer",
    "Exporter",
    "FileScorer",
    "Occurrence",
    "Part",
    "Recipe",
    "Release",
    "Run",
    "RunError",
    "Sample",
    "Scorer",
    "Source",
    "Task",
    "Teacher",
    "Tokenizer",
    "UsageError",
    "load",
    "open",
    "run",
]

_PLACES = {
    "CancelledError": ("dataengine.errors", "CancelledError"),
    "CotRecord": ("dataengine.api.release", "CotRecord"),
    "DataEngineError": ("dataengine.errors", "DataEngineError"),
    "EmbeddingScorer": ("dataengine.score.base", "EmbeddingScorer"),
    "Exporter": ("dataengine.export.plugin", "Exporter"),
    "FileScorer": ("dataengine.score.base", "FileScorer"),
    "Occurrence": ("dataengine.ingest.occurrence", "Occurrence"),
    "Part": ("dataengine.stage", "Part"),
    "Recipe": ("dataengine.config.recipe", "Recipe"),
    "Release": ("dataengine.api.release", "Release"),
    "Run": ("dataengine.api.run", "Run"),
    "RunError": ("dataengine.errors", "RunError"),
    "Sample": ("dataengine.api.release", "Sample"),
    "Scorer": ("dataengine.score.base", "Scorer"),
    "Source": ("dataengine.ingest.occurrence", "SourceReader"),
    "Task": ("dataengine.cot.tasks.base", "Task"),
    "Teacher": ("dataengine.models.serving.completion", "ChatModel"),
    "Tokenizer": ("dataengine.tokenize.base", "Tokenizer"),
    "UsageError": ("dataengine.errors", "UsageError"),
    "load": ("dataengine.config.recipe", "load"),
    "open": ("dataengine.api.release", "Release"),
    "run": ("dataengine.api.run", "run"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module dataengine has no attribute {name!r}; it offers {', '.join(__all__)}")
    module, attribute = _PLACES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
