"""Completion cache in the workspace: one object a request, by content, so that a killed job pays for no completion twice."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

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

FOLDER = "completions"


@dataclass(frozen=True)
class CompletionCache:
    """Without a store nothing is kept."""

    store: Store | None

    def get(self, digest: str) -> Result | None:
        """The result of the request with this digest; None where there is none yet."""
        if self.store is None:
            return None
        try:
            fields = json.loads(self.store.get(_key(digest)))
        except FileNotFoundError:
            return None
        if "failure" in fields:
            return FailedCompletion(Failure(fields["failure"]), fields["message"])
        calls = tuple(ToolCall(**call) for call in fields["tool_calls"])
        logprobs = tuple(TokenLogprob(*pair) for pair in fields["logprobs"])
        return Completion(**{**fields, "tool_calls": calls, "logprobs": logprobs, "cached": True})

    def put(self, digest: str, result: Result) -> None:
        """Keep a finished generation; the first of several workers wins."""
        if self.store is not None and (isinstance(result, Completion) or result.failure in FINAL):
            self.store.create(_key(digest), canonical_json(asdict(result)))


def _key(digest: str) -> str:
    return f"{FOLDER}/{digest}.json"
