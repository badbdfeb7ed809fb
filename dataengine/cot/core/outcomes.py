"""Outcomes of questions (kept, rejected at a step for a reason, failed), and the funnel and yields that they add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dataengine.cot.core.question import Question
from dataengine.cot.core.tables import OutcomeRow


class Step(StrEnum):
    """Steps at which a candidate can be rejected; at ``DECODE`` the reason is the class of a failure."""

    DECODE = "failed"
    PROPOSE = "propose"
    DECIDE = "decide"
    VERIFY = "verify"


@dataclass(frozen=True)
class Kept:
    """A question and its pictures, PNG bytes in the order of ``question.observations``."""

    question: Question
    images: tuple[bytes, ...] = field(repr=False, default=())


@dataclass(frozen=True)
class Rejected:
    """A candidate that gave no question."""

    sample: str
    mode: str
    task: str
    step: Step
    reason: str


Outcome = Kept | Rejected


STEPS = ("questions", "paths", "check", "review", "contamination", "mix")
"""Steps at which a question can be dropped, in order."""


def funnel(outcomes: Sequence[OutcomeRow]) -> list[dict[str, Any]]:
    """Counts of questions that enter each step, are dropped there and remain, one row a step."""
    dropped = Counter(o.step for o in outcomes if o.outcome != "kept")
    left, rows = len(outcomes), []
    for step in STEPS:
        rows.append({"step": step, "entering": left, "dropped": dropped[step], "remaining": left - dropped[step]})
        left -= dropped[step]
    return rows


def yields(outcomes: Sequence[OutcomeRow], group: Callable[[OutcomeRow], str]) -> dict[str, dict[str, int]]:
    """Questions and kept ones by mode, task or teacher; those whose ``group`` is empty have none."""
    questions = Counter(group(o) for o in outcomes if group(o))
    kept = Counter(group(o) for o in outcomes if group(o) and o.outcome == "kept")
    return {name: {"questions": count, "kept": kept[name]} for name, count in sorted(questions.items())}
