"""Scorers of plugins, as the stage sees them: what such code raises, or returns in another form, costs the sample alone.

A plugin's own object never leaves its process. What travels is its file (or the name of its package) with the options, from which
each process makes it again; its version has the digest of both, so that scores of two versions are never mixed.
"""

from __future__ import annotations

import operator
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dataengine.embed.prepared import VERSION as EMBEDDING
from dataengine.errors import DataEngineError, RunError, UsageError
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.media.sandbox.answers import encode
from dataengine.media.sandbox.wire import Ok
from dataengine.models.clip import ClipEncoder
from dataengine.plugins.failure import failure_of, in_words
from dataengine.plugins.offers import Plugin
from dataengine.plugins.origin import Origin
from dataengine.score.base import Columns, EmbeddingScorer, stored

LOST = "lost by "
"""Before a scorer's name: count of the samples of a part that it could not score."""
_LOST = "dataengine_lost"
"""Key of a prepared value that says why there is none."""


@dataclass(frozen=True)
class Fault:
    """Why a sample has no scores: a short stable class, and a sentence."""

    failure: str
    message: str


class PluginScorer:
    """Base of the three forms below. Pickles as its origin."""

    def __init__(self, origin: Origin, scorer: Any = None) -> None:
        self.origin, self.name = origin, origin.name
        self.scorer = origin.make() if scorer is None else scorer
        self.fields: list[pa.Field[Any]] = list(self.scorer.fields)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.origin,)

    @property
    def version(self) -> str:
        """The scorer's own, with the digest of its code and options."""
        return f"{self.scorer.version}-{self.origin.identity}"

    def validate(self) -> None:
        """Raises UsageError."""
        try:
            self.scorer.validate()
        except DataEngineError:
            raise
        except Exception as error:
            raise UsageError(f"score.scorers: {self.origin}: {in_words(error)}") from error

    @abstractmethod
    def outcomes(self, prepared: Sequence[Any], captions: Sequence[Any]) -> list[dict[str, Any] | Fault]:
        """Of each sample the value of each field as it is stored, or why there is none."""


class PluginPixelScorer(PluginScorer):
    """A Scorer of a plugin."""

    def __init__(self, origin: Origin, scorer: Any = None) -> None:
        super().__init__(origin, scorer)
        self.frames: int = self.scorer.frames
        self.min_side: int | None = self.scorer.min_side

    def setup(self, device: str, threads: int) -> None:
        """Raises RunError where the plugin does: nothing could be scored."""
        try:
            self.scorer.setup(device, threads)
        except (DataEngineError, MemoryError):
            raise
        except Exception as error:
            raise RunError(f"{self.origin} cannot start: {in_words(error)}") from error

    def prepare(self, frames: Sequence[Pixels]) -> dict[str, Any]:
        """``{"value": …}``, or why there is none: other scorers of the sample are not to lose theirs."""
        return _prepared(lambda: {"value": self.scorer.prepare(frames)})

    def outcomes(self, prepared: Sequence[Any], captions: Sequence[Any]) -> list[dict[str, Any] | Fault]:
        lost = [fault_in(one) for one in prepared]
        good = [n for n, fault in enumerate(lost) if fault is None]
        scored = iter(_attempted(self, [prepared[n]["value"] for n in good], [captions[n] for n in good]))
        return [next(scored) if fault is None else fault for fault in lost]

    def score(self, prepared: Sequence[Any], captions: Sequence[Sequence[str]]) -> Columns:
        """As a Scorer has it; the stage takes ``outcomes``."""
        return self.scorer.score(prepared, captions)  # type: ignore[no-any-return]


class PluginFileScorer(PluginScorer):
    """A FileScorer of a plugin."""

    def __init__(self, origin: Origin, scorer: Any = None) -> None:
        super().__init__(origin, scorer)
        self.kinds: tuple[str, ...] = tuple(self.scorer.kinds)

    def prepare_file(self, data: bytes, limits: Limits) -> dict[str, Any]:
        """Values by field, or why there are none."""
        return _prepared(lambda: _row(self.fields, self.scorer.prepare_file(data, limits)))

    def outcomes(self, prepared: Sequence[Any], captions: Sequence[Any]) -> list[dict[str, Any] | Fault]:
        return [fault_in(one) or one for one in prepared]


