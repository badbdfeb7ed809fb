"""cot.score: how much a question needs its picture and its reasoning, from 1 to 5, and how often it is to be used.

The scale is that of Keye-VL-1.5 (arXiv 2509.01563, step 5 of the LongCoT pipeline): 1 can be answered without the picture, 5
depends on it strongly. Without a judge it follows from measured things: the text-only baseline, how well a guesser does that
knows all other questions but no picture (``prior``), and the difficulty. The report gives no repeat counts: they are the
recipe's.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow.compute as pc

from dataengine.config.recipe import Recipe
from dataengine.contamination.questions import contaminated
from dataengine.cot.core.stage import Cot
from dataengine.cot.core.tables import AskedQuestion, QuestionSummary, ReviewRow, ScoreRow, rows_of, run_rows, table_of
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import Output

_GUESSED, _LEAST = 0.9, 8
"""A prior from this on says that the picture is not needed; it is trusted from this many other questions on."""
_BY_DIFFICULTY = {"easy": 3, "medium": 4, "hard": 5}


class CotScore(Cot, TableStage):
    name = "cot.score"
    version = "2"
    needs = ("cot.questions", "cot.review", "contamination.read")

    def settings(self, recipe: Recipe) -> Any:
        contamination = recipe.contamination
        presets = [p.model_dump() for p in contamination.presets] if contamination else []
        return [sorted(self.config(recipe).repeats_by_score.items()), presets]

    def compute(self, run: Run, key: str) -> Output:
        questions = run_rows(run, "cot.questions", "questions", QuestionSummary)
        reviewed = {r.rid: r for r in run_rows(run, "cot.review", "reviewed", ReviewRow)}
        scored = sorted((q for q in questions if q.rid in reviewed), key=lambda q: q.rid)
        priors = _priors(scored)
        benchmarks = _benchmarks(run, [q.rid for q in scored]) if run.recipe.contamination else {}
        uses: dict[int, float] = {int(k): v for k, v in self.config(run.recipe).repeats_by_score.items()}
        rows = []
        for question in scored:
            quality = _quality(question, reviewed[question.rid], priors[question.rid])
            use, prior = uses[quality], priors[question.rid].share
            rows.append(
                ScoreRow(question.rid, benchmarks.get(question.rid), quality, prior, weight=use, repeat=math.ceil(use))
            )
        file = run.workspace.write_table(f"cot/scores-{key}.parquet", table_of(ScoreRow, rows))
        counts = Counter(str(row.quality) for row in rows)
        return Output({"scores": file}, {"scored": len(rows)}, {"quality": dict(sorted(counts.items()))})


class Prior(NamedTuple):
    """Share of the other questions asked in the same words that have the same answer, and how many others there are."""

    share: float
    others: int


def _priors(questions: Sequence[QuestionSummary]) -> dict[str, Prior]:
    same_words = Counter((q.task, q.asked) for q in questions)
    same_answer = Counter((q.task, q.asked, q.answer) for q in questions)
    priors = {}
    for q in questions:
        others = same_words[q.task, q.asked] - 1
        share = (same_answer[q.task, q.asked, q.answer] - 1) / others if others else 0.0
        priors[q.rid] = Prior(round(share, 4), others)
    return priors


def _benchmarks(run: Run, ids: Sequence[str]) -> dict[str, str]:
    """The benchmark that a question is in, by the question's id."""
    table = run.table("cot.questions", "questions", AskedQuestion.schema, AskedQuestion.columns())
    texts = {one.rid: one.question.text for one in rows_of(table.filter(pc.is_valid(table["question"])), AskedQuestion)}
    hits = contaminated([texts[id_] for id_ in ids], run)
    return {id_: hit.benchmark for id_, hit in zip(ids, hits, strict=True) if hit} if hits else {}


def _quality(question: QuestionSummary, reviewed: ReviewRow, prior: Prior) -> int:
    if reviewed.text_only == "right" or (prior.share >= _GUESSED and prior.others >= _LEAST):
        return 1
    if reviewed.judged is not None:
        return reviewed.judged
    if question.difficulty == "easy" and question.style in ("non_thinking", "auto"):
        return 2
    return _BY_DIFFICULTY[question.difficulty]
