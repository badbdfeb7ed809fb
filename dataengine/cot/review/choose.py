"""Chooses the reply among the graded paths of a question, and says which replies need a reviewer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dataengine.cot.checks.recurrence import RECOMBINED
from dataengine.cot.core.record import TEACHER
from dataengine.cot.core.tables import NO_AGREEMENT, CheckRow, End


@dataclass(frozen=True)
class Choice:
    """``chosen``: index of a path, None where no path is right; then ``outcome`` (rejected or failed) and ``reason`` say why.
    ``why``: process, unsettled, redundant or unsure, where it needs a reviewer. ``agreement``: share of the paths with this
    answer."""

    chosen: int | None
    why: str = ""
    agreement: float = 0.0
    outcome: End = "kept"
    reason: str = ""


def choose(checks: Sequence[CheckRow], redundant: float, least_step: float | None = None) -> Choice:
    """Of sound paths (grade A) the one whose steps recur most in the others, then that of the highest log-probability, then of a
    model's the shortest, of a program's the first. Those with a step below ``least_step`` come last and need a reviewer. So does
    one that is ``redundant`` times as long as the shortest of its question, and a flawed path (B) where there is no sound one. A
    path with an injected error is never chosen as sound, whatever the checks find."""
    finished = [c for c in checks if c.failure is None]
    if not finished:
        return Choice(
            None, outcome="failed", reason=_most_frequent(c.failure for c in checks if c.failure) or "no path"
        )
    right = [c for c in finished if c.grade in ("A", "B") and not (c.injected and c.grade == "A")]
    if not right:
        return Choice(
            None,
            outcome="rejected",
            reason=_most_frequent(c.reasons[0] if c.reasons else "injected error" for c in finished),
        )
    agreement = len(sampled(right)) / max(len(sampled(finished)), 1)
    shortest = min(map(_words, right))
    flaws = {id(c): (c.grade, _low_confidence(c, least_step), _words(c) > redundant * shortest) for c in right}
    best = min(right, key=lambda c: (*flaws[id(c)], *_by_confidence(c)))
    grade, low_confidence, long = flaws[id(best)]
    unsettled = grade == "B" and best.reasons == (NO_AGREEMENT,)
    why = (
        "unsettled"
        if unsettled
        else "process"
        if grade == "B"
        else "unsure"
        if low_confidence
        else "redundant"
        if long
        else ""
    )
    return Choice(best.index, why, round(agreement, 4))


def sampled(checks: Iterable[CheckRow]) -> list[CheckRow]:
    """Those of paths that a teacher wrote, without what was recombined of them."""
    return [check for check in checks if not check.teacher.startswith(RECOMBINED)]


def _low_confidence(check: CheckRow, least_step: float | None) -> bool:
    return least_step is not None and min(check.step_means or (), default=0.0) < least_step


def _words(check: CheckRow) -> int:
    """Length of a path; 0 of a program's, whose wordings are drawn: the shorter ones must not come more often."""
    return 0 if check.teacher == TEACHER else check.words


def _by_confidence(check: CheckRow) -> tuple[float, float, int, int]:
    confidence = check.confidence
    return (-check.recurrence, -(confidence if confidence is not None else 0.0), _words(check), check.index)


def _most_frequent(reasons: Iterable[str]) -> str:
    """The most frequent, ties by name."""
    counts = Counter(reasons)
    return min(counts, key=lambda r: (-counts[r], r)) if counts else ""
