"""cot.mix: chooses records so that the shares of the mix are exact, says what became of each question, plans the shards.

Rows stay in the table engine; the driver sees counts by mode, task, difficulty and reason, from which the quotas follow, and one
example a mode. One task sorts the (id, hash) of a quota's candidates, and of a split's and family's records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from dataengine.config.recipe import Recipe
from dataengine.contracts import columns
from dataengine.cot.core.outcomes import funnel, yields
from dataengine.cot.core.question import Question
from dataengine.cot.core.record import MODES
from dataengine.cot.core.schemas import OUTCOMES, PLAN
from dataengine.cot.core.stage import Cot
from dataengine.cot.core.tables import OutcomeRow
from dataengine.cot.mix.candidates import candidates
from dataengine.cot.mix.quotas import plan_quotas, resolve
from dataengine.cot.mix.shards import planned
from dataengine.cot.tasks.registry import TASKS
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import File, Output, roles
from dataengine.table_engine import Frame, TableEngine

_QUOTAS = columns(
    mode=pa.string(), style=pa.string(), task=pa.string(), difficulty=pa.string(), quota=pa.int32(), wanted=pa.int64()
)
_KINDS = """
SELECT "mode", "style", "task", "difficulty", CAST(count(*) AS BIGINT) AS n FROM c WHERE "outcome" = ?
GROUP BY "mode", "style", "task", "difficulty"
"""
_CHOSEN = """
SELECT "rid", "mode", "style", "split", "family" FROM (
  SELECT c."rid", c."mode", c."style", c."split", c."family", q."wanted",
         CAST(row_number() OVER (PARTITION BY q."quota" ORDER BY c."place", c."rid") AS BIGINT) AS n
  FROM c INNER JOIN q ON c."mode" = q."mode" AND c."style" = q."style" AND c."task" = q."task"
  AND c."difficulty" = q."difficulty" WHERE c."outcome" = ?
) AS ranked WHERE n <= "wanted"
"""
_OUTCOMES = """
SELECT c."rid", c."sample", c."mode", c."style", c."task", c."teacher",
       CASE WHEN c."outcome" = ? AND k."rid" IS NULL THEN ? ELSE c."outcome" END AS "outcome",
       CASE WHEN c."outcome" = ? AND k."rid" IS NULL THEN ? ELSE c."step" END AS "step",
       CASE WHEN c."outcome" = ? AND k."rid" IS NULL THEN ? ELSE c."reason" END AS "reason"
