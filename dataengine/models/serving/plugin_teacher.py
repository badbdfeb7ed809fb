"""A teacher of a plugin as a ChatModel: its finished completions are kept like those of any model, and what it raises costs the
requests that it was at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from dataengine.errors import DataEngineError, RunError, UsageError
from dataengine.models.serving.cache import CompletionCache
from dataengine.models.serving.completion import (
    ChatModel,
    Completion,
    FailedCompletion,
    Failure,
    Media,
    Request,
    Result,
)
from dataengine.plugins.failure import in_words
from dataengine.plugins.origin import Origin
from dataengine.text.cleaning import clean_text

_CHUNK = 64
"""Requests that are given to the plugin at once."""


class PluginTeacher:
    """A ChatModel around that of a plugin."""

    def __init__(self, origin: Origin, cache: CompletionCache) -> None:
        self.origin, self.cache = origin, cache
        self._teacher: ChatModel = origin.make()
        missing = [
            name for name in ("id", "validate", "setup", "close", "complete") if not hasattr(self._teacher, name)
        ]
        if missing:
            raise UsageError(f"{origin}: it has no {', '.join(f'`{name}`' for name in missing)}")

    @property
    def id(self) -> str:
        """The plugin's own, with the digest of its code and options."""
        return f"{self._teacher.id}:{self.origin.identity}"

    def validate(self) -> None:
        """Raises UsageError."""
        try:
            self._teacher.validate()
        except DataEngineError:
            raise
        except Exception as error:
            raise UsageError(f"{self.origin}: {in_words(error)}") from error

    def setup(self) -> None:
        """Raises RunError: a teacher that cannot start answers nobody."""
        try:
            self._teacher.setup()
        except (DataEngineError, MemoryError):
            raise
        except Exception as error:
            raise RunError(f"{self.origin} cannot start: {in_words(error)}") from error

    def close(self) -> None:
        self._teacher.close()

    def complete(self, requests: Iterable[Request], media: Media) -> Iterator[tuple[int, Result]]:
        """``(index, result)`` of each request; requests are given to the plugin in batches, what is known is not asked again."""
        batch: list[tuple[int, str, Request]] = []
        for index, request in enumerate(requests):
            key = request.digest(self.id, [hashlib.sha256(media(name)).hexdigest() for name in request.pictures])
            if (known := self.cache.get(key)) is not None:
                yield index, known
                continue
            batch.append((index, key, request))
            if len(batch) == _CHUNK:
                yield from self._answered(batch, media)
                batch = []
        yield from self._answered(batch, media)

    def _answered(self, batch: Sequence[tuple[int, str, Request]], media: Media) -> Iterator[tuple[int, Result]]:
        """Each result once. Requests that a batch left unanswered are asked one by one."""
        results = dict(self._results([request for *_, request in batch], media))
        for place, (index, key, request) in enumerate(batch):
            result = results.get(place)
            if result is None:
                result = dict(self._results([request], media)).get(0) or _bad(f"{self.origin} gave no completion")
            self.cache.put(key, result)
            yield index, result

    def _results(self, requests: Sequence[Request], media: Media) -> Iterator[tuple[int, Result]]:
        """What the plugin gives before it raises; of a single request the failure that stands for the exception."""
        if not requests:
            return
        try:
            for place, result in self._teacher.complete(requests, media):
                yield int(place), _checked(result)
        except ImportError as error:
            raise RunError(f"{self.origin}: {in_words(error)}; install it on every node") from error
        except (DataEngineError, MemoryError):
            raise
        except Exception as error:
            if len(requests) == 1:
                yield 0, _bad(f"{self.origin}: {in_words(error)}")


def _checked(result: Any) -> Result:
    """Raises TypeError for what is no result."""
    if isinstance(result, Completion):
        if not isinstance(result.text, str) or not isinstance(result.reasoning, str):
            raise TypeError(f"complete gave a Completion whose text is a {type(result.text).__name__}")
        return replace(result, text=clean_text(result.text), reasoning=clean_text(result.reasoning))
    if not isinstance(result, FailedCompletion):
        raise TypeError(f"complete gave a {type(result).__name__}, not a Completion or FailedCompletion")
    return result


def _bad(message: str) -> FailedCompletion:
    return FailedCompletion(Failure.BAD_REPLY, message)
