"""Completion cache in the workspace: one object a request, by content, so that a killed job pays for no completion twice."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dataengine.errors import InputError
from dataengine.models.serving.completion import (
    FINAL,
    Completion,
    FailedCompletion,
    Failure,
    Result,
    TokenLogprob,
    ToolCall,
)
from dataengine.storage.store import Store
from dataengine.storage.workspace import canonical_json
from dataengine.text.bounded_json import parse_json

FOLDER = "completions"
_LARGEST = 64 << 20


@dataclass(frozen=True)
class CompletionCache:
    """Without a store nothing is kept."""

    store: Store | None

    @property
    def remote(self) -> bool:
        """Whether the store is on another machine."""
        return self.store is not None and self.store.remote

    def get(self, digest: str) -> Result | None:
        """The result of the request with this digest; None where there is none yet, or one that could not be read, whose place is
        free then."""
        if self.store is None:
            return None
        try:
            return _result(parse_json(self.store.get(_key(digest)), size=_LARGEST))
        except FileNotFoundError:
            return None
        except (InputError, ValueError, LookupError, TypeError):
            self.store.delete([_key(digest)])
            return None

    def put(self, digest: str, result: Result) -> None:
        """Keep a finished generation; the first of several workers wins."""
        if self.store is not None and (isinstance(result, Completion) or result.failure in FINAL):
            fields = (
                asdict(result)
                if isinstance(result, Completion)
                else {"failure": result.failure, "message": result.message}
            )
            self.store.create(_key(digest), canonical_json(fields))


def _result(fields: Any) -> Result:
    """Raises ValueError, LookupError or TypeError for what ``put`` has not written."""
    if "failure" in fields:
        return FailedCompletion(Failure(fields["failure"]), fields["message"])
    calls = tuple(ToolCall(**call) for call in fields["tool_calls"])
    logprobs = tuple(TokenLogprob(*pair) for pair in fields["logprobs"])
    return Completion(**{**fields, "tool_calls": calls, "logprobs": logprobs, "cached": True})


def _key(digest: str) -> str:
    return f"{FOLDER}/{digest}.json"
