"""What a run reports while it goes on: the outcome of each stage, and the interface of whatever shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass
class StageReport:
    """Outcome of one stage. ``state``: up to date, done, partly done (a share of its parts, not committed), pending, waiting (for
    an earlier stage)."""

    name: str
    state: str
    parts: int = 0
    made: int = 0
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    note: str = ""
    """What a person should know of it."""


class Reporter(Protocol):
    """Receives progress; the command line shows it."""

    def start(self, stage: str, parts: int, pending: int) -> None: ...
    def advance(self, stage: str) -> None: ...
    def note(self, stage: str, text: str) -> None: ...
    def end(self, report: StageReport) -> None: ...


class Silent:
    """A Reporter that shows nothing."""

    def start(self, stage: str, parts: int, pending: int) -> None: ...
    def advance(self, stage: str) -> None: ...
    def note(self, stage: str, text: str) -> None: ...
    def end(self, report: StageReport) -> None: ...
