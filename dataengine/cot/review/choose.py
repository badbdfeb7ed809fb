"""From the graded paths of a question to its reply: which path, whether a person has to see it, and why there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dataengine.cot.core.tables import CheckRow, End


@dataclass(frozen=True)
class Choice:
    """``chosen``: index of a path, None where no path will do; then ``outcome`` (rejected or failed) and ``reason`` say why.
    ``why``: process, redundant or unsure, where a person is to see it first. ``agreement``: share of the paths with this
    answer."""

    chosen: int | None
    why: str = ""
    agreement: float = 0.0
    outcome: End = "kept"
    reason: str = ""


def choose(checks: Sequence[CheckRow], redundant: float, least_step: float | None = None) -> Choice:
    """Of sound paths (grade A) the surest by its teacher's log-probability, then the shortest; those with a step below
    ``least_step`` come last and are for a person, too. One that is ``redundant`` times
    as long as the shortest of its question's is for a person, as are paths with flaws (B) where there is no sound one. A
    path that is wrong on purpose is never chosen as a sound one, whatever the checks make of it."""
    said = [c for c in checks if c.failure is None]
    if not said:
        return Choice(None, outcome="failed", reason=_most(c.failure for c in checks if c.failure) or "no path")
    right = [c for c in said if c.grade in ("A", "B") and not (c.injected and c.grade == "A")]
    if not right:
        return Choice(
            None,
            outcome="rejected",
            reason=_most(c.reasons[0] if c.reasons else "wrong on purpose" for c in said),
        )
    agreement = len(right) / len(said)
    shortest = min(c.words for c in right)
    flaws = {id(c): (c.grade, _unsure(c, least_step), c.words > redundant * shortest) for c in right}
    best = min(right, key=lambda c: (*flaws[id(c)], *_surest(c)))
    grade, unsure, long = flaws[id(best)]
    why = "process" if grade == "B" else "unsure" if unsure else "redundant" if long else ""
    return Choice(best.index, why, round(agreement, 4))


def _unsure(check: CheckRow, least_step: float | None) -> bool:
    return least_step is not None and min(check.step_means or (), default=0.0) < least_step


def _surest(check: CheckRow) -> tuple[float, int, int]:
    confidence = check.confidence
    return (-(confidence if confidence is not None else 0.0), check.words, check.index)


def _most(reasons: Iterable[str]) -> str:
    """The most frequent, ties by name."""
    counts = Counter(reasons)
    return min(counts, key=lambda r: (-counts[r], r)) if counts else ""
