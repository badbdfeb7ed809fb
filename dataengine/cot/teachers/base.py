"""What a teacher is: questions in, texts out. Stages know this face and no client; a failed call is a value, not a raise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from dataengine.cot.core.record import Message
from dataengine.storage.workspace import digest


class Failure(StrEnum):
    """Why a call gave no text. What may be tried again has been, before one of these is told."""

    REFUSED = "refused"
    RATE_LIMIT = "rate_limit"
    SERVER = "server_error"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    BAD_REPLY = "bad_reply"
    TRUNCATED = "truncated"
    REPETITION = "repetition"
    BAD_REQUEST = "bad_request"
    TURNS = "turns"
    """Tools were asked for more often than the recipe allows."""
    TOOLS = "tools"
    """The process that ran a tool died, took too long or too much memory."""
    DENIED = "denied"
    BUDGET = "budget"


@dataclass(frozen=True)
class Ask:
    """One call. Pictures in ``messages`` are references (``sample:ID``, ``obs:N``) that the caller's ``media`` resolves."""

    messages: tuple[Message, ...]
    seed: int
    temperature: float = 0.7
    max_tokens: int = 1024
    logprobs: bool = False
    json_schema: Mapping[str, Any] | None = field(default=None, hash=False)
    tools: bool = False
    """Offer the tools on pictures as the interface's tool calls."""

    def key(self, teacher: str, media: Sequence[str] = ()) -> str:
        """Digest of all that decides the answer: the teacher's identity, the text, the media (SHA-256 of each picture)."""
        told = [m.model_dump(mode="json") for m in self.messages]
        how = (self.seed, self.temperature, self.max_tokens, self.logprobs, self.json_schema)
        return digest(teacher, told, list(media), *how, *(["tools"] if self.tools else []))


@dataclass(frozen=True)
class Said:
    """A finished generation. ``confidence``: mean log-probability a token, where the server gives it; ``least``: the lowest;
    ``step_means`` and ``step_leasts``: of each sentence of the reasoning."""

    text: str
    confidence: float | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    cached: bool = False
    least: float | None = None
    step_means: tuple[float, ...] = ()
    step_leasts: tuple[float, ...] = ()


@dataclass(frozen=True)
class NotSaid:
    """A call that gave no text."""

    failure: Failure
    message: str


#: Bytes of a picture (PNG or JPEG) by its reference.
Media = Callable[[str], bytes]


class Teacher(Protocol):
    """Pickles before ``setup``; ``setup`` opens connections, ``close`` ends them."""

    @property
    def id(self) -> str:
        """Model and everything of the configuration that changes its answers; no endpoint, no key, no concurrency."""

    def validate(self) -> None:
        """Find mistakes of configuration before anything runs. Raises UsageError."""

    def setup(self) -> None: ...

    def close(self) -> None: ...

    def answer(self, asks: Sequence[Ask], media: Media) -> Iterator[tuple[int, Said | NotSaid]]:
        """``(index, what came of it)`` of each ask, as they finish; each exactly once."""
