"""What becomes of each question before the mix: kept as a candidate, rejected at an earlier step for a reason, or failed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa

from dataengine.cot.core.record import PathSummary
from dataengine.cot.core.schemas import OUTCOMES, QUESTIONS, REVIEWED, SCORES
from dataengine.cot.core.stage import every
from dataengine.cot.core.tables import End, OutcomeRow, Row, rows_of
from dataengine.cot.mix.answers import answer_key, with_bounded_answers
from dataengine.cot.mix.quotas import place
from dataengine.stage import Run
from dataengine.table_engine import Frame

#: OUTCOMES, and what a candidate is chosen by: ``place`` among those of its quota, what its answer counts as, and how often it is
#: trained on.
CANDIDATES = pa.schema(
    [
        *OUTCOMES,
        *(pa.field(name, pa.string()) for name in ("family", "split", "difficulty", "place", "answer")),
        pa.field("repeat", pa.int32()),
    ]
)
_JOINED = """
SELECT q.*, r."outcome", r."step", r."reason", r."chosen", r."paths", s."rid" AS "scored", s."benchmark", s."repeat"
FROM q LEFT JOIN r ON q."rid" = r."rid" LEFT JOIN s ON q."rid" = s."rid"
"""


@dataclass(frozen=True)
class ReviewedQuestion(Row):
    """A question with the outcome of its review and its score, as far as it came; ``scored`` is its id where it has a score."""

    schema = QUESTIONS
    rid: str
    sample: str
    mode: str
    style: str
    task: str
    family: str
    split: str
    difficulty: str
    answer: str
    rejected: str | None
    outcome: End | None = None
    step: str | None = None
    reason: str | None = None
    chosen: int | None = None
    paths: tuple[PathSummary, ...] | None = None
    scored: str | None = None
    benchmark: str | None = None
    repeat: int | None = None


def candidates(run: Run) -> Frame:
    """CANDIDATES of all questions, in no order."""
    columns = ["rid", "sample", "mode", "style", "task", "family", "split", "difficulty", "answer"]
    columns.append("rejected")
    frames = {
        "q": every(run, "cot.questions", "questions", QUESTIONS, columns),
        "r": run.frame("cot.review", "reviewed", REVIEWED, ["rid", "outcome", "step", "reason", "chosen", "paths"]),
        "s": run.frame("cot.score", "scores", SCORES, ["rid", "benchmark", "repeat"]),
    }
    outcomes = partial(with_outcomes, run.recipe.seed, with_bounded_answers())
    return run.engine.local(run.engine.sql(_JOINED, frames), (), outcomes, CANDIDATES)


def with_outcomes(seed: int, bounded: frozenset[str], questions: pa.Table) -> pa.Table:
    """CANDIDATES of ReviewedQuestion rows; ``bounded``: families with such answers."""
    rows = []
    for question in rows_of(questions, ReviewedQuestion):
        chosen_by = {"family": question.family, "split": question.split, "difficulty": question.difficulty}
        chosen_by |= {"answer": answer_key(bounded, question.task, question.rid, question.answer)}
        chosen_by |= {"place": place(seed, question.rid), "repeat": question.repeat or 0}  # type: ignore[dict-item]
        rows.append(outcome_of(question).to_row() | chosen_by)
    return pa.Table.from_pylist(rows, CANDIDATES)


def outcome_of(question: ReviewedQuestion) -> OutcomeRow:
    """What becomes of a question before records are chosen by their shares."""
    row = OutcomeRow(question.rid, question.sample, question.mode, question.style, question.task)
    if question.rejected is not None:
        step, _, reason = question.rejected.partition(": ")
        outcome: End = "failed" if step == "failed" else "rejected"
        return replace(row, outcome=outcome, step="questions", reason=reason)
    if question.outcome is None or question.scored is None:
        return replace(row, outcome="rejected", step="paths", reason="no teacher takes such questions")
    if question.outcome == "kept" and question.benchmark is not None:
        return replace(row, outcome="rejected", step="contamination", reason=question.benchmark)
    teacher = next((path.teacher for path in question.paths or () if path.index == question.chosen), "")
    ended = {"step": question.step or "", "reason": question.reason or "", "teacher": teacher}
    return replace(row, outcome=question.outcome, **ended)
