"""Requests to a chat model and what comes of them: a completion, or a failure as a value.

Stages know the ``ChatModel`` protocol and no client. Whatever may be retried has been retried before a failure is returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from dataengine.errors import RunError
from dataengine.models.serving.messages import ImageBlock, Message
from dataengine.storage.workspace import digest


class Failure(StrEnum):
    """Why a request gave no completion."""

    REFUSED = "refused"
    RATE_LIMIT = "rate_limit"
    SERVER = "server_error"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    DISCONNECTED = "disconnected"
    BAD_REPLY = "bad_reply"
    TRUNCATED = "truncated"
    REPETITION = "repetition"
    BAD_REQUEST = "bad_request"
    FORBIDDEN = "forbidden"
    DENIED = "denied"
    BUDGET = "budget"
    ERRORS = "error_budget"


#: Failures of finished generations: the same request with the same seed would fail again.
FINAL = frozenset({Failure.REFUSED, Failure.TRUNCATED, Failure.REPETITION})
#: Failures that the next request would meet as well.
FATAL = frozenset({Failure.CONNECTION, Failure.DENIED, Failure.BUDGET, Failure.ERRORS})


@dataclass(frozen=True)
class Request:
    """One chat completion. Pictures in ``messages`` are references (``sample:ID``, ``obs:N``) that the caller's ``media``
    resolves; ``tools`` are tool definitions of the chat-completions interface, in its JSON."""

    messages: tuple[Message, ...]
    seed: int
    temperature: float = 0.7
    max_tokens: int = 1024
    logprobs: bool = False
    json_schema: Mapping[str, Any] | None = field(default=None, hash=False)
    tools: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)

    @property
    def pictures(self) -> list[str]:
        """References to the pictures, in order."""
        blocks = (block for message in self.messages for block in message.content)
        return [block.image for block in blocks if isinstance(block, ImageBlock)]

    def digest(self, model: str, images: Sequence[str] = ()) -> str:
        """Digest of all that decides the completion: the model's id, the text, the settings and the SHA-256 of each picture."""
        messages = [m.model_dump(mode="json") for m in self.messages]
        settings = (self.seed, self.temperature, self.max_tokens, self.logprobs, self.json_schema)
        return digest(model, messages, list(images), *settings, *([list(self.tools)] if self.tools else []))


class TokenLogprob(NamedTuple):
    """A token of a completion and its natural log-probability."""

    token: str
    logprob: float


@dataclass(frozen=True)
class ToolCall:
    """A tool that the model asks for; ``arguments`` is a JSON object as text. Nothing in it is checked against a definition."""

    name: str
    arguments: str


@dataclass(frozen=True)
class Completion:
    """A finished generation. ``reasoning``: what the server tells apart from the text. ``cached``: read from the workspace."""

    text: str
    tokens_in: int = 0
    tokens_out: int = 0
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    cached: bool = False


@dataclass(frozen=True)
class FailedCompletion:
    """A request that gave no completion; the tokens are those of a generation that is none."""

    failure: Failure
    message: str
    tokens_in: int = field(default=0, compare=False)
    tokens_out: int = field(default=0, compare=False)


Result = Completion | FailedCompletion

#: Bytes of a picture (PNG or JPEG) by its reference.
Media = Callable[[str], bytes]


class ChatModel(Protocol):
    """A model behind some client. Pickles before ``setup``, which opens connections; ``close`` ends them."""

    @property
    def id(self) -> str:
        """Model and everything of the configuration that changes its completions; no endpoint, no key, no concurrency."""

    def validate(self) -> None:
        """Find mistakes of configuration before anything runs. Raises UsageError."""

    def setup(self) -> None: ...

    def close(self) -> None: ...

    def complete(self, requests: Iterable[Request], media: Media) -> Iterator[tuple[int, Result]]:
        """``(index, result)`` of each request, as they finish; each exactly once. Requests are taken as there is room."""


def in_order(results: Iterator[tuple[int, Result]]) -> Iterator[Result]:
    """The results of ``ChatModel.complete`` in the order of their requests."""
    early: dict[int, Result] = {}
    place = 0
    for index, result in results:
        early[index] = result
        while place in early:
            yield early.pop(place)
            place += 1


def raise_if_fatal(failed: FailedCompletion) -> None:
    """Raise RunError where all further requests would fail the same way; finished completions are kept."""
    if failed.failure in FATAL:
        raise RunError(
            f"the model server gave no completion ({failed.failure.value}: {failed.message}). Finished completions are kept: "
            "fix the cause and rerun to resume."
        )
