"""Tokenizers of plugins, as the stages see them: their ids have the digest of their code, what they raise costs the sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel

from dataengine.errors import DataEngineError, InputError, RunError, UsageError
from dataengine.media.video.sampling import SlowFast
from dataengine.plugins.failure import failure_of, in_words
from dataengine.plugins.origin import Origin
from dataengine.storage.workspace import digest
from dataengine.tokenize.base import Codes, Frame, Grid, Preparer, Timeline, Tokenizer

T = TypeVar("T")

_NEEDED = (
    "Config",
    "prepared",
    "preparer",
    "id",
    "codebook_sizes",
    "setup",
    "together",
    "encode",
    "decode",
    "save",
    "load",
)


def class_of(origin: Origin) -> Any:
    """The plugin's class. Raises UsageError naming what it lacks."""
    class_ = origin.class_
    if missing := [name for name in _NEEDED if not hasattr(class_, name)]:
        raise UsageError(f"{origin}: it has no {', '.join(f'`{name}`' for name in missing)}")
    config = class_.Config
    if not (
        isinstance(config, type) and issubclass(config, BaseModel) and {"name", "seed"} <= config.model_fields.keys()
    ):
        raise UsageError(f"{origin}: `Config` is a pydantic model with the fields name and seed, among others")
    return class_


@dataclass(frozen=True)
class PluginPreparer:
    """A Preparer of a plugin; pickles as what it is made of."""

    origin: Origin
    settings: Mapping[str, Any] = field(hash=False)

    @cached_property
    def _inner(self) -> Preparer:
        class_ = class_of(self.origin)
        preparer: Preparer = class_.preparer(class_.Config.model_validate(self.settings))
        return preparer

    def __getstate__(self) -> dict[str, Any]:
        return {"origin": self.origin, "settings": self.settings}

    @property
    def min_tokens(self) -> int:
        return self._inner.min_tokens

    @property
    def max_tokens(self) -> int:
        return self._inner.max_tokens

    @property
    def video(self) -> SlowFast:
        return self._inner.video

    def grid(self, height: int, width: int) -> Grid:
        return self._inner.grid(height, width)

    def __call__(self, frames: Sequence[Frame], timeline: Timeline | None = None) -> Any:
        """Raises InputError for whatever the plugin raises."""
        try:
            return self._inner(frames, timeline)
        except Exception as error:
            raise failure_of(error) from error


class PluginTokenizer:
    """A Tokenizer around that of a plugin."""

    def __init__(self, origin: Origin, inner: Tokenizer) -> None:
        self.origin, self.inner, self.name = origin, inner, origin.name
        self.config, self.prepared = inner.config, inner.prepared

    @classmethod
    def fitted(cls, origin: Origin, settings: Mapping[str, Any], stills: Iterable[tuple[str, Any]]) -> PluginTokenizer:
        """By the class's own ``fit(config, stills)``; one without is made from its configuration. Raises RunError."""
        class_ = class_of(origin)
        config = class_.Config.model_validate(settings)
        make = partial(class_.fit, config, stills) if hasattr(class_, "fit") else partial(class_, config)
        return cls(origin, _or_run_error(f"{origin} cannot be fitted", make))

    @classmethod
    def loaded(cls, origin: Origin, data: bytes) -> PluginTokenizer:
        """From a checkpoint. Raises RunError."""
        class_ = class_of(origin)
        return cls(origin, _or_run_error(f"{origin} cannot be loaded", lambda: class_.load(data)))

    @property
    def id(self) -> str:
        """Of configuration, weights and code."""
        return digest(self.inner.id, self.origin.plugin.code)

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        return self.inner.codebook_sizes

    @property
    def together(self) -> int:
        return self.inner.together

    def preparer(self, config: Any) -> PluginPreparer:
        return PluginPreparer(self.origin, config.model_dump(mode="json"))

    def prepare(self, frames: Sequence[Frame], timeline: Timeline | None = None) -> Any:
        return self.preparer(self.config)(frames, timeline)

    def setup(self, device: str, threads: int) -> None:
        """Raises RunError."""
        _or_run_error(f"{self.origin} cannot start", partial(self.inner.setup, device, threads))

    def encode(self, prepared: Sequence[Any]) -> list[Codes]:
        """Raises TypeError or ValueError for what are no codes."""
        codes = self.inner.encode(prepared)
        if len(codes) != len(prepared) or not all(isinstance(one, Codes) for one in codes):
            raise TypeError(f"encode gave no list of {len(prepared)} dataengine.tokenize.base.Codes")
        sizes = self.codebook_sizes
        for one in codes:
            if one.tokens.shape[1] != len(sizes) or (one.tokens >= np.asarray(sizes)).any():
                raise ValueError(f"encode gave codes that are not of codebooks of {', '.join(map(str, sizes))} entries")
        return codes

    def attempt(self, prepared: Sequence[Any]) -> list[Codes | InputError]:
        """As ``encode``; a batch that fails is tried by halves, until those are alone that fail by themselves."""
        if not prepared:
            return []
        try:
            return [*self.encode(prepared)]
        except Exception as error:
            failure = failure_of(error)
        if len(prepared) == 1:
            return [failure]
        half = len(prepared) // 2
        return [*self.attempt(prepared[:half]), *self.attempt(prepared[half:])]

    def decode(self, codes: Codes) -> Any:
        """Raises RunError."""
        return _or_run_error(f"{self.origin} cannot decode", lambda: self.inner.decode(codes))

    def save(self) -> bytes:
        """Raises RunError."""
        return _or_run_error(f"{self.origin} cannot be saved", self.inner.save)

    def load(self, data: bytes) -> PluginTokenizer:
        """Another of the same class. Raises RunError."""
        return self.loaded(self.origin, data)


def _or_run_error(what: str, work: Callable[[], T]) -> T:
    """What ``work`` returns. Raises RunError for what a plugin raises."""
    try:
        return work()
    except (DataEngineError, MemoryError):
        raise
    except Exception as error:
        raise RunError(f"{what}: {in_words(error)}") from error
