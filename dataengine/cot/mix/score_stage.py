"""cot.score: how much a question needs its picture and its reasoning, from 1 to 5, and how often it is to be used.

The scale is that of Keye-VL-1.5 (arXiv 2509.01563, step 5 of the LongCoT pipeline): 1 can be answered without the picture, 5
depends on it strongly. Without a judge it follows from measured things: the blind answer, how well a guesser does that knows
all other questions but no picture (``prior``), and the difficulty. The report gives no repeat counts: they are the recipe's.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pyarrow as pa

from dataengine.config.recipe import Recipe
from dataengine.contamination.questions import contaminated
from dataengine.cot.core import formats
from dataengine.cot.core.record import Record
from dataengine.cot.core.stage import Cot
from dataengine.cot.core.tables import QUESTIONS, REVIEWED, SCORES
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import Output

_GUESSED, _LEAST = 0.9, 8
"""A prior from this on says that the picture is not needed; it is trusted from this many other questions on."""
_BY_DIFFICULTY = {"easy": 3, "medium": 4, "hard": 5}


class CotScore(Cot, TableStage):
    name = "cot.score"
    version = "1"
    needs = ("cot.questions", "cot.review", "contamination.read")

    def settings(self, recipe: Recipe) -> Any:
        contamination = recipe.contamination
        presets = [p.model_dump() for p in contamination.presets] if contamination else []
        return [sorted(self.config(recipe).uses.items()), presets]

    def compute(self, run: Run, key: str) -> Output:
        columns = ["rid", "task", "style", "difficulty", "asked", "answer", "rejected"]
        columns += ["record"] if run.recipe.contamination else []
        questions = run.table("cot.questions", "questions", QUESTIONS, columns).to_pylist()
        reviewed = {r["rid"]: r for r in run.table("cot.review", "reviewed", REVIEWED).to_pylist()}
        asked = sorted((q for q in questions if q["rid"] in reviewed), key=lambda q: str(q["rid"]))
        prior = _priors(asked)
        hits = contaminated([_text(q["record"]) for q in asked] if run.recipe.contamination else [], run)
        uses: dict[int, float] = {int(k): v for k, v in self.config(run.recipe).uses.items()}
        rows = []
        for place, question in enumerate(asked):
            quality = _quality(question, reviewed[question["rid"]], prior[question["rid"]])
            use = uses[quality]
            hit = hits[place] if hits else None
            told = {"rid": question["rid"], "benchmark": hit.benchmark if hit else None, "quality": quality}
            rows.append(told | {"prior": prior[question["rid"]][0], "weight": use, "repeat": math.ceil(use)})
        file = run.workspace.write_table(f"cot/scores-{key}.parquet", pa.Table.from_pylist(rows, SCORES))
        counts = Counter(str(row["quality"]) for row in rows)
        return Output({"scores": file}, {"scored": len(rows)}, {"quality": dict(sorted(counts.items()))})


def _priors(asked: list[dict[str, Any]]) -> dict[str, tuple[float, int]]:
    """For each question the share of all others asked in the same words that have its answer, and how many these are."""
    alike = Counter((q["task"], q["asked"]) for q in asked)
    same = Counter((q["task"], q["asked"], q["answer"]) for q in asked)
    found = {}
    for q in asked:
        others = alike[q["task"], q["asked"]] - 1
        share = (same[q["task"], q["asked"], q["answer"]] - 1) / others if others else 0.0
        found[q["rid"]] = (round(share, 4), others)
    return found


def _quality(question: dict[str, Any], reviewed: dict[str, Any], prior: tuple[float, int]) -> int:
    share, others = prior
    if reviewed["blind"] == "right" or (share >= _GUESSED and others >= _LEAST):
        return 1
    if reviewed["judged"] is not None:
        return int(reviewed["judged"])
    if question["difficulty"] == "easy" and question["style"] in ("non_thinking", "auto"):
        return 2
    return _BY_DIFFICULTY[question["difficulty"]]


def _text(record: str) -> str:
    return formats.to_text(Record.model_validate_json(record).messages[0].content)[0]
