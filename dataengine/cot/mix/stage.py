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
from dataengine.cot.core.outcomes import funnel, funnels, yields
from dataengine.cot.core.question import Question
from dataengine.cot.core.record import MODES
from dataengine.cot.core.schemas import OUTCOMES, PLAN
from dataengine.cot.core.stage import TEXTS, Cot
from dataengine.cot.core.tables import OutcomeRow
from dataengine.cot.mix.answers import balanced, largest_answers
from dataengine.cot.mix.candidates import CANDIDATES, candidates
from dataengine.cot.mix.quotas import Facets, Quotas, Supply, plan_quotas, style_of, text_or
from dataengine.cot.mix.shards import COT_ASSIGNMENT, planned
from dataengine.cot.tasks.mix_shares import resolve
from dataengine.cot.tasks.plugin_tasks import task_plugins, versions
from dataengine.cot.tasks.registry import TASKS
from dataengine.shards.earlier import key_of, opened
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import File, Output, roles
from dataengine.table_engine import Frame, TableEngine

#: Role of the table of COT_ASSIGNMENT.
ASSIGNED = "cot_assignment"
_QUOTAS = columns(
    mode=pa.string(), style=pa.string(), task=pa.string(), difficulty=pa.string(), quota=pa.int32(), wanted=pa.int64()
)
_KINDS = """
SELECT "mode", "style", "task", "difficulty", CAST(sum(CASE WHEN "lane" = 0 THEN "repeat" ELSE 0 END) AS BIGINT) AS "uses",
       CAST(sum("lane") AS BIGINT) AS "spare" FROM c WHERE "outcome" = ? AND "lane" < 2
GROUP BY "mode", "style", "task", "difficulty"
"""
#: Those with planned uses first; the last one of a quota is used as often as it takes to meet the quota.
_CHOSEN = """
SELECT "rid", "mode", "style", "split", "family", CAST(LEAST("most", "wanted" - "before") AS BIGINT) AS "uses" FROM (
  SELECT *, CAST(sum("most") OVER (
    PARTITION BY "quota" ORDER BY "spare", "place", "rid" ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) AS BIGINT) - "most" AS "before" FROM (
    SELECT c."rid", c."mode", c."style", c."split", c."family", c."place", q."quota", q."wanted",
           c."lane" AS "spare", CASE WHEN c."lane" = 1 THEN 1 ELSE c."repeat" END AS "most"
    FROM c INNER JOIN q ON c."mode" = q."mode" AND c."style" = q."style" AND c."task" = q."task"
    AND c."difficulty" = q."difficulty" WHERE c."outcome" = ? AND c."lane" < 2
  ) AS counted
) AS summed WHERE "before" < "wanted"
"""
_OUTCOMES = """
SELECT c."rid", c."sample", c."mode", c."style", c."task", c."teacher",
       CASE WHEN c."outcome" = ? AND k."rid" IS NULL THEN ? ELSE c."outcome" END AS "outcome",
       CASE WHEN c."outcome" = ? AND k."rid" IS NULL THEN ? ELSE c."step" END AS "step",
       CASE WHEN c."outcome" = ? AND k."rid" IS NULL
            THEN CASE WHEN c."lane" = 2 THEN ? WHEN c."repeat" = 0 THEN ? ELSE ? END ELSE c."reason" END AS "reason"
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
_USES = 'SELECT "mode", CAST(sum("uses") AS BIGINT) AS n FROM k GROUP BY "mode"'
_EXAMPLES = """
SELECT p."rid", e."mode", e."style", p."question", p."text" FROM p INNER JOIN (
  SELECT "mode", "style", min("rid") AS "rid" FROM k GROUP BY "mode", "style"
) AS e ON p."rid" = e."rid"
"""


class CotMix(Cot, TableStage):
    name = "cot.mix"
    version = "10"
    needs = ("cot.questions", "cot.paths", "cot.check", TEXTS, "cot.review", "cot.score")

    def settings(self, recipe: Recipe) -> Any:
        config = self.config(recipe)
        return [
            resolve(config.mix, bool(config.texts)),
            config.total,
            config.tasks,
            config.difficulties,
            config.short_modes,
            config.max_answer_share,
            recipe.seed,
            *versions(task_plugins(recipe)),
        ]

    def key(self, run: Run) -> str:
        return key_of(run, self.name, super().key(run))

    def compute(self, run: Run, key: str) -> Output:
        engine, earlier = run.engine, opened(run, self.name, super().key(run))
        share = self.config(run.recipe).max_answer_share
        questions = balanced(engine, engine.kept(candidates(run)), CANDIDATES.names, share)
        chosen, quotas = self._chosen(run, questions)
        outcomes = engine.kept(_outcomes(engine, questions, chosen))
        plan = engine.kept(planned(run, chosen, earlier))
        shards = engine.split(run.workspace, f"cot/{key}", plan, PLAN, "shard", ["rid"])
        files: dict[str, File] = {f"plan/{name}": file for name, file in sorted(shards.items())}
        assigned = engine.write(
            run.workspace, f"cot/{key}/cot_assignment", plan, COT_ASSIGNMENT, ("shard", "rid"), "rid"
        )
        files |= roles(ASSIGNED, assigned)
        numbered = engine.sql(_NUMBERED, {"o": outcomes})
        files |= roles("outcomes", engine.write(run.workspace, f"cot/{key}/outcomes", numbered, OUTCOMES, _ORDER))
        counts = _counts(engine, outcomes)
        facts = _facts(run, counts) | _trained(engine, chosen, quotas) | {"examples": _examples(engine, plan, chosen)}
        facts |= {"next_cot_shards": earlier.next_cot_shards} if earlier else {}
        facts["answers"] = dict(largest_answers(engine, questions, chosen))
        by_outcome: Counter[str] = Counter()
        for outcome, n in counts.items():
            by_outcome[outcome.outcome] += n
        return Output(files, {"questions": by_outcome.total(), **dict(sorted(by_outcome.items()))}, facts)

    def _chosen(self, run: Run, questions: Frame) -> tuple[Frame, Quotas]:
        """Id, mode, style, split, family and uses of the chosen records, and the quotas that they fill."""
        engine, config = run.engine, self.config(run.recipe)
        counted = engine.collect(engine.sql(_KINDS, {"c": questions}, ("kept",))).to_pylist()
        supply = {
            (f"{row['mode']}/{text_or(row['style'], row['task'])}", row["task"], row["difficulty"]): Supply(
                row["uses"], row["spare"]
            )
            for row in counted
        }
        facets = Facets(config.tasks, {str(name): share for name, share in config.difficulties.items()})
        plan = plan_quotas(
            supply, resolve(config.mix, bool(config.texts)), config.total, facets, config.short_modes == "fill"
        )
        rows = [
            (*style_of(cell), task, difficulty, number, quota.wanted)
            for number, quota in enumerate(plan.quotas)
            for cell, task, difficulty in quota.kinds
        ]
        table = pa.Table.from_pylist([dict(zip(_QUOTAS.names, row, strict=True)) for row in rows], _QUOTAS)
        frames = {"c": questions, "q": engine.frame(table)}
        return engine.kept(engine.sql(_CHOSEN, frames, ("kept",))), plan


def _trained(engine: TableEngine, chosen: Frame, quotas: Quotas) -> dict[str, Any]:
    """How often records are trained on by mode, and how that compares with the shares."""
    uses = {row["mode"]: row["n"] for row in engine.collect(engine.sql(_USES, {"k": chosen})).to_pylist()}
    cells = [cell._asdict() for cell in quotas.cells]
    return {
        "shortages": quotas.shortages,
        "uses": {mode: uses.get(mode, 0) for mode in MODES},
        "mix": cells,
        "scarcest": quotas.scarcest,
    }


def _outcomes(engine: TableEngine, questions: Frame, chosen: Frame) -> Frame:
    """OUTCOMES, with what the mix leaves out."""
    reasons = (
        "an answer that its family gives too often",
        "used sparingly for its score",
        "more than the mix asks for",
    )
    left_out = ("kept", "rejected", "kept", "mix", "kept", *reasons)
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
    checks = [
        out.facts for stage in ("cot.check", TEXTS) if stage in run.records for out in run.records[stage].parts.values()
    ]
    return {
        "modes": {mode: modes[mode] for mode in MODES},
        "drafted": sum(counts.values()),
        "rejected": dict(sorted(lost.items())),
        "funnel": funnel(counts),
        "capabilities": funnels(counts, lambda o: TASKS[o.task].capability if o.task in TASKS else ""),
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
