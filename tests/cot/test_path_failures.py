"""Every way in which a server can fail a question is a row with its class, and the question's own end in the ledger."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cot_corpus import pictures
from support.cot_workers import Workshop

from dataengine.cot.core.tables import CheckRow, QuestionRow, table_of
from dataengine.cot.mix.candidates import ReviewedQuestion, outcome_of
from dataengine.cot.review.verdicts import Rules, by_checks
from dataengine.testing import Body, ChatServer, Turn, chat_server

TURNS = {
    "rate_limit": Turn(status=429),
    "server_error": Turn(status=500),
    "timeout": Turn("slow", seconds=600),
    "bad_reply": Turn("cut"),
    "refused": Turn(text="I'm sorry, I can't help with that."),
    "truncated": Turn(text="<think>I look at", finish="length"),
    "repetition": Turn(text="<think>I look. " + "Let me look at it once more. " * 60),
    "bad_request": Turn(status=400),
    "format": Turn(text="It is that one, I would say."),
}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workshop, list[QuestionRow]]:
    told = {"type": "openai", "endpoint": "http://127.0.0.1:9/v1", "model": "m"}
    shop = Workshop(
        tmp_path_factory.mktemp("shop"), sorted(pictures())[:1], {"teachers": [told], "questions_per_sample": 16}
    )
    rows = [q for q in shop.questions() if q.question and q.style == "thinking"]
    return shop, rows[:1]


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("failure", TURNS)
def test_a_failure_is_a_row_and_an_outcome(
    server: ChatServer, asked: tuple[Workshop, list[QuestionRow]], failure: str
) -> None:
    shop, [question] = asked
    server.reply = lambda body: TURNS[failure]
    model = {"type": "openai", "endpoint": server.endpoint, "model": failure, "retries": 0}
    model["timeout"] = 2.0 if failure == "timeout" else 60.0
    desk = shop.only([question], teachers=[model])
    [path], [check] = desk.paths(), desk.checks()
    [reviewed] = by_checks(Rules(1.5, None), table_of(CheckRow, [check])).to_pylist()
    outcome = outcome_of(
        ReviewedQuestion.from_row(question.to_row() | reviewed | {"scored": "yes", "benchmark": None, "repeat": 1})
    )
    if failure == "format":
        assert path.failure is None and (check.grade, check.reasons) == ("C", ("format",))
        assert (outcome.outcome, outcome.step, outcome.reason) == ("rejected", "check", "format")
        return
    assert path.failure == failure and path.message and path.text is None
    assert (outcome.outcome, outcome.step, outcome.reason) == ("failed", "paths", failure)


@pytest.mark.slow
def test_questions_fail_one_by_one(server: ChatServer, tmp_path: Path) -> None:
    """Failures beside answers: nothing is lost, and the next run asks only what may pass."""
    kinds = ("server_error", "refused", "format", "bad_reply")

    def reply(body: Body) -> Turn:
        text = json.dumps(body["messages"]) + str(body["seed"])
        return TURNS[kinds[hashlib.sha256(text.encode()).digest()[0] % len(kinds)]]

    server.reply = reply
    model = {"type": "openai", "endpoint": server.endpoint, "model": "m", "retries": 0}
    shop = Workshop(
        tmp_path, sorted(pictures())[:2], {"teachers": [model], "paths_per_question": 2, "questions_per_sample": 6}
    )
    questions = [q for q in shop.questions() if q.question]
    paths = shop.paths()
    assert len(paths) == 2 * len(questions) == server.requests
    passing = [p for p in paths if p.failure in ("server_error", "bad_reply")]
    assert passing and {p.failure for p in paths} >= {None, "refused"}
    server.bodies.clear()
    server.reply = lambda body: TURNS["format"]
    again = shop.paths()
    assert server.requests == len(passing) and {p.failure for p in again} == {None, "refused"}
