"""cot.mix: chooses records so that the shares of the mix are exact, says what became of each question, plans the shards."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.config.recipe import Recipe
from dataengine.cot.core.formats import to_text
from dataengine.cot.core.outcomes import funnel, yields
from dataengine.cot.core.record import MODES, Record
from dataengine.cot.core.stage import Cot
from dataengine.cot.core.tables import OUTCOMES, PATHS, PLAN, QUESTIONS, REVIEWED, SCORES
from dataengine.cot.mix.quotas import Facets, pick, resolve
from dataengine.cot.tasks.registry import TASKS
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import File, Output

_RECORDS_A_SHARD = 10_000
_REVIEWS = {"accept": "accepted", "edit": "edited"}
_PATH = ("rid", "kind", "index", "text", "pack", "members")
_COLUMNS = ("rid", "sample", "mode", "style", "task", "family", "split", "difficulty", "rejected")


class CotMix(Cot, TableStage):
    name = "cot.mix"
    version = "3"
    needs = ("cot.questions", "cot.paths", "cot.check", "cot.review", "cot.score")

    def settings(self, recipe: Recipe) -> Any:
        config = self.config(recipe)
        return [resolve(config.mix), config.total, config.tasks, config.difficulties, recipe.seed]

    def compute(self, run: Run, key: str) -> Output:
        config = self.config(run.recipe)
        questions = run.table("cot.questions", "questions", QUESTIONS, _COLUMNS).to_pylist()
        reviewed = {r["rid"]: r for r in run.table("cot.review", "reviewed", REVIEWED).to_pylist()}
        scores = {r["rid"]: r for r in run.table("cot.score", "scores", SCORES).to_pylist()}
        outcomes = [_outcome(q, reviewed.get(q["rid"]), scores.get(q["rid"])) for q in questions]
        good = {q["rid"]: q for q, o in zip(questions, outcomes, strict=True) if o["outcome"] == "kept"}
        cells = [(rid, f"{q['mode']}/{q['style']}") for rid, q in sorted(good.items())]
        facets = Facets(
            {rid: (q["task"], q["difficulty"]) for rid, q in good.items()},
            config.tasks,
            {str(k): v for k, v in config.difficulties.items()},
        )
        picked = pick(cells, resolve(config.mix), config.total, run.recipe.seed, facets)
        chosen = set(picked.ids)
        for outcome in outcomes:
            if outcome["outcome"] == "kept" and outcome["rid"] not in chosen:
                outcome.update(outcome="rejected", step="mix", reason="more than the mix asks for")
        files: dict[str, File] = {}
        examples: dict[str, dict[str, str]] = {}
        made = _Made.of(run, picked.ids, reviewed)
        for name, rows in _tars([good[rid] | {"family": made.family(good[rid])} for rid in picked.ids]).items():
            planned = _plan(made, rows, reviewed, scores)
            files[f"plan/{name}"] = run.workspace.write_table(f"cot/{key}/{name}.parquet", planned, PLAN)
            _examples(planned.to_pylist(), examples)
        table = pa.Table.from_pylist(sorted(outcomes, key=lambda o: (o["rid"], o["task"])), OUTCOMES)
        files["outcomes"] = run.workspace.write_table(f"cot/{key}/outcomes.parquet", table)
        facts = self._facts(run, outcomes) | {"shortages": picked.shortages}
        facts["examples"] = [examples[mode] for mode in sorted(examples)]
        counts = Counter(o["outcome"] for o in outcomes)
        return Output(files, {"questions": len(questions), **dict(sorted(counts.items()))}, facts)

    def _facts(self, run: Run, outcomes: list[dict[str, Any]]) -> dict[str, Any]:
        kept = [o for o in outcomes if o["outcome"] == "kept"]
        asked = [o | {"basis": TASKS[o["task"]].basis if o["task"] in TASKS else ""} for o in outcomes]
        lost = Counter(f"{o['step']}: {o['reason']}" for o in outcomes if o["outcome"] != "kept")
        modes = Counter(o["mode"] for o in kept)
        checks = [out.facts for out in run.records["cot.check"].parts.values()]
        return {
            "modes": {mode: modes[mode] for mode in MODES},
            "drafted": len(outcomes),
            "rejected": dict(sorted(lost.items())),
            "funnel": funnel(outcomes),
            "yield": {by: yields(asked, by) for by in ("mode", "task", "basis", "teacher")},
            **{name: _summed(checks, name) for name in ("grades", "planted", "caught")},
            "review": dict(run.records["cot.review"].parts["all"].facts["why"]),
            "reviewed": dict(run.records["cot.review"].parts["all"].facts["actions"]),
            "quality": dict(run.records["cot.score"].parts["all"].facts["quality"]),
        }


def _examples(planned: list[dict[str, Any]], found: dict[str, dict[str, str]]) -> None:
    """Add the record of the lowest id of each mode and style."""
    for row in planned:
        told = json.loads(row["record"])
        name = f"{told['mode']}/{told['style']}"
        if name not in found or row["rid"] < found[name]["id"]:
            question = to_text(Record.model_validate_json(row["record"]).messages[0].content)[0]
            found[name] = {"id": row["rid"], "mode": name, "question": question, "reply": row["text"]}


def _summed(facts: list[dict[str, Any]], name: str) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in facts:
        total.update(one[name])
    return dict(sorted(total.items()))


def _outcome(
    question: Mapping[str, Any], reviewed: Mapping[str, Any] | None, score: Mapping[str, Any] | None
) -> dict[str, Any]:
    told: dict[str, Any] = {name: question[name] for name in ("rid", "sample", "mode", "style", "task")}
    told |= {"teacher": "", "outcome": "kept", "step": "", "reason": ""}
    if question["rejected"] is not None:
        step, _, reason = question["rejected"].partition(": ")
        outcome = "failed" if step == "failed" else "rejected"
        return told | {"outcome": outcome, "step": "questions", "reason": reason}
    if reviewed is None or score is None:
        return told | {"outcome": "rejected", "step": "paths", "reason": "no teacher takes such questions"}
    if reviewed["outcome"] == "kept" and score["benchmark"] is not None:
        return told | {"outcome": "rejected", "step": "contamination", "reason": score["benchmark"]}
    return told | {name: reviewed[name] for name in ("outcome", "step", "reason")} | {"teacher": _teacher(reviewed)}


def _teacher(reviewed: Mapping[str, Any]) -> str:
    told = [p for p in json.loads(reviewed["told"]) if p["index"] == reviewed["chosen"]]
    return str(told[0]["teacher"]) if told else ""


@dataclass(frozen=True)
class _Made:
    """Records and chosen paths of the chosen questions alone, by id; the files of all are read once, one at a time."""

    questions: dict[str, dict[str, Any]]
    paths: dict[str, dict[str, Any]]

    def family(self, question: Mapping[str, Any]) -> str:
        """Records of one shard have the same members: where a model used tools, the pictures that these gave."""
        path = self.paths[question["rid"]]
        count = 1 if path["pack"] is None else len(path["members"])
        return str(question["family"]) if count == 1 else f"{question['family']}_{count}"

    @classmethod
    def of(cls, run: Run, ids: list[str], reviewed: Mapping[str, Any]) -> _Made:
        wanted = pa.array(ids, pa.string())
        questions: dict[str, dict[str, Any]] = {}
        paths: dict[str, dict[str, Any]] = {}
        for row in _rows(run, "cot.questions", "questions", QUESTIONS, ("rid", "record", "pack", "members"), wanted):
            questions[row["rid"]] = row
        for row in _rows(run, "cot.paths", "paths", PATHS, _PATH, wanted):
            if row["kind"] == "path" and row["index"] == reviewed[row["rid"]]["chosen"]:
                paths[row["rid"]] = row
        return cls(questions, paths)


def _rows(
    run: Run, stage: str, role: str, schema: pa.Schema, columns: Sequence[str], wanted: Any
) -> Iterator[dict[str, Any]]:
    for file in run.records[stage].files(role):
        table = run.workspace.read_table([file], schema, columns)
        yield from table.filter(pc.is_in(table["rid"], value_set=wanted)).to_pylist()


def _plan(
    made: _Made, rows: Sequence[Mapping[str, Any]], reviewed: Mapping[str, Any], scores: Mapping[str, Any]
) -> pa.Table:
    """Rows of PLAN for one shard."""
    planned = []
    for row in rows:
        rid = row["rid"]
        review, score = reviewed[rid], scores[rid]
        told = {"rid": rid, "split": row["split"], "family": row["family"], **made.questions[rid]}
        path = made.paths[rid]
        told |= {name: path[name] for name in ("pack", "members") if path["pack"] is not None}
        told |= {name: review[name] for name in ("told", "blind", "chosen", "agreement", "equal")}
        told |= {name: float(score[name]) for name in ("quality", "prior", "weight", "repeat")}
        text = path["text"] if review["text"] is None else review["text"]
        planned.append(told | {"review": _REVIEWS.get(review["action"], ""), "text": text})
    return pa.Table.from_pylist(planned, PLAN)


def _tars(rows: list[dict[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Rows by shard: one split and family each (their records have the same members), ordered by id, which is a hash."""
    tars: dict[str, list[Mapping[str, Any]]] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for row in sorted(rows, key=lambda r: str(r["rid"])):
        group = (row["split"], row["family"])
        tars.setdefault(f"{group[0]}-{group[1]}-{counts[group] // _RECORDS_A_SHARD:05d}", []).append(row)
        counts[group] += 1
    return tars
