"""What became of each question: kept, rejected at a step for a reason, or failed; and how these add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dataengine.cot.core.record import Record


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


STEPS = ("questions", "paths", "check", "review", "contamination", "mix")
"""Where a question can end, in order."""


def funnel(outcomes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How many questions enter each step and are dropped there: rows of tables.OUTCOMES in, one row a step out."""
    dropped = Counter(o["step"] for o in outcomes if o["outcome"] != "kept")
    left, rows = len(outcomes), []
    for step in STEPS:
        rows.append({"step": step, "entering": left, "dropped": dropped[step], "remaining": left - dropped[step]})
        left -= dropped[step]
    return rows


def yields(outcomes: Sequence[Mapping[str, Any]], by: str) -> dict[str, dict[str, int]]:
    """Questions and kept ones by mode, task or teacher; those that no teacher has answered have none."""
    asked = Counter(str(o[by]) for o in outcomes if o[by])
    kept = Counter(str(o[by]) for o in outcomes if o[by] and o["outcome"] == "kept")
    return {name: {"questions": count, "kept": kept[name]} for name, count in sorted(asked.items())}
