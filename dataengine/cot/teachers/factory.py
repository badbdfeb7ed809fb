"""From the recipe's teachers to clients, and which of their failures end a run."""

from __future__ import annotations

from dataengine.config.cot import OpenAIConfig
from dataengine.cot.teachers.base import Failure, NotSaid, Teacher
from dataengine.errors import RunError
from dataengine.storage.store import Store

_STOPS = (Failure.CONNECTION, Failure.DENIED, Failure.BUDGET)
"""Failures that the next question would meet as well."""


def teacher_of(config: OpenAIConfig, store: Store | None) -> Teacher:
    """A client; finished generations are kept in ``store``."""
    from dataengine.cot.teachers.openai import OpenAITeacher

    return OpenAITeacher(config, store)


def stop(said: NotSaid) -> None:
    """Raise RunError where going on would fail every question that is left; what is finished is kept."""
    if said.failure in _STOPS:
        raise RunError(
            f"a teacher gave no answer ({said.failure.value}: {said.message}); finished answers are kept: mend it and start "
            "the run again to go on"
        )