class PluginEmbeddingScorer(PluginScorer, EmbeddingScorer):
    """An EmbeddingScorer of a plugin."""

    @property
    def encoder(self) -> ClipEncoder:
        return self.scorer.encoder  # type: ignore[no-any-return]

    @encoder.setter
    def encoder(self, encoder: ClipEncoder) -> None:
        self.scorer.encoder = encoder

    @property
    def version(self) -> str:
        return f"{super().version}-{self.encoder.version}-embed{EMBEDDING}"

    def outcomes(self, prepared: Sequence[Any], captions: Sequence[Any]) -> list[dict[str, Any] | Fault]:
        return _attempted(self, prepared, captions)

    def score(self, vectors: Sequence[Any], captions: Sequence[Any]) -> Columns:
        return self.scorer.score(vectors, captions)  # type: ignore[no-any-return]


AnyOfModel = PluginPixelScorer | PluginEmbeddingScorer
"""Those that score batches of prepared values."""


def fault_in(prepared: Any) -> Fault | None:
    """Why a value was not prepared; None for one that was."""
    lost = prepared.get(_LOST) if isinstance(prepared, dict) else None
    return Fault(*lost) if lost is not None else None


def _prepared(work: Any) -> dict[str, Any]:
    """What ``work`` gives, if a decode process can send it."""
    try:
        value: dict[str, Any] = work()
        encode(Ok(value), 1 << 40)
        return value
    except Exception as error:
        failure = failure_of(error)
        return {_LOST: [failure.failure, failure.message]}


def _attempted(scorer: AnyOfModel, prepared: Sequence[Any], captions: Sequence[Any]) -> list[dict[str, Any] | Fault]:
    """A batch that fails is tried by halves, until those are alone that fail by themselves."""
    if not prepared:
        return []
    try:
        return list(rows_of(scorer, prepared, captions))
    except Exception as error:
        failure = failure_of(error)
    if len(prepared) == 1:
        return [Fault(failure.failure, failure.message)]
    half = len(prepared) // 2
    return [
        *_attempted(scorer, prepared[:half], captions[:half]),
        *_attempted(scorer, prepared[half:], captions[half:]),
    ]


def rows_of(scorer: AnyOfModel, prepared: Sequence[Any], captions: Sequence[Any]) -> list[dict[str, Any]]:
    """Of each sample of a batch its values as they are stored. Raises what the plugin raises, and TypeError or ValueError
    where it gives another form than its fields state."""
    columns: Any = scorer.score(prepared, captions)
    fields, count = scorer.fields, len(prepared)
    if not isinstance(columns, dict):
        raise TypeError(
            f"score gave a {type(columns).__name__}; it gives a dict of columns, a list of values for each field"
        )
    for column in fields:
        if column.name in columns and len(columns[column.name]) != count:
            raise ValueError(f"score gave {len(columns[column.name])} values of `{column.name}` for {count} samples")
    return [_row(fields, {name: values[n] for name, values in columns.items()}) for n in range(count)]


def _row(fields: Sequence[pa.Field[Any]], values: Any) -> dict[str, Any]:
    """One sample's values as they are stored. Raises TypeError or ValueError."""
    if not isinstance(values, dict):
        raise TypeError(f"prepare_file gave a {type(values).__name__}; it gives a dict of a value for each field")
    if values.keys() != {f.name for f in fields}:
        raise ValueError(
            f"the columns are {', '.join(sorted(map(str, values)))}; fields has {', '.join(f.name for f in fields)}"
        )
    return {f.name: _value(f, values[f.name]) for f in fields}


def _value(column: pa.Field[Any], value: Any) -> Any:
    if value is None:
        return None
    if pa.types.is_string(column.type):
        if not isinstance(value, str):
            raise TypeError(f"`{column.name}` is a {type(value).__name__}, not a text")
        value.encode()
        return value
    if isinstance(value, str | bytes):
        raise TypeError(f"`{column.name}` is a {type(value).__name__}, not a number")
    return (
        stored(value) if pa.types.is_float64(column.type) else int(pa.scalar(operator.index(value), pa.int64()).as_py())
    )


def plugins_of(scorers: Sequence[Any]) -> tuple[Plugin, ...]:
    """The plugins that scorers are from, as this process has them: what their makers in other processes need."""
    return tuple(dict.fromkeys(s.origin.plugin for s in scorers if isinstance(s, PluginScorer)))
