"""Questions of the source on their way: asked, answered by models, judged where they are free, made harder, checked again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.cot_corpus import PAIRS, alone, pictures, sample, videos, written
from support.cot_workers import Workshop

from dataengine.cot.checks.answers import matches
from dataengine.cot.checks.grade import grade
from dataengine.cot.checks.verify import verify_question, verify_record
from dataengine.cot.core import tools
from dataengine.cot.core.formats import Agentic, AutoThinking, Plain, Step, Thinking, box
from dataengine.cot.core.outcomes import Kept, Rejected
from dataengine.cot.core.proposals import Proposal
from dataengine.cot.core.question import Question
from dataengine.cot.core.record import Style, canonical_json
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.source_qa import Distractor, Pair
from dataengine.cot.core.tables import SourceMaterial
from dataengine.cot.questions.build import attempt, candidates
from dataengine.cot.tasks.registry import TASKS
from dataengine.testing import Body, ChatServer, Turn, chat_server

FROM_SOURCE = {n: float(task.basis in ("given", "caption", "agreed")) for n, task in TASKS.items()}
PICTURE, CLIP = sorted(pictures())[0], sorted(videos())[0]
OWN = "a temple with a yellow roof"
OTHERS = (
    Distractor("1" * 32, "two dogs at play"),
    Distractor("2" * 32, "the sea at night"),
    Distractor("3" * 32, "an empty room"),
)
CAPTIONED = replace(alone(PICTURE), captions=("temple", OWN), distractors=OTHERS)
FREE = Pair("What is going on?", "a crowd waits in front of the temple", "text", (), "set/1.jpg")


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


def made(task: str, style: Style, source: CotInput) -> Question:
    names = TASKS[task].variants(source)
    outcome = attempt(TASKS[task], style, source, 5, names[0])
    assert isinstance(outcome, Kept), outcome
    return outcome.question


def answered(question: Question, text: str, **more: Any) -> bytes:
    """The record with a model's reply."""
    told = json.loads(written(Kept(question)).record.to_bytes()) | {"teacher": "openai:m", "path": 0} | more
    told["messages"][1]["content"] = [{"type": "text", "text": text}]
    return canonical_json(told)


def thought(answer: str) -> str:
    return Thinking("I look at what is shown, part by part.", f"So it is {box(answer)}").render()


def test_a_pair_is_asked_once_and_its_answer_is_the_given_one() -> None:
    source = sample(PICTURE)
    kept = [o.question for o in candidates(source, 3, 16, models=True, shares=FROM_SOURCE) if isinstance(o, Kept)]
    asked = [r for r in kept if r.basis == "given"]
    assert len(asked) == len(PAIRS) and {r.answer for r in asked} == {p.answer for p in PAIRS}
    assert {r.answer_type for r in asked} == {"choice", "number"}
    assert all(r.parameters["place"] == "set/0.jpg" and r.difficulty in ("easy", "medium", "hard") for r in asked)
    chosen = next(r for r in asked if r.answer_type == "choice")
    assert "\nA. a car\nB. a thing of beauty\nC. a cat" in chosen.text


def test_without_models_only_what_a_program_can_answer_is_asked() -> None:
    asked = [o.question for o in candidates(sample(PICTURE), 3, 16, shares=FROM_SOURCE) if isinstance(o, Kept)]
    asked = [q for q in asked if q.basis == "given"]
    assert asked and {r.style for r in asked} == {"non_thinking"}


def model_reply(question: Question, answer: str) -> str:
    """A model's reply with this answer, in the form of the question's style."""
    final = f"So it is {box(answer)}"
    match question.style:
        case "non_thinking":
            return f"It is {answer}." if question.answer_type != "choice" else f"{answer}. that one"
        case "auto":
            return AutoThinking("It takes steps.", "I look at what is shown, part by part.", final).render()
        case "agentic":
            code = 'measure("brightness", 0, 0, 1000, 1000)'
            output = tools.run(code, sample(PICTURE).picture())
            return Agentic((Step("I measure it.", code, str(output)),), "Now it is clear.", final).render()
        case _:
            return thought(answer)


