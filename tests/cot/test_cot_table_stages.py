"""Review, score and mix through the table engine: the rows of a plain Python reference, and the same files from every engine."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest
from support.cot_tables import REPEATED, committed, recipe, run_rows
from support.engine_fixtures import Parted, partitions

from dataengine.config.recipe import Recipe
from dataengine.cot.core.tables import (
    CheckRow,
    OutcomeRow,
    PlanRow,
    QuestionHit,
    QuestionRow,
    ReviewRow,
    ScoreRow,
    read_rows,
)
from dataengine.cot.mix.quotas import Facets, Supply, place, plan_quotas
from dataengine.cot.mix.score_stage import CotScore
from dataengine.cot.mix.stage import CotMix
from dataengine.cot.review.base import Action, Decision
from dataengine.cot.review.decisions import append, item_digest
from dataengine.cot.review.stage import CotReview, base, items_of
from dataengine.cot.review.verdicts import Rules, with_paths
from dataengine.cot.tasks.registry import TASKS
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.spark import SparkEngine
from dataengine.stage import Run
from dataengine.storage.workspace import Output, Record, Workspace
from dataengine.table_engine import TableEngine

MIX = {"thinking": 2.0, "non_thinking": 1.0, "video/thinking": 1.0, "think_with_image": 3.0}
COT = {"mix": MIX, "tasks": {"glance": 2.0, "dominant_colour": 1.0}, "difficulties": {"easy": 1.0, "hard": 2.0}}


@dataclass(frozen=True)
class Tables:
    """What the steps before have left, with some people's decisions."""

    recipe: Recipe
    records: Mapping[str, Record]

    def run(self, engine: TableEngine, key: str) -> Run:
        """After review, score and mix on this engine."""
        run = Run(self.recipe, lambda: engine)
        run.records.update(self.records)
        for stage in (CotReview(), CotScore(), CotMix()):
            run.records[stage.name] = Record(stage.name, key, {"all": stage.compute(run, key)})
            run.forget()
        return run


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, duck: DuckDBEngine) -> Tables:
    loaded = recipe(tmp_path_factory.mktemp("tables"), **COT)
    made = Tables(loaded, committed(Workspace(loaded.workspace), 400, 1))
    run = made.run(duck, "before")
    items = items_of(run)
    assert {item.why for item in items} == {"process", "redundant", "unsure"}
    for number, item in enumerate(items[: len(items) // 2]):
        action = list(Action)[number % 3]
        text = item.answer if number % 2 else "<think>no form"
        digest = item_digest(item) if number % 7 else "an older one"
        decision = Decision(item.qid, "ann", action, None, text if action is Action.EDIT else None, "", digest)
        append(run.workspace.store, base(loaded), decision)
    return made


def made_by(run: Run) -> dict[str, tuple[object, ...]]:
    """Files by content, counts and facts of each stage."""
    found = {}
    for name in ("cot.review", "cot.score", "cot.mix"):
        out: Output = run.records[name].parts["all"]
        files = {role: (file.sha256, file.rows) for role, file in out.files.items()}
        found[name] = (files, out.counts, out.facts)
    return found


@pytest.fixture(scope="module")
def reference(tables: Tables, duck: DuckDBEngine) -> Run:
    return tables.run(duck, "duck")


def test_spark_writes_the_same_files(tables: Tables, reference: Run, spark: SparkEngine) -> None:
    with partitions(spark, 3):
        assert made_by(tables.run(spark, "spark")) == made_by(reference)


@pytest.mark.parametrize("parts", [1, 4])
def test_so_does_an_engine_that_parts_the_rows(tables: Tables, reference: Run, parts: int) -> None:
    with Parted(parts, parts) as engine:
        assert made_by(tables.run(engine, f"parted{parts}")) == made_by(reference)


def test_nothing_gives_nothing(tmp_path: Path, duck: DuckDBEngine) -> None:
    loaded = recipe(tmp_path, **COT)
    run = Tables(loaded, committed(Workspace(loaded.workspace), 0, 1)).run(duck, "none")
    assert run.records["cot.mix"].counts == {"questions": 0} and run.records["cot.review"].counts == {"items": 0}
    with Parted(2, 2) as engine:
        assert made_by(Tables(loaded, run.records).run(engine, "parted")) == made_by(run)


def test_reviews_are_those_of_each_question_alone(reference: Run) -> None:
    reviewed = {row.rid: row for row in run_rows(reference, "cot.review", "reviewed", ReviewRow)}
    checks = defaultdict(list)
    for row in run_rows(reference, "cot.check", "checks", CheckRow):
        checks[row.rid].append(row)
    assert reviewed.keys() == checks.keys() and len(reviewed) > 300
    rules = Rules(1.5, -2.5)
    alone = {rid: with_paths(rid, rules.choose(rows), rows) for rid, rows in checks.items()}
    assert {rid for rid, row in alone.items() if row.why} == {item.qid for item in items_of(reference)}
    assert all(reviewed[rid] == row for rid, row in alone.items() if not row.why)
    actions = Counter(row.action for row in reviewed.values() if row.why)
    assert actions.keys() == {"accept", "edit", "reject", "waiting"}
    assert reference.records["cot.review"].parts["all"].facts["actions"] == dict(sorted(actions.items()))
    reasons = {row.reason for row in reviewed.values() if row.action == "edit"}
    assert {"", "edited: format"} <= reasons


def test_priors_are_counted_over_all_questions(reference: Run) -> None:
    scores = {row.rid: row for row in run_rows(reference, "cot.score", "scores", ScoreRow)}
    reviewed = {row.rid for row in run_rows(reference, "cot.review", "reviewed", ReviewRow)}
    asked = [row for row in run_rows(reference, "cot.questions", "questions", QuestionRow) if row.rid in reviewed]
    assert scores.keys() == reviewed == {row.rid for row in asked}
    words = Counter((row.task, row.asked) for row in asked)
    same = Counter((row.task, row.asked, row.answer) for row in asked)
    assert max(words.values()) > 20
    pictured = {row.rid for row in run_rows(reference, "cot.decontaminate", "hits", QuestionHit)}
    assert pictured & reviewed
    for row in asked:
        others = words[row.task, row.asked] - 1
        expected = (same[row.task, row.asked, row.answer] - 1) / others if others else 0.0
        assert scores[row.rid].prior == round(expected, 4)
        repeated = row.question is not None and REPEATED in row.question.text
        posed = "listed (picture and question)" if row.rid in pictured else None
        assert scores[row.rid].benchmark == ("listed" if repeated else posed)


def test_the_mix_takes_the_first_of_each_quota(reference: Run) -> None:
    """Of a quota the records of the lowest hashes, those that are used sparingly last, until their uses meet it."""
    outcomes = run_rows(reference, "cot.mix", "outcomes", OutcomeRow)
    questions = {row.rid: row for row in run_rows(reference, "cot.questions", "questions", QuestionRow)}
    scores = {row.rid: row for row in run_rows(reference, "cot.score", "scores", ScoreRow)}
    good = [row for row in outcomes if row.outcome == "kept" or row.step == "mix"]
    kept = {row.rid for row in outcomes if row.outcome == "kept"}
    assert kept and len(kept) < len(good) and len(outcomes) == reference.records["cot.mix"].counts["questions"]
    dealt = by_turns(good, questions, scores, reference.recipe.seed)
    beyond = {row.rid for row in good} - dealt.keys()
    by_kind = defaultdict(list)
    for row in good:
        if row.rid in dealt:
            repeat, (lane, at) = scores[row.rid].repeat, dealt[row.rid]
            kind = f"{row.mode}/{row.style}", row.task, questions[row.rid].difficulty
            by_kind[kind].append((lane == 1, at, row.rid, 1 if lane else repeat))
    supply = {
        kind: Supply(sum(u for s, *_, u in rows if not s), sum(s for s, *_ in rows)) for kind, rows in by_kind.items()
    }
    facets = Facets(COT["tasks"], COT["difficulties"])  # type: ignore[arg-type]
    quotas = plan_quotas(supply, MIX, None, facets)
    expected: dict[str, int] = {}
    for quota in quotas.quotas:
        left = quota.wanted
        for *_, rid, uses in sorted(row for kind in quota.kinds for row in by_kind[kind]):
            if left > 0:
                expected[rid] = min(uses, left)
                left -= expected[rid]
    assert kept == expected.keys()
    facts = reference.records["cot.mix"].parts["all"].facts
    assert facts["shortages"] == quotas.shortages and facts["scarcest"] == quotas.scarcest
    assert {row.rid: row.repeat for row in planned_rows(reference)} == expected
    assert sum(facts["uses"].values()) == sum(cell["planned"] for cell in facts["mix"]) == sum(expected.values())
    sparing = {row.rid for row in outcomes if row.reason == "used sparingly for its score"}
    assert sparing and all(scores[rid].repeat == 0 for rid in sparing)
    assert beyond and beyond == {
        row.rid for row in outcomes if row.reason == "an answer that its family gives too often"
    }


def by_turns(
    good: Sequence[OutcomeRow], questions: Mapping[str, QuestionRow], scores: Mapping[str, ScoreRow], seed: int
) -> dict[str, tuple[int, str]]:
    """Lane and place of each candidate within the bound of its answer."""
    dealt: dict[str, tuple[int, str]] = {}
    for task in sorted({row.task for row in good}):
        measured = TASKS[task].basis in ("measured", "constructed")
        rows = sorted((scores[row.rid].repeat == 0, place(seed, row.rid), row.rid) for row in good if row.task == task)
        turns: Counter[str] = Counter()
        nth = {}
        for _, _, rid in rows:
            answer = questions[rid].answer if measured else rid
            turns[answer] += 1
            nth[rid] = turns[answer]
        most = [
            most_of_an_answer([nth[rid] for spare, _, rid in rows if not spare]),
            most_of_an_answer(list(nth.values())),
        ]
        lanes = {
            rid: 0 if not spare and nth[rid] <= most[0] else 1 if nth[rid] <= most[1] else 2 for spare, _, rid in rows
        }
        places = {rid: at for _, at, rid in rows}
        for lane in (0, 1):
            some = [rid for rid, one in lanes.items() if one == lane]
            order = sorted(some, key=lambda rid: (nth[rid], places[rid], rid))
            dealt |= dict(zip(order, ((lane, at) for at in sorted(places[rid] for rid in some)), strict=True))
    return dealt


def most_of_an_answer(nth: Sequence[int]) -> int:
    """The largest number of records an answer may have, that no answer is more than a fifth, or a tenth above an even share."""
    answers = nth.count(1)
    if answers == 1:
        return 1
    share = Fraction(1, 5) if answers >= 5 else Fraction(1, max(answers, 1)) + Fraction(1, 10)
    return max([n for n in set(nth) if n <= share * sum(one <= n for one in nth)], default=0)


def test_no_answer_is_most_of_its_family(reference: Run) -> None:
    """In a set of all candidates no answer is above its bound, and the facts say how near it comes."""
    facts = reference.records["cot.mix"].parts["all"].facts["answers"]
    assert facts and not facts.keys() & {"given_answer", "given_tools"}
    for one in facts.values():
        even = Fraction(one["records"], one["answers"])
        most = max(Fraction(one["records"], 5), even + Fraction(one["records"], 10))
        assert one["most"] <= most + 1


def planned_rows(run: Run) -> list[PlanRow]:
    files = run.records["cot.mix"].parts["all"].files
    return [row for role, file in files.items() if "plan/" in role for row in read_rows(run.workspace, [file], PlanRow)]


def test_every_kept_record_is_planned_once_with_its_chosen_path(reference: Run) -> None:
    outcomes = run_rows(reference, "cot.mix", "outcomes", OutcomeRow)
    kept = {row.rid for row in outcomes if row.outcome == "kept"}
    reviewed = {row.rid: row for row in run_rows(reference, "cot.review", "reviewed", ReviewRow)}
    files = reference.records["cot.mix"].parts["all"].files
    planned = []
    for role, file in files.items():
        if role.startswith("plan/"):
            rows = read_rows(reference.workspace, [file], PlanRow)
            assert {f"plan/{row.split}-{row.family}-00000" for row in rows} == {role}
            assert [row.rid for row in rows] == sorted(row.rid for row in rows)
            planned += rows
    assert Counter(row.rid for row in planned) == Counter(kept)
    assert {row.family for row in planned} >= {"picture", "tools"}
    for row in planned:
        assert row.chosen == reviewed[row.rid].chosen and row.paths == reviewed[row.rid].paths
        assert row.text == reviewed[row.rid].text or row.text.startswith(("text", "tools"))
        pictures = f"_{len(row.members)}" if row.pack == "t.bin" and len(row.members) != 1 else ""
        assert row.family == f"{row.question.family}{pictures}"
