"""cot.score: how much a question needs its picture and its reasoning, from 1 to 5, and how often it is trained on.

What it rests on is measured: answers without the picture, how well a guesser does that knows all other questions but no picture
(``prior``), the judge's score, the difficulty. Repeats are planned here, before the mix counts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pyarrow as pa

from dataengine.config.recipe import Recipe
from dataengine.contamination.questions import Questions, contaminated, questions_of
from dataengine.cot.core.question import Question
from dataengine.cot.core.schemas import QUESTION_HITS, QUESTIONS, REVIEWED, SCORES
from dataengine.cot.core.stage import TEXTS, Cot, every
from dataengine.cot.core.tables import ScoreRow, table_of
from dataengine.cot.mix.quality import Evidence, quality, repeats
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import Output, roles
from dataengine.table_engine import Frame

_COUNTED = """
SELECT a.*, w.n AS "same_words", s.n AS "same_answer"
FROM a
INNER JOIN (SELECT "task", "asked", CAST(count(*) AS BIGINT) AS n FROM a GROUP BY "task", "asked") AS w
ON a."task" = w."task" AND a."asked" = w."asked"
INNER JOIN (
  SELECT "task", "asked", "answer", CAST(count(*) AS BIGINT) AS n FROM a GROUP BY "task", "asked", "answer"
) AS s ON a."task" = s."task" AND a."asked" = s."asked" AND a."answer" = s."answer"
"""
_PICTURED = pa.schema([pa.field("rid", pa.string()), pa.field("pictured", pa.string())])
_QUALITIES = 'SELECT "quality", CAST(count(*) AS BIGINT) AS n FROM s GROUP BY "quality" ORDER BY "quality"'


class CotScore(Cot, TableStage):
    name = "cot.score"
    version = "4"
    needs = ("cot.questions", TEXTS, "cot.review", "contamination.read", "cot.decontaminate")

    def settings(self, recipe: Recipe) -> Any:
        contamination = recipe.contamination
        presets = [p.model_dump() for p in contamination.presets] if contamination else []
        return [sorted(self.config(recipe).repeats_by_score.items()), presets, recipe.seed]

    def compute(self, run: Run, key: str) -> Output:
        engine, benchmarks = run.engine, questions_of(run)
        uses: dict[int, float] = {int(k): v for k, v in self.config(run.recipe).repeats_by_score.items()}
        function = partial(scored, uses, benchmarks, run.recipe.seed)
        # A benchmark is prepared once a call: by key a call is a partition, not a batch.
        keys = ("rid",) if benchmarks is not None else ()
        scores = engine.kept(engine.local(_with_counts(run, benchmarks is not None), keys, function, SCORES))
        files = engine.write(run.workspace, f"cot/scores-{key}", scores, SCORES, ["rid"])
        counts = {
            str(row["quality"]): row["n"] for row in engine.collect(engine.sql(_QUALITIES, {"s": scores})).to_pylist()
        }
        return Output(
            roles("scores", files), {"scored": sum(counts.values())}, {"quality": dict(sorted(counts.items()))}
        )


def _with_counts(run: Run, with_text: bool) -> Frame:
    """Each reviewed question with the number of questions in the same words (``same_words``) and of those of them that have its
    answer (``same_answer``), itself included."""
    names = ["rid", "task", "style", "difficulty", "asked", "answer", *(["question"] if with_text else [])]
    frames = {
        "q": every(run, "cot.questions", "questions", QUESTIONS, names),
        "r": run.frame("cot.review", "reviewed", REVIEWED, ["rid", "guessed", "judged"]),
    }
    frames["h"] = _pictured(run)
    listed = ", ".join(f'q."{name}"' for name in names)
    sql = (
        f'SELECT {listed}, r."guessed", r."judged", h."pictured" FROM q INNER JOIN r ON q."rid" = r."rid" '
        'LEFT JOIN h ON q."rid" = h."rid"'
    )
    return run.engine.sql(_COUNTED, {"a": run.engine.kept(run.engine.sql(sql, frames))})


def _pictured(run: Run) -> Frame:
    """For questions that a benchmark asks of the same picture the first such benchmark."""
    if "cot.decontaminate" not in run.records:
        return run.engine.frame(_PICTURED.empty_table())
    hits = run.frame("cot.decontaminate", "hits", QUESTION_HITS, ["rid", "benchmark"])
    return run.engine.sql('SELECT "rid", min("benchmark") AS "pictured" FROM h GROUP BY "rid"', {"h": hits})


def scored(uses: Mapping[int, float], benchmarks: Questions | None, seed: int, questions: pa.Table) -> pa.Table:
    """SCORES of the rows of ``_with_counts``; ``uses``: the recipe's weight of each score."""
    rows = questions.to_pylist()
    texts = [Question.from_json(row["question"]).text for row in rows] if benchmarks is not None else []
    hits = contaminated(texts, benchmarks) if benchmarks is not None else [None] * len(rows)
    scores = []
    for row, hit in zip(rows, hits, strict=True):
        others = row["same_words"] - 1
        prior = round((row["same_answer"] - 1) / others, 4) if others else 0.0
        score = quality(Evidence(row["style"], row["difficulty"], row["guessed"], prior, others, row["judged"]))
        same_picture = f"{row['pictured']} (picture and question)" if row["pictured"] else None
        benchmark, weight = hit.benchmark if hit else same_picture, uses[score]
        scores.append(ScoreRow(row["rid"], benchmark, score, prior, weight, repeats(weight, seed, row["rid"])))
    return table_of(ScoreRow, scores)
