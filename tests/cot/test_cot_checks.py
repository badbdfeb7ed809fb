"""Paths of reasoning and their checks: sound ones pass, wrong ones are caught, whoever wrote them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from support.cot_corpus import pictures, records, sample

from dataengine.cot.checks.answers import matches
from dataengine.cot.checks.grade import grade, guessed_right
from dataengine.cot.checks.reasoning import flaws
from dataengine.cot.checks.recurrence import with_recurrence
from dataengine.cot.checks.stage import _doubt, _judgement, _with_judgement
from dataengine.cot.core import formats
from dataengine.cot.core.outcomes import Kept, funnel, yields
from dataengine.cot.core.proposals import Proposal
from dataengine.cot.core.question import Question
from dataengine.cot.core.record import Grade
from dataengine.cot.core.seeded import Draw
from dataengine.cot.core.tables import NO_AGREEMENT, CheckRow, End, OutcomeRow
from dataengine.cot.paths.error_injection import with_error
from dataengine.cot.questions.build import attempt
from dataengine.cot.review.choose import choose
from dataengine.cot.tasks.programmatic import exchange
from dataengine.cot.tasks.registry import TASKS
from dataengine.cot.teachers.prompt_text import steps_of
from dataengine.models.serving.messages import TextBlock


def of_task(task: str, style: str = "") -> Question:
    return next(k.question for k in records() if k.question.task == task and style in ("", k.question.style))


@pytest.mark.slow
def test_every_honest_path_is_sound() -> None:
    for kept in records():
        for path in range(3):
            graded = grade(kept.question, exchange(kept.question, path).reply.render())
            assert (graded.grade, graded.reasons) == ("A", ()), (kept.question.task, path)


@pytest.mark.slow
def test_errors_made_on_purpose_are_caught() -> None:
    made: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for kept in records():
        for path in range(4):
            wrong = with_error(kept.question, exchange(kept.question, path).reply, Draw(kept.question.seed, path))
            if wrong is not None:
                made[wrong[0]] += 1
                missed[wrong[0]] += grade(kept.question, wrong[1]).grade == "A"
    kinds = {"answer", "conclusion", "format", "language", "output", "reading", "repetition", "swap"}
    assert set(made) == kinds and not missed["output"]
    assert made.total() > 500 and missed.total() <= 0.01 * made.total(), missed


def test_paths_differ_in_words_and_odd_ones_are_longer() -> None:
    question = of_task("compare_parts")
    texts = [exchange(question, path).reply.render() for path in range(4)]
    assert len(set(texts)) == 4
    assert len(texts[1]) > len(texts[0]) and len(texts[3]) > len(texts[2])


@pytest.mark.parametrize(
    ("said", "right"), [("{a}", True), ("({a})", True), ("{a}. the thing", True), ("the {words}", True), ("Z", False)]
)
def test_a_choice_is_its_letter_or_its_words(said: str, right: bool) -> None:
    question = of_task("compare_parts")
    words = question.parameters["parts"].split("|")["ABCDEF".index(question.answer)]
    assert matches(question, said.format(a=question.answer, words=words)) is right


def test_numbers_and_orders_are_compared_by_value() -> None:
    count, order = of_task("count_shots_16"), of_task("order_frames")
    assert matches(count, f"{count.answer}.0") and not matches(count, "many")
    assert matches(order, order.answer.replace(", ", " < ")) and not matches(order, order.answer[::-1])


def test_a_models_own_words_are_read_against_the_facts() -> None:
    question = of_task("compare_parts")
    facts = {name: round(value) for name, value in question.facts.items()}
    told = " ".join(f"I would put the {name} at {value}." for name, value in facts.items())
    good = formats.Thinking(told, f"So it is {formats.box(question.answer)}")
    assert flaws(question, good) == []
    name, value = next(iter(facts.items()))
    wrong = formats.Thinking(told.replace(f"{name} at {value}", f"{name} at {value + 40}"), good.answer)
    assert {"wrong reading"} <= set(flaws(question, wrong)) <= {"wrong reading", "unsupported number"}
    other = next(letter for letter in "ABCD" if letter != question.answer)
    assert flaws(question, formats.Thinking(f"{told} Hence option {other}.", good.answer)) == ["contradiction"]


@pytest.mark.parametrize(
    ("asked", "shown", "thought", "foreign"),
    [
        ("How often is 火 in the picture?", "火空木\n星田火", "I count 火: 2, beside 空 and 田.", False),
        (
            "How often is 火 in the picture?",
            "火空木\n星田火",
            "I count 火: 2. 从图中可以清楚地看出这一点没有疑问。",
            True,
        ),
        ("What does Пекарня mean?", "", "The sign says пекарня, which is a bakery.", False),
        ("What does Пекарня mean?", "", "Хорошо видно, что это именно так.", True),
        ("Is the angle α the larger one?", "", "As α + β is known, β is the smaller one.", False),
        ("图中有几个火字?", "", "从图中可以清楚地看出这一点没有疑问。", False),
        ("请用Python解释", "", "从图中可以清楚地看出这一点没有疑问。", False),
        ("图中有几个火字?", "", "Хорошо видно, что это именно так.", True),
    ],
)
def test_a_script_that_is_only_quoted_is_none_to_reason_in(asked: str, shown: str, thought: str, foreign: bool) -> None:
    question = of_task("compare_parts", "thinking")
    content = (TextBlock(text=f"{asked}/think"),)
    written = question.model_copy(update={"content": content, "parameters": question.parameters | {"shown": shown}})
    reply = formats.Thinking(thought, f"It is {formats.box(question.answer)}")
    assert ("language" in flaws(written, reply, measured=False)) is foreign


def test_a_guess_without_the_picture_is_read_leniently() -> None:
    question = of_task("dominant_colour")
    assert guessed_right(question, f"Probably {question.answer}.") and not guessed_right(question, "I do not know")


def check(index: int, grade_: Grade | None, words: int = 10, **more: Any) -> CheckRow:
    row = CheckRow("0" * 32, "path", index, "m", "", 1, grade=grade_, words=words, reasons=("x",))
    return replace(row, **more)


def test_the_surest_sound_path_is_chosen() -> None:
    assert choose([check(0, "B"), check(1, "A", 12), check(2, "A", 11)], 1.5).chosen == 2
    assert choose([check(0, "A", confidence=-0.5), check(1, "A", confidence=-0.1)], 1.5).chosen == 1


def test_doubtful_replies_go_to_people() -> None:
    assert choose([check(0, "B"), check(1, "C")], 1.5).why == "process"
    assert choose([check(0, "A", 40), check(1, "B", 10)], 1.5).why == "redundant"
    assert choose([check(0, "A", 14), check(1, "A", 10)], 1.5).why == ""
    assert choose([check(0, "B", reasons=(NO_AGREEMENT,)), check(1, "C")], 1.5).why == "unsettled"


def test_a_path_that_is_wrong_on_purpose_is_never_chosen_as_sound() -> None:
    assert choose([check(0, "A", 5, injected="reading"), check(1, "A", 9)], 1.5).chosen == 1
    alone = choose([check(0, "A", injected="reading", reasons=())], 1.5)
    assert (alone.chosen, alone.outcome, alone.reason) == (None, "rejected", "injected error")


def test_questions_without_a_path_have_a_reason() -> None:
    lost = choose(
        [check(0, "C", reasons=("format",)), check(1, "C", reasons=("answer",)), check(2, "C", reasons=("format",))], 2
    )
    assert (lost.outcome, lost.reason) == ("rejected", "format")
    failed = choose([check(0, None, failure="timeout")], 2)
    assert (failed.outcome, failed.reason) == ("failed", "timeout")


def test_the_funnel_adds_up() -> None:
    told: list[tuple[End, str, str]] = [
        ("kept", "", "a"),
        ("rejected", "check", "a"),
        ("failed", "paths", "b"),
        ("rejected", "mix", "b"),
        ("kept", "", ""),
    ]
    outcomes = [OutcomeRow("", "", "", "", "", o, t, s) for o, s, t in told]
    counts = Counter(outcomes)
    rows = funnel(counts)
    assert rows[0]["entering"] == 5 and rows[-1]["remaining"] == 2
    assert all(a["remaining"] == b["entering"] for a, b in pairwise(rows))
    assert yields(counts, lambda o: o.teacher) == {"a": {"questions": 2, "kept": 1}, "b": {"questions": 2, "kept": 0}}


def test_steps_that_recur_decide_among_sound_paths() -> None:
    texts = [
        f"<think>{steps}</think> <answer>\\boxed{{a}}</answer>"
        for steps in (
            "The boat lies left of the pier. So it is the left one.",
            "I see the boat lies left of the pier. Hence the left one.",
            "Birds are white. Water is wet.",
            "The boat lies left of the pier, in calm water.",
        )
    ]
    rows = list(with_recurrence([check(n, "A", right=True) for n in range(4)], texts))
    assert rows[0].recurrence > rows[2].recurrence == 0 and rows[3].recurrence > 0.5
    assert choose(rows, 3.0).chosen == max(rows, key=lambda row: row.recurrence).index
    alone = list(with_recurrence([check(n, "A", right=n < 2) for n in range(4)], texts))
    assert [row.recurrence for row in alone] == [0.0] * 4


def test_a_judge_names_flawed_steps() -> None:
    program = "\n```python\nimage.x\n```\n<sandbox_output> 3 </sandbox_output>\n"
    assert steps_of(f"<think>A wall. It is 3.5 m.{program}Red.</think> <answer>so</answer>") == [
        "A wall.",
        "It is 3.5 m.",
        "Red.",
    ]
    assert steps_of("a plain reply") == []
    flawed = [{"step": 2, "flaw": "untrue"}, {"step": 9, "flaw": "odd"}, {"step": "1", "flaw": "untrue"}, 3]
    reply = {"process": True, "reason": "no wall", "score": 4, "steps": flawed}
    judgement = _judgement(json.dumps(reply), False)
    assert judgement is not None and judgement.steps == ("step 2 untrue",)
    row = _with_judgement(check(0, "A", right=True, reasons=()), judgement)
    assert (row.grade, row.reasons, row.judged) == ("B", ("judge: step 2 untrue", "judge: no wall"), 4)
    sound = _judgement(json.dumps(reply | {"steps": []}), False)
    assert sound is not None and _with_judgement(check(0, "A", right=True, reasons=()), sound).grade == "A"


@pytest.mark.parametrize(
    ("measured", "thinks", "reason"),
    [("easy", False, ""), ("easy", True, "decision"), ("hard", True, ""), ("medium", False, "decision")],
)
def test_thinking_is_for_what_samples_found_hard(measured: str, thinks: bool, reason: str) -> None:
    proposal = Proposal("counting", "How many lamps?", "3", "number", (), "m", "p", measured, 3, 4, 0, 3, 20.0)  # type: ignore[arg-type]
    source = replace(sample(sorted(pictures())[0]), proposals=(proposal,))
    task = TASKS["asked_counting_auto"]
    kept = attempt(task, "auto", source, 3, task.variants(source)[0])
    assert isinstance(kept, Kept)
    decision = (
        formats.AutoThinking("It is so.", "I count them.", "\\boxed{3}") if thinks else formats.AutoPlain("a", "3")
    )
    assert _doubt(kept.question, decision.render()) == reason


def test_no_other_conclusion_is_made_up_where_none_of_the_kind_is_known() -> None:
    """Else the share of errors that the checks catch would count sentences that conclude nothing."""
    clock = attempt(TASKS["clock"], "thinking", sample(sorted(pictures())[0]), 1)
    assert isinstance(clock, Kept) and clock.question.answer_type == "time"
    reply = exchange(clock.question, 0).reply
    wrong = [with_error(clock.question, reply, Draw(n)) for n in range(40)]
    assert {one[0] for one in wrong if one} == {"answer", "format", "language", "repetition"}
