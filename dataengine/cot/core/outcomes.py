"""Outcomes of questions (kept, rejected at a step for a reason, failed), and the funnel and yields that they add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from dataengine.cot.core.question import Question
from dataengine.cot.core.tables import OutcomeRow


class Step(StrEnum):
    """Steps at which a candidate can be rejected; at ``DECODE`` the reason is the class of a failure."""

    DECODE = "failed"
    PROPOSE = "propose"
    DECIDE = "decide"
    VERIFY = "verify"


class Kept(Struct, frozen=True, tag=True):
    """A question and its pictures, PNG bytes in the order of ``question.observations``."""

    question: Question
    images: tuple[bytes, ...] = ()


class Rejected(Struct, frozen=True, tag=True):
    """A candidate that gave no question."""

    sample: str
    mode: str
    task: str
    step: Step
    reason: str


Outcome = Kept | Rejected


STEPS = ("questions", "paths", "check", "review", "contamination", "mix")
"""Steps at which a question can be dropped, in order."""


def funnel(counts: Mapping[OutcomeRow, int]) -> list[dict[str, Any]]:
    """How many questions enter each step and are dropped there, one row a step; ``counts`` by whatever outcomes differ in."""
    dropped: Counter[str] = Counter()
    for outcome, n in counts.items():
        dropped[outcome.step] += n if outcome.outcome != "kept" else 0
    left, rows = sum(counts.values()), []
    for step in STEPS:
        rows.append({"step": step, "entering": left, "dropped": dropped[step], "remaining": left - dropped[step]})
        left -= dropped[step]
    return rows


def funnels(counts: Mapping[OutcomeRow, int], group: Callable[[OutcomeRow], str]) -> dict[str, dict[str, int]]:
    """By group: how many questions were drafted, how many each step dropped, and how many were kept."""
    groups: dict[str, Counter[str]] = {}
    for outcome, n in counts.items():
        if name := group(outcome):
            row = groups.setdefault(name, Counter())
            row["drafted"] += n
            row["kept" if outcome.outcome == "kept" else outcome.step] += n
    return {name: {step: row[step] for step in ("drafted", *STEPS, "kept")} for name, row in sorted(groups.items())}


def yields(counts: Mapping[OutcomeRow, int], group: Callable[[OutcomeRow], str]) -> dict[str, dict[str, int]]:
    """Questions and kept ones by mode, task or teacher; those whose ``group`` is empty have none."""
    groups: dict[str, dict[str, int]] = {}
    for outcome, n in counts.items():
        if name := group(outcome):
            row = groups.setdefault(name, {"questions": 0, "kept": 0})
            row["questions"] += n
            row["kept"] += n if outcome.outcome == "kept" else 0
    return dict(sorted(groups.items()))
