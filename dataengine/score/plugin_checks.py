"""Whether a plugin's class has what a scorer needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from dataengine.errors import UsageError
from dataengine.plugins.kinds import NAME
from dataengine.plugins.origin import Origin
from dataengine.score.base import AnyScorer, EmbeddingScorer
from dataengine.score.plugin import (
    PluginEmbeddingScorer,
    PluginFileScorer,
    PluginPixelScorer,
)

_ALL = ("version", "fields", "validate")
_PIXELS = ("frames", "min_side", "prepare", "setup", "score")
_FILE = ("kinds", "prepare_file")
_RESERVED = ("id", "failure", "message")
_TYPES = (pa.float64(), pa.int64(), pa.string())


def adapted(origin: Origin) -> AnyScorer:
    """A plugin's scorer as the stage takes it. Raises UsageError naming what it lacks."""
    scorer = origin.make()
    form: type[PluginEmbeddingScorer | PluginFileScorer | PluginPixelScorer]
    needed: tuple[str, ...]
    if isinstance(scorer, EmbeddingScorer):
        form, needed = PluginEmbeddingScorer, _ALL
    elif hasattr(scorer, "prepare_file"):
        form, needed = PluginFileScorer, (*_ALL, *_FILE)
    else:
        form, needed = PluginPixelScorer, (*_ALL, *_PIXELS)
    missing = [name for name in needed if name != "version" and not hasattr(scorer, name)]
    mistakes = [f"it has no `{name}`" for name in missing] or [*_of_fields(scorer.fields), *_of_sizes(scorer)]
    if mistakes:
        raise UsageError(f"score.scorers: {origin}: {'; '.join(mistakes)}")
    return form(origin, scorer)


def _of_fields(fields: Any) -> list[str]:
    if not isinstance(fields, Sequence) or not fields or not all(isinstance(one, pa.Field) for one in fields):
        return ['`fields` is no list of pyarrow fields, as in `[pa.field("warmth", pa.float64())]`']
    names = [one.name for one in fields]
    mistakes = [f"`fields` has `{name}` twice" for name in sorted({n for n in names if names.count(n) > 1})]
    for one in fields:
        if not NAME.fullmatch(one.name) or one.name in _RESERVED:
            mistakes.append(
                f"a column cannot be called {one.name!r}: use a-z, 0-9 and `_`, and not {', '.join(_RESERVED)}"
            )
        if one.type not in _TYPES:
            mistakes.append(f"`{one.name}` is of type {one.type}; use {', '.join(map(str, _TYPES))}")
    return mistakes


def _of_sizes(scorer: Any) -> list[str]:
    """What is wrong with the other attributes; those that a form does not have are not looked at."""
    mistakes = []
    if not isinstance(scorer, EmbeddingScorer) and not _is_version(scorer):
        mistakes.append("`version` must be a text of letters, digits, `.`, `_` and `-`")
    if not _is_count(getattr(scorer, "frames", 1)):
        mistakes.append("`frames` must be a whole number from 1")
    side = getattr(scorer, "min_side", None)
    if side is not None and not _is_count(side):
        mistakes.append("`min_side` must be None or a whole number from 1")
    return mistakes


def _is_version(scorer: Any) -> bool:
    version = getattr(scorer, "version", None)
    return isinstance(version, str) and 0 < len(version) <= 64 and all(c.isalnum() or c in "._-" for c in version)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