FROM c LEFT JOIN k ON c."rid" = k."rid"
"""
_ALL = ", ".join(f'"{name}"' for name in OUTCOMES.names)
#: Rejected questions of one sample may be equal in all columns.
_NUMBERED = f'SELECT *, CAST(row_number() OVER (PARTITION BY {_ALL} ORDER BY "rid") AS BIGINT) AS "n" FROM o'
_ORDER = ("rid", "task", "mode", "style", "step", "reason", "sample", "teacher", "outcome", "n")
_COUNTED = ("mode", "task", "teacher", "outcome", "step", "reason")
_COUNTS = f"""
SELECT {", ".join(f'"{name}"' for name in _COUNTED)}, CAST(count(*) AS BIGINT) AS n FROM o
GROUP BY {", ".join(f'"{name}"' for name in _COUNTED)}
"""
_EXAMPLES = """
SELECT p."rid", e."mode", e."style", p."question", p."text" FROM p INNER JOIN (
  SELECT "mode", "style", min("rid") AS "rid" FROM k GROUP BY "mode", "style"
) AS e ON p."rid" = e."rid"
"""


class CotMix(Cot, TableStage):
    name = "cot.mix"
    version = "5"
    needs = ("cot.questions", "cot.paths", "cot.check", "cot.review", "cot.score")

    def settings(self, recipe: Recipe) -> Any:
        config = self.config(recipe)
        return [resolve(config.mix), config.total, config.tasks, config.difficulties, recipe.seed]

    def compute(self, run: Run, key: str) -> Output:
        engine = run.engine
        questions = engine.kept(candidates(run))
        chosen, shortages = self._chosen(run, questions)
        outcomes = engine.kept(_outcomes(engine, questions, chosen))
        plan = engine.kept(planned(run, chosen))
        shards = engine.split(run.workspace, f"cot/{key}", plan, PLAN, "shard", ["rid"])
        files: dict[str, File] = {f"plan/{name}": file for name, file in sorted(shards.items())}
        numbered = engine.sql(_NUMBERED, {"o": outcomes})
        files |= roles("outcomes", engine.write(run.workspace, f"cot/{key}/outcomes", numbered, OUTCOMES, _ORDER))
        counts = _counts(engine, outcomes)
        facts = _facts(run, counts) | {"shortages": shortages, "examples": _examples(engine, plan, chosen)}
        by_outcome: Counter[str] = Counter()
        for outcome, n in counts.items():
            by_outcome[outcome.outcome] += n
        return Output(files, {"questions": by_outcome.total(), **dict(sorted(by_outcome.items()))}, facts)

    def _chosen(self, run: Run, questions: Frame) -> tuple[Frame, dict[str, int]]:
        """Id, mode, style, split and family of the chosen records, and what the quotas lack."""
        engine, config = run.engine, self.config(run.recipe)
        counted = engine.collect(engine.sql(_KINDS, {"c": questions}, ("kept",))).to_pylist()
        counts = {(f"{row['mode']}/{row['style']}", row["task"], row["difficulty"]): row["n"] for row in counted}
        difficulties = {str(name): share for name, share in config.difficulties.items()}
        plan = plan_quotas(counts, resolve(config.mix), config.total, config.tasks, difficulties)
        rows = [
            (*cell.split("/"), task, difficulty, number, quota.wanted)
            for number, quota in enumerate(plan.quotas)
            for cell, task, difficulty in quota.kinds
        ]
        table = pa.Table.from_pylist([dict(zip(_QUOTAS.names, row, strict=True)) for row in rows], _QUOTAS)
        frames = {"c": questions, "q": engine.frame(table)}
        return engine.kept(engine.sql(_CHOSEN, frames, ("kept",))), plan.shortages


def _outcomes(engine: TableEngine, questions: Frame, chosen: Frame) -> Frame:
    """OUTCOMES, with what the mix leaves out."""
    left_out = ("kept", "rejected", "kept", "mix", "kept", "more than the mix asks for")
    return engine.sql(_OUTCOMES, {"c": questions, "k": chosen}, left_out)


def _counts(engine: TableEngine, outcomes: Frame) -> dict[OutcomeRow, int]:
    """Questions by mode, task, teacher, outcome, step and reason; other columns are empty."""
    rows = engine.collect(engine.sql(_COUNTS, {"o": outcomes})).to_pylist()
    return {OutcomeRow(**row, rid="", sample="", style=""): n for row in rows for n in [row.pop("n")]}


def _facts(run: Run, counts: Mapping[OutcomeRow, int]) -> dict[str, Any]:
    lost: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    for outcome, n in counts.items():
        if outcome.outcome == "kept":
            modes[outcome.mode] += n
        else:
            lost[f"{outcome.step}: {outcome.reason}"] += n
    checks = [out.facts for out in run.records["cot.check"].parts.values()]
    return {
        "modes": {mode: modes[mode] for mode in MODES},
        "drafted": sum(counts.values()),
        "rejected": dict(sorted(lost.items())),
        "funnel": funnel(counts),
        "yield": {
            "mode": yields(counts, lambda o: o.mode),
            "task": yields(counts, lambda o: o.task),
            "basis": yields(counts, lambda o: TASKS[o.task].basis if o.task in TASKS else ""),
            "teacher": yields(counts, lambda o: o.teacher),
        },
        **{name: _summed(checks, name) for name in ("grades", "planted", "caught")},
        "review": dict(run.records["cot.review"].parts["all"].facts["why"]),
        "reviewed": dict(run.records["cot.review"].parts["all"].facts["actions"]),
        "quality": dict(run.records["cot.score"].parts["all"].facts["quality"]),
    }


def _examples(engine: TableEngine, plan: Frame, chosen: Frame) -> list[dict[str, str]]:
    """The record of the lowest id of each mode and style."""
    rows = engine.collect(engine.sql(_EXAMPLES, {"p": plan, "k": chosen})).to_pylist()
    examples = {f"{row['mode']}/{row['style']}": row for row in rows}
    return [
        {"id": row["rid"], "mode": mode, "question": Question.from_json(row["question"]).text, "reply": row["text"]}
        for mode, row in sorted(examples.items())
    ]


def _summed(facts: list[dict[str, Any]], name: str) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in facts:
        total.update(one[name])
    return dict(sorted(total.items()))