PROPOSAL = Proposal("counting", "How many lamps hang there?", "3", "number", (), "m", "p", "hard", 3, 4, 0, 3, 20.0)
#: Of families that differ in their capability alone, one.
NAMES = [name for name in TASKS if not name.startswith(("asked_", "merged_")) or name.startswith("asked_counting")]
FORMS = [(n, s) for n in NAMES if FROM_SOURCE[n] and TASKS[n].kind != "text" for s in TASKS[n].styles]


def test_tasks_from_the_source_have_all_styles() -> None:
    assert {style for _, style in FORMS} == {"thinking", "non_thinking", "auto", "agentic"} and len(FORMS) > 8


@pytest.mark.parametrize(("task", "style"), FORMS)
def test_a_models_reply_is_checked_for_every_task_and_style(task: str, style: Style) -> None:
    source = replace(sample(CLIP if TASKS[task].kind == "video" else PICTURE), captions=(OWN,), distractors=OTHERS)
    source = replace(source, proposals=(PROPOSAL,))
    question = made(task, style, source)
    good, bad = (model_reply(question, x) for x in (question.answer, "D" if question.answer != "D" else "C"))
    assert grade(question, good).grade == "A" and grade(question, bad).grade == "C", (good, bad)
    beside = {source.id: source}.__getitem__
    assert verify_record(answered(question, good), beside, {}).passed
    assert verify_record(answered(question, bad), beside, {}).step == "format"


def test_an_answer_or_question_that_is_not_what_was_given_is_found() -> None:
    question = made("given_reasoned", "thinking", sample(PICTURE))
    told = json.loads(answered(question, thought(question.answer)))
    for change in ({"answer": "C"}, {"answer": "2"}):
        assert verify_record(canonical_json(told | change), sample).step == "answer"
    told["messages"][0]["content"][1]["text"] = "Is it so?/think"
    assert verify_record(canonical_json(told), sample).step == "text"


def test_the_own_caption_is_the_answer_and_is_looked_up_again() -> None:
    question = made("caption_match", "thinking", CAPTIONED)
    choices = json.loads(question.parameters["choices"])
    assert sorted(choices) == sorted([OWN, *(r.text for r in OTHERS)])
    assert choices["ABCD".index(question.answer)] == OWN
    assert set(question.parents[1:]) == {r.id for r in OTHERS}
    reply = answered(question, thought(question.answer))
    assert verify_record(reply, lambda _: CAPTIONED).passed
    other = replace(CAPTIONED, captions=("two dogs at play",))
    assert verify_record(reply, lambda _: other).step == "evidence"
    wrong = json.loads(answered(question, thought("ABCD".replace(question.answer, "")[0])))
    wrong["answer"] = "ABCD".replace(question.answer, "")[0]
    assert verify_record(canonical_json(wrong), lambda _: CAPTIONED).step == "answer"


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        (
            Pair("what?", "x", "choice", (), "", "the answer is none of the choices"),
            "the answer is none of the choices",
        ),
        (Pair("what? </think>", "x", "word"), "a tag of the text forms inside"),
        (Pair("what?", r"\boxed{3}", "word"), "a tag of the text forms inside"),
        (Pair("what? /no_think", "x", "word"), "a mode switch at the end"),
        (Pair("what? " * 1000, "x", "word"), "too long"),
    ],
)
def test_a_pair_that_cannot_be_asked_is_a_row_with_a_reason(pair: Pair, why: str) -> None:
    source = replace(sample(PICTURE), pairs=(pair,))
    outcome = attempt(TASKS["given_answer"], "non_thinking", source, 5, TASKS["given_answer"].variants(source)[0])
    assert isinstance(outcome, Rejected) and outcome.reason == why


@pytest.mark.parametrize(
    ("said", "right"),
    [("B", True), ("(B)", True), ("Option B.", True), ("a thing of beauty", True), ("It is a thing of beauty.", True),
     ("A. a car", False), ("a car or a cat", False), ("I do not know", False)],
)  # fmt: skip
def test_choices_in_plain_words(said: str, right: bool) -> None:
    source = replace(sample(PICTURE), pairs=PAIRS[:1])
    question = made("given_answer", "non_thinking", source)
    assert (grade(question, Plain(said).render()).grade == "A") is right


