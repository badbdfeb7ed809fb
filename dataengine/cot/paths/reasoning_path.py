"""A path of reasoning as a model gave it, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dataengine.cot.core.confidence import Confidence, confidence_of
from dataengine.cot.teachers.tool_calls import text_of
from dataengine.models.serving.completion import FailedCompletion, Result, raise_if_fatal


class DialogueFailure(StrEnum):
    """Why a dialogue with tools gave no path though the model server answered."""

    TURNS = "turns"
    """More programs than the recipe allows."""
    TOOLS = "tools"
    """The process that ran a program died, took too long or too much memory."""


@dataclass(frozen=True)
class ReasoningPath:
    """``text`` as the model wrote it; ``pictures`` (PNG) are what tools gave, in the order of the text. ``reasoning``: what the
    server tells apart from the text."""

    text: str
    confidence: Confidence
    pictures: tuple[bytes, ...] = ()
    reasoning: str = ""


@dataclass(frozen=True)
class FailedPath:
    """``failure`` is the class: a ``models.serving`` Failure or a DialogueFailure."""

    failure: str
    message: str


def path_of(result: Result) -> ReasoningPath | FailedPath:
    """The path that one completion is. Raises RunError where all further requests would fail the same way."""
    if isinstance(result, FailedCompletion):
        return failed_path(result)
    reasoning = "" if result.tool_calls else result.reasoning.strip()
    return ReasoningPath(text_of(result).strip(), confidence_of(result.text, result.logprobs), reasoning=reasoning)


def failed_path(result: FailedCompletion) -> FailedPath:
    """Raises RunError where all further requests would fail the same way."""
    raise_if_fatal(result)
    return FailedPath(result.failure.value, result.message)
