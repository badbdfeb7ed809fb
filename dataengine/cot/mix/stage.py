"""cot.mix: chooses records so that the shares of the mix are exact, says what became of each question, plans the shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.config.recipe import Recipe
from dataengine.cot.core.outcomes import funnel, yields
from dataengine.cot.core.record import MODES, Family
from dataengine.cot.core.stage import Cot
from dataengine.cot.core.tables import (
    AskedQuestion,
    OutcomeRow,
    PathRow,
    PlanRow,
    QuestionSummary,
    R,
    ReviewRow,
    ScoreRow,
    rows_of,
    run_rows,
    table_of,
)
from dataengine.cot.mix.quotas import Facets, pick, resolve
from dataengine.cot.tasks.registry import TASKS
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import File, Output

_RECORDS_A_SHARD = 10_000
_REVIEWS: dict[str, Literal["accepted", "edited"]] = {"accept": "accepted", "edit": "edited"}


class CotMix(Cot, TableStage):
    name = "cot.mix"
    version = "4"
    needs = ("cot.questions", "cot.paths", "cot.check", "cot.review", "cot.score")

    def validate(self, recipe: Recipe) -> None:
        resolve(self.config(recipe).mix)

    def settings(self, recipe: Recipe) -> Any:
        config = self.config(recipe)
        return [resolve(config.mix), config.total, config.tasks, config.difficulties, recipe.seed]

    def compute(self, run: Run, key: str) -> Output:
        config = self.config(run.recipe)
        questions = run_rows(run, "cot.questions", "questions", QuestionSummary)
        reviewed = {r.rid: r for r in run_rows(run, "cot.review", "reviewed", ReviewRow)}
        scores = {r.rid: r for r in run_rows(run, "cot.score", "scores", ScoreRow)}
        outcomes = [outcome_of(q, reviewed.get(q.rid), scores.get(q.rid)) for q in questions]
        good = {q.rid: q for q, o in zip(questions, outcomes, strict=True) if o.outcome == "kept"}
        cells = [(rid, f"{q.mode}/{q.style}") for rid, q in sorted(good.items())]
        facets = Facets(
            {rid: (q.task, q.difficulty) for rid, q in good.items()},
            config.tasks,
            {str(k): v for k, v in config.difficulties.items()},
        )
        picked = pick(cells, resolve(config.mix), config.total, run.recipe.seed, facets)
        chosen = set(picked.ids)
        outcomes = [
            replace(o, outcome="rejected", step="mix", reason="more than the mix asks for")
            if o.outcome == "kept" and o.rid not in chosen
            else o
            for o in outcomes
        ]
        files: dict[str, File] = {}
        examples: dict[str, dict[str, str]] = {}
        parts = _Chosen.of(run, picked.ids, reviewed)
        for name, rows in _tars([replace(good[rid], family=parts.family(good[rid])) for rid in picked.ids]).items():
            planned = [_planned(row, parts, reviewed[row.rid], scores[row.rid]) for row in rows]
            files[f"plan/{name}"] = run.workspace.write_table(f"cot/{key}/{name}.parquet", table_of(PlanRow, planned))
            _examples(planned, examples)
        table = table_of(OutcomeRow, sorted(outcomes, key=lambda o: (o.rid, o.task)))
        files["outcomes"] = run.workspace.write_table(f"cot/{key}/outcomes.parquet", table)
        facts = self._facts(run, outcomes) | {"shortages": picked.shortages}
        facts["examples"] = [examples[mode] for mode in sorted(examples)]
        counts = Counter(o.outcome for o in outcomes)
        return Output(files, {"questions": len(questions), **dict(sorted(counts.items()))}, facts)

    def _facts(self, run: Run, outcomes: Sequence[OutcomeRow]) -> dict[str, Any]:
        lost = Counter(f"{o.step}: {o.reason}" for o in outcomes if o.outcome != "kept")
        modes = Counter(o.mode for o in outcomes if o.outcome == "kept")
        checks = [out.facts for out in run.records["cot.check"].parts.values()]
        return {
            "modes": {mode: modes[mode] for mode in MODES},
            "drafted": len(outcomes),
            "rejected": dict(sorted(lost.items())),
            "funnel": funnel(outcomes),
            "yield": {
                "mode": yields(outcomes, lambda o: o.mode),
                "task": yields(outcomes, lambda o: o.task),
                "basis": yields(outcomes, lambda o: TASKS[o.task].basis if o.task in TASKS else ""),
                "teacher": yields(outcomes, lambda o: o.teacher),
            },
            **{name: _summed(checks, name) for name in ("grades", "planted", "caught")},
            "review": dict(run.records["cot.review"].parts["all"].facts["why"]),
            "reviewed": dict(run.records["cot.review"].parts["all"].facts["actions"]),
            "quality": dict(run.records["cot.score"].parts["all"].facts["quality"]),
        }


def _examples(planned: Sequence[PlanRow], examples: dict[str, dict[str, str]]) -> None:
    """Add the record of the lowest id of each mode and style."""
    for row in planned:
        name = f"{row.question.mode}/{row.question.style}"
        if name not in examples or row.rid < examples[name]["id"]:
            examples[name] = {"id": row.rid, "mode": name, "question": row.question.text, "reply": row.text}


def _summed(facts: Sequence[Mapping[str, Any]], name: str) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in facts:
        total.update(one[name])
    return dict(sorted(total.items()))


def outcome_of(question: QuestionSummary, reviewed: ReviewRow | None, score: ScoreRow | None) -> OutcomeRow:
    """What becomes of a question before records are chosen by their shares."""
    row = OutcomeRow(question.rid, question.sample, question.mode, question.style, question.task)
    if question.rejected is not None:
        step, _, reason = question.rejected.partition(": ")
        outcome: Literal["failed", "rejected"] = "failed" if step == "failed" else "rejected"
        return replace(row, outcome=outcome, step="questions", reason=reason)
    if reviewed is None or score is None:
        return replace(row, outcome="rejected", step="paths", reason="no teacher takes such questions")
    if reviewed.outcome == "kept" and score.benchmark is not None:
        return replace(row, outcome="rejected", step="contamination", reason=score.benchmark)
    teacher = next((path.teacher for path in reviewed.paths if path.index == reviewed.chosen), "")
    return replace(row, outcome=reviewed.outcome, step=reviewed.step, reason=reviewed.reason, teacher=teacher)


@dataclass(frozen=True)
class _Chosen:
    """Questions and chosen paths of the records alone, by id; the files of all are read once, one at a time."""

    questions: Mapping[str, AskedQuestion]
    paths: Mapping[str, PathRow]

    def family(self, question: QuestionSummary) -> str:
        """Records of one shard have the same members: where a model used tools, the pictures that these gave."""
        path = self.paths[question.rid]
        count = 1 if path.pack is None else len(path.members)
        return question.family if count == 1 else f"{question.family}_{count}"

    @classmethod
    def of(cls, run: Run, ids: Sequence[str], reviewed: Mapping[str, ReviewRow]) -> _Chosen:
        wanted = pa.array(ids, pa.string())
        questions = {one.rid: one for one in _rows(run, "cot.questions", "questions", AskedQuestion, wanted)}
        paths = {}
        for path in _rows(run, "cot.paths", "paths", PathRow, wanted):
            if path.kind == "path" and path.index == reviewed[path.rid].chosen:
                paths[path.rid] = path
        return cls(questions, paths)


def _rows(run: Run, stage: str, role: str, kind: type[R], ids: Any) -> Iterator[R]:
    for file in run.records[stage].files(role):
        table = run.workspace.read_table([file], kind.schema, kind.columns())
        yield from rows_of(table.filter(pc.is_in(table["rid"], value_set=ids)), kind)


def _planned(row: QuestionSummary, chosen: _Chosen, review: ReviewRow, score: ScoreRow) -> PlanRow:
    asked, path = chosen.questions[row.rid], chosen.paths[row.rid]
    pictures = asked if path.pack is None else path
    text = path.text if review.text is None else review.text
    if text is None or review.chosen is None or pictures.pack is None:
        raise ValueError(f"the question {row.rid} has no reply")
    return PlanRow(
        rid=row.rid,
        split=row.split,
        family=cast(Family, row.family),
        question=asked.question,
        text=text,
        paths=review.paths,
        chosen=review.chosen,
        pack=pictures.pack,
        members=pictures.members,
        review=_REVIEWS.get(review.action, ""),
        text_only=review.text_only,
        equal=review.equal,
        quality=float(score.quality),
        agreement=review.agreement,
        prior=score.prior,
        weight=score.weight,
        repeat=float(score.repeat),
    )


def _tars(rows: Sequence[QuestionSummary]) -> dict[str, list[QuestionSummary]]:
    """Rows by shard: one split and family each (their records have the same members), ordered by id, which is a hash."""
    tars: dict[str, list[QuestionSummary]] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for row in sorted(rows, key=lambda row: row.rid):
        group = (row.split, row.family)
        tars.setdefault(f"{group[0]}-{group[1]}-{counts[group] // _RECORDS_A_SHARD:05d}", []).append(row)
        counts[group] += 1
    return tars