def test_free_answers_differ_by_rule_alone() -> None:
    question = made("given_reasoned", "thinking", replace(sample(PICTURE), pairs=(FREE,)))
    assert question.answer_type == "text" and question.difficulty == "hard"
    assert matches(question, "A crowd waits, in front of the temple!")
    assert not matches(question, "people standing before the temple")


def tasks(source: CotInput, seed: int) -> set[str]:
    return {
        o.question.task for o in candidates(source, seed, 16, models=True, shares=FROM_SOURCE) if isinstance(o, Kept)
    }


def judged(body: Body) -> Turn:
    """A teacher who says it in other words, and a judge to whom only people are a crowd."""
    text = json.dumps(body["messages"])
    if "response_format" not in body:
        return Turn(text=thought("people before a temple" if body["seed"] % 2 else "a dog before a temple"))
    told = {"answer": "people before" in text, "process": True, "reason": "", "score": 5}
    return Turn(text=json.dumps(told))


@pytest.mark.slow
def test_a_judge_compares_free_answers(server: ChatServer, tmp_path: Path) -> None:
    server.reply = judged
    model = {"type": "openai", "endpoint": server.endpoint, "model": "m"}
    config = {"teachers": [model], "paths_per_question": 8, "questions_per_sample": 16, "tasks": FROM_SOURCE}
    material = {PICTURE: SourceMaterial(PICTURE, (FREE,))}
    source = replace(sample(PICTURE), pairs=(FREE,))
    seed = next(n for n in range(50) if "given_reasoned" in tasks(source, n))
    for judge in (None, model | {"model": "judge"}):
        shop = Workshop(tmp_path / str(bool(judge)), [PICTURE], config | {"judge": judge}, seed)
        asked = {q.rid: q for q in shop.questions(material) if q.task.startswith("given")}
        shop.paths()
        checks = [c for c in shop.checks() if c.rid in asked and c.grade and "format" not in c.reasons]
        assert len(checks) == 8 and len({c.answer for c in checks}) == 2, checks
        for check in checks:
            good = bool(judge) and check.answer.startswith("people")
            assert (check.grade, check.right, check.equal) == ("A" if good else "C", good, good)
    question = next(iter(asked.values())).question
    assert question is not None
    reply = thought("people before a temple")
    assert verify_record(answered(question, reply), lambda _: source).step == "format"
    assert verify_record(answered(question, reply, judged=True), lambda _: source).passed


HARDER = "Count what stands left of the middle, add what stands right of it: how many suns are there in the sky then?"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (json.dumps({"question": HARDER}), "enhanced"),
        (json.dumps({"question": PAIRS[1].question}), "not enhanced: the same question"),
        (json.dumps({"question": "Is there 1 sun?"}), "not enhanced: it tells the answer"),
        (json.dumps({"question": "<think>"}), "not enhanced: not fit to ask"),
        ("no json", "not enhanced: no question"),
        ("I'm sorry, I can't", "not enhanced: refused"),
    ],
)
def test_questions_are_made_harder_by_a_model(server: ChatServer, tmp_path: Path, said: str, outcome: str) -> None:
    server.reply = lambda body: Turn(text=said)
    enhance = {"type": "openai", "endpoint": server.endpoint, "model": "m"}
    shop = Workshop(
        tmp_path, [PICTURE], {"questions": {"rewrite": enhance}, "questions_per_sample": 16, "tasks": FROM_SOURCE}
    )
    material = {PICTURE: SourceMaterial(PICTURE, PAIRS[1:])}
    [row] = [q for q in shop.questions(material) if q.task == "given_answer"]
    assert shop.outputs["questions"].counts[outcome] == 1
    question = row.question
    assert question is not None
    assert server.bodies[0]["messages"][0]["content"][0]["type"] == "image_url"
    assert PAIRS[1].question in json.dumps(server.bodies[0])
    if outcome != "enhanced":
        assert question.parameters["question"] == PAIRS[1].question and "original" not in question.parameters
        return
    assert (question.parameters["question"], question.parameters["original"]) == (HARDER, PAIRS[1].question)
    assert question.parameters["enhanced_by"] == "openai:m" and question.parameters["enhance_prompt"]
    assert HARDER in question.text and (question.answer, question.difficulty, row.difficulty) == ("1", "hard", "hard")
    assert verify_question(question, sample(PICTURE), {}).passed
