"""Questions that a model proposes: what sampled answers make of each, with its reason, and that nothing is asked twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.cot_corpus import pictures, sample, videos
from support.cot_workers import Workshop
from support.scripted_vlm import Scripted, ScriptedVlm

from dataengine.cot.checks.grade import grade
from dataengine.cot.checks.verify import verify_question
from dataengine.cot.core.outcomes import Kept
from dataengine.cot.core.proposals import Proposal, ProposalRow, proposals_of
from dataengine.cot.core.source_qa import Pair
from dataengine.cot.core.tables import SourceMaterial
from dataengine.cot.questions.build import attempt, candidates
from dataengine.cot.questions.proposed import read_proposals
from dataengine.cot.tasks.registry import TASKS
from dataengine.testing import ChatServer, chat_server

IDS = sorted(pictures())[:3]
#: A question, and its verdict, reason and difficulty.
SCRIPT: tuple[tuple[Scripted, str, str, str], ...] = (
    (Scripted("What stands before the gate?", "a lantern", ("A lantern",)), "kept", "", "easy"),
    (Scripted("How many steps lead upward?", "7", ("7", "7", "7", "8"), capability="counting"), "kept", "", "medium"),
    (Scripted("How many roofs are behind it?", "3", ("3", "3", "4", "3", "5"), capability="counting"), "kept", "", "medium"),
    (
        Scripted("What is the wall made of?", "stone", ("B",), ("A", "C", "A"), "attributes", ("wood", "stone", "clay")),
        "kept",
        "",
        "easy",
    ),
    (
        Scripted("Which animal barks in the yard?", "a dog", ("a dog",), ("a dog",)),
        "rejected",
        "answerable without the picture",
        "",
    ),
    (Scripted("Is the gate open?", "yes", ("yes",), ("yes", "no", "yes")), "kept", "", "easy"),
    (Scripted("Is the sky clear?", "yes", ("yes",), ("yes",)), "rejected", "answerable without the picture", ""),
    (
        Scripted("What is on the left table?", "a cup", ("a cup", "a bowl", "a vase", "a jug")),
        "unsettled",
        "models do not agree on the answer",
        "hard",
    ),
    (
        Scripted("How many birds sit on the wire?", "9", ("5",), capability="counting"),
        "unsettled",
        "models agree on another answer",
        "hard",
    ),
    (Scripted("What hangs beside the door?", "a bell", ("a bell",), valid=False), "rejected", "judge: not so", "easy"),
)  # fmt: skip


@pytest.fixture
def vlm() -> Iterator[tuple[ChatServer, ScriptedVlm]]:
    script = ScriptedVlm(tuple(one for one, *_ in SCRIPT))
    with chat_server(script) as server:
        yield server, script


def config(server: ChatServer, **ask: Any) -> dict[str, Any]:
    # One request at a time, so that the script's answers come in order.
    model = {
        "type": "openai",
        "endpoint": server.endpoint,
        "model": "vlm",
        "retries": 0,
        "concurrency": 1,
        "failed": 1.0,
    }
    asked = {"model": model, "judge": model, "questions_per_sample": 10, **ask}
    return {"questions": {"ask": asked}, "teachers": [model], "questions_per_sample": 16}


def test_sampled_answers_decide(vlm: tuple[ChatServer, ScriptedVlm], tmp_path: Path) -> None:
    server, script = vlm
    shop = Workshop(tmp_path, IDS[:1], config(server))
    rows = {row.text: row for row in shop.proposals()}
    assert {one.question: (r.verdict, r.reason, r.difficulty) for one, *_ in SCRIPT for r in [rows[one.question]]} == {
        one.question: tuple(expected) for one, *expected in SCRIPT
    }
    assert all((row.samples, row.guesses) == (4, 3) and row.words > 3 for row in rows.values())
    assert rows["How many birds sit on the wire?"].answer == "5"
    assert json.loads(rows["What is on the left table?"].answers) == ["cup", "bowl", "vase", "jug"]
    assert script.asked == {"propose": 1, "sample": 40, "guess": 30, "judge": 6}

    # What is kept is asked, and what is not is a rejected question with its reason.
    questions = shop.questions()
    asked = {q.question.parameters["question"]: q for q in questions if q.question and q.task.startswith("asked_")}
    assert asked.keys() == {one.question for one, verdict, *_ in SCRIPT if verdict in ("kept", "unsettled")}
    lost = sorted(q.rejected or "" for q in questions if q.rejected and q.task.startswith("asked_"))
    assert lost == ["propose: answerable without the picture"] * 2 + ["propose: judge: not so"]
    assert asked["How many steps lead upward?"].task.startswith("asked_counting")
    for row in asked.values():
        assert row.question is not None and verify_question(row.question, sample(IDS[0]), {}).passed
        assert row.question.basis == "agreed" and row.difficulty == rows[row.question.parameters["question"]].difficulty
        assert row.question.facts["samples"] == 4 and ("unsettled" in row.question.parameters) == (
            rows[row.question.parameters["question"]].verdict == "unsettled"
        )


def test_no_reply_to_an_unsettled_question_counts_before_people_have_looked(
    vlm: tuple[ChatServer, ScriptedVlm], tmp_path: Path
) -> None:
    server, _ = vlm
    shop = Workshop(tmp_path, IDS, config(server) | {"teachers": [{"type": "programmatic"}]})
    shop.proposals()
    unsettled = {q.rid: "unsettled" in q.question.parameters for q in shop.questions() if q.question}
    shop.paths()
    grades = {c.rid: (c.grade, c.reasons) for c in shop.checks()}
    assert any(unsettled.values())
    assert all((grade == ("B", ("no agreement on the answer",))) == unsettled[rid] for rid, grade in grades.items())


def test_a_later_batch_asks_nothing_twice(vlm: tuple[ChatServer, ScriptedVlm], tmp_path: Path) -> None:
    server, script = vlm
    first = Workshop(tmp_path / "a", IDS[:2], config(server), part="all").proposals()
    asked, requests = dict(script.asked), server.requests
    assert asked["propose"] == 2
    again = Workshop(tmp_path / "a", IDS[1:], config(server), part="all").proposals()
    assert script.asked["propose"] == 3 and {r.sample for r in again} == set(IDS[1:])
    assert [r for r in again if r.sample == IDS[1]] == [r for r in first if r.sample == IDS[1]]
    # Killed before it committed: completions are there.
    before = server.requests
    Workshop(tmp_path / "a", IDS, config(server), part="").proposals()
    assert server.requests == before > requests


@pytest.mark.parametrize("kind", ["propose", "sample", "guess", "judge"])
def test_failures_of_a_server_are_rows_and_are_asked_again(
    vlm: tuple[ChatServer, ScriptedVlm], tmp_path: Path, kind: str
) -> None:
    server, script = vlm
    script.fails = frozenset({kind})
    shop = Workshop(tmp_path, IDS[:1], config(server), part="all")
    rows = shop.proposals()
    reasons = {"propose": {"server_error"}, "sample": {"too few samples came back"}}
    if kind in reasons:
        assert {(r.verdict) for r in rows} == {"failed"} and {r.reason for r in rows} == reasons[kind]
    else:
        assert {r.verdict for r in rows} >= {"kept", "unsettled"}
    script.fails, failed = frozenset(), script.asked[kind]
    asked = sum(script.asked.values())
    healed = Workshop(tmp_path, IDS[:1], config(server), part="all").proposals()
    if kind == "propose":
        assert script.asked["propose"] == 2
    else:
        assert sum(script.asked.values()) - asked >= failed - 4 and script.asked["propose"] == 1
    assert {r.verdict for r in healed} >= {"kept", "rejected", "unsettled"}


def rows_of(reply: Any, asked: tuple[str, ...] = ()) -> list[ProposalRow]:
    return read_proposals(reply if isinstance(reply, str) else json.dumps(reply), "s", "m", "p", asked)


GOOD = {"capability": "objects", "question": "What is on the shelf?", "answer": "a jar", "choices": []}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("sorry", "the reply is not JSON"),
        ({"items": []}, "the reply has no list of questions"),
        ({"questions": []}, "nothing to ask"),
        ({"questions": [3]}, "a question without its fields"),
        ({"questions": [GOOD | {"answer": None}]}, "a question without its fields"),
        ({"questions": [GOOD | {"choices": [1]}]}, "a question without its fields"),
        ({"questions": [GOOD | {"capability": "smell"}]}, "unknown capability"),
        ({"questions": [GOOD | {"question": "Is the jar on it?" + " so" * 90}]}, "too long"),
        ({"questions": [GOOD | {"answer": "a jar " * 9}]}, "the answer is not short"),
        ({"questions": [GOOD | {"question": "What does the caption name?"}]}, "it asks about the caption"),
        ({"questions": [GOOD | {"question": "Where is a jar?"}]}, "it tells the answer"),
        ({"questions": [GOOD | {"choices": ["a cup", "a bowl"]}]}, "the answer is none of the choices"),
        ({"questions": [GOOD | {"question": "What is <answer> here?"}]}, "a tag of the text forms inside"),
    ],
)
def test_what_cannot_be_asked_is_a_row_with_its_reason(reply: Any, reason: str) -> None:
    [row] = rows_of(reply)
    assert (row.verdict, row.reason) == ("rejected", reason)


def test_questions_are_read_as_models_write_them() -> None:
    fenced = (
        "```json\n"
        + json.dumps({"questions": [GOOD, GOOD | {"answer": 3, "capability": "Charts_and_tables"}]})
        + "\n```"
    )
    first, second = rows_of(fenced)
    assert (first.verdict, first.answer, first.answer_type) == ("kept", "a jar", "word")
    assert (second.verdict, second.reason, second.answer_type) == ("rejected", "asked already", "number")
    assert second.capability == "charts and tables"
    [either] = rows_of([GOOD | {"question": "Is it a cup or a jar?"}])
    assert either.verdict == "kept"
    [choice] = rows_of([GOOD | {"choices": ["a cup", "a jar"]}])
    assert (choice.answer, choice.answer_type) == ("B", "choice")
    [known] = rows_of([GOOD], ("what is on the shelf?",))
    assert known.reason == "asked already"
    assert proposals_of([first])[0].question == GOOD["question"]


def test_what_is_known_of_a_sample_is_shown(vlm: tuple[ChatServer, ScriptedVlm], tmp_path: Path) -> None:
    server, _ = vlm
    pair = Pair(SCRIPT[0][0].question, "a lantern", "text")
    material = {IDS[0]: SourceMaterial(IDS[0], pairs=(pair,), texts=json.dumps({"ocr_text": "GATE 7"}))}
    rows = Workshop(tmp_path, IDS[:1], config(server)).proposals(material)
    assert "GATE 7" in json.dumps(server.bodies[0]) and "image_url" in json.dumps(server.bodies[0])
    assert rows[0].reason == "asked already"


def test_questions_are_merged_into_one_with_an_answer_to_each() -> None:
    pairs = (
        Pair("How many gates?", "3", "number"),
        Pair("What roof?", "green tiles", "word"),
        Pair("Who?", "a, b", "text"),
    )
    source = replace(sample(IDS[0]), pairs=pairs)
    task = TASKS["merged_given_reasoned"]
    assert task.takes(source) and not TASKS["merged_asked"].takes(source)
    kept = attempt(task, "thinking", source, 3)
    assert isinstance(kept, Kept)
    question = kept.question
    assert question.answer_type == "list" and question.answer in ("3; green tiles", "green tiles; 3")
    assert "1. " in question.text and "2. " in question.text and "Who?" not in question.text
    text = f"<think>I look at the gates and the roof in turn.</think> <answer>\\boxed{{{question.answer}}}</answer>"
    assert grade(question, text).grade == "A" and grade(question, text.replace("green", "red")).grade == "C"
    assert verify_question(question, source, {}).passed


def test_a_video_is_asked_with_each_frame_sampling() -> None:
    proposal = Proposal("order", "What comes first?", "a flower", "word", (), "m", "p", "hard", 3, 4, 0, 3, 20.0)
    clip = replace(sample(sorted(videos())[0]), proposals=(proposal,), pairs=(), partners={})
    kept = [o.question for o in candidates(clip, 3, 1, models=True) if isinstance(o, Kept)]
    while not any(q.task == "asked_order_video" for q in kept):
        clip = replace(clip, id=clip.id[1:] + "0")
        kept = [o.question for o in candidates(clip, 3, 1, models=True) if isinstance(o, Kept)]
    assert [q.task for q in kept] == ["asked_order_video"] * 3 and len({q.id for q in kept}) == 3
    assert {q.parameters["sampling"].split(" {")[0] for q in kept} == {"even 16", "even 32", "slow-fast"}
