"""What clients have asked of a recipe's model servers, added up over runs: a log that nothing is computed from.

How much came from the cache differs between runs that make the same release, so none of it is in one. A client writes an object
of its own when it is closed; what a killed one has asked is lost here.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from dataengine.errors import RunError
from dataengine.storage.store import Store
from dataengine.storage.workspace import canonical_json

_FOLDER = "usage"


@dataclass
class Usage:
    """``requests``: that a server was asked, each with all its tries; ``cached``: that were answered by the workspace. Tokens are
    those of all tries, as the server counts them or as they were estimated."""

    requests: int = 0
    cached: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    def add(self, other: Usage) -> None:
        self.requests += other.requests
        self.cached += other.cached
        self.tokens_in += other.tokens_in
        self.tokens_out += other.tokens_out
        self.failures.update(other.failures)


def record(store: Store, server: str, usage: Usage) -> None:
    """Keep what one client has asked of ``server``, RECIPE/NAME; nothing where it has asked nothing. A log that cannot be written
    stops no run."""
    if usage.requests or usage.cached:
        with suppress(RunError):
            fields = {**vars(usage), "failures": dict(usage.failures)}
            store.put(f"{_FOLDER}/{server}/{uuid.uuid4().hex}.json", canonical_json(fields))


def recorded(store: Store, recipe: str) -> dict[str, Usage]:
    """By the name of the server, what all clients of a recipe have asked."""
    totals: dict[str, Usage] = {}
    for entry in store.list(f"{_FOLDER}/{recipe}"):
        with suppress(FileNotFoundError, ValueError, TypeError, LookupError):
            fields = json.loads(store.get(entry.key))
            one = Usage(**{**fields, "failures": Counter(fields["failures"])})
            totals.setdefault(entry.key.split("/")[2], Usage()).add(one)
    return totals
