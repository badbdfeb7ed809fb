"""What became of each candidate: kept, or rejected at a step for a reason. Counts add up over samples and workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dataengine.cot.record import Record


class Step(StrEnum):
    """Where a candidate can end."""

    PROPOSE = "propose"
    DECIDE = "decide"
    VERIFY = "verify"


@dataclass(frozen=True)
class Kept:
    """A record and its pictures, PNG bytes in the order of ``record.observations``."""

    record: Record
    images: tuple[bytes, ...] = field(repr=False, default=())


@dataclass(frozen=True)
class Rejected:
    """A candidate that gave no record."""

    sample: str
    mode: str
    task: str
    step: Step
    reason: str


Outcome = Kept | Rejected


@dataclass(frozen=True)
class Accounting:
    """Candidates by ``(mode, style, task)`` where kept and ``(mode, task, step, reason)`` where not; ``a + b`` adds."""

    kept: Counter[tuple[str, ...]] = field(default_factory=Counter)
    rejected: Counter[tuple[str, ...]] = field(default_factory=Counter)

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> Accounting:
        found = cls()
        for outcome in outcomes:
            if isinstance(outcome, Kept):
                found.kept[outcome.record.mode, outcome.record.style, outcome.record.task] += 1
            else:
                found.rejected[outcome.mode, outcome.task, outcome.step.value, outcome.reason] += 1
        return found

    def __add__(self, other: Accounting) -> Accounting:
        return Accounting(self.kept + other.kept, self.rejected + other.rejected)

    @property
    def considered(self) -> int:
        """All candidates: kept + rejected."""
        return self.kept.total() + self.rejected.total()

    def to_json(self) -> dict[str, Any]:
        """Counts by ``"mode/style/task"`` and ``"mode/task/step/reason"``, sorted."""
        return {
            "considered": self.considered,
            "kept": {"/".join(key): n for key, n in sorted(self.kept.items())},
            "rejected": {"/".join(key): n for key, n in sorted(self.rejected.items())},
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Accounting:
        counts = [Counter({tuple(key.split("/")): n for key, n in data[name].items()}) for name in ("kept", "rejected")]
        return cls(*counts)
