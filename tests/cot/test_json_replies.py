"""JSON in replies of models: with reasoning, fences and sentences around it; with values of a wrong kind inside."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dataengine.cot.checks.stage import _judgement
from dataengine.cot.questions.proposed import read_proposals
from dataengine.cot.replies.json_replies import json_of_reply
from dataengine.errors import InputError


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        '```json\n{"a": 1}\n```',
        'Here it is:\n\n```\n{"a": 1}\n```\nI hope that it helps.',
        '<think>A list {"a": 2} would be wrong.</think>\n{"a": 1}',
        '<think>So.</think>```json\n{"a": 1}\n```<|im_end|>',
    ],
)
def test_json_is_read_with_what_stands_around_it(text: str) -> None:
    assert json_of_reply(text) == {"a": 1}


def test_json_may_hold_fences_and_tags() -> None:
    assert json_of_reply(json.dumps({"a": "``` and </think>"})) == {"a": "``` and </think>"}


@pytest.mark.parametrize("text", ["", "no JSON", "``` ```", "{", "\x00\xff", "[" * 100_000])
def test_what_is_no_json_is_an_input_error(text: str) -> None:
    with pytest.raises(InputError):
        json_of_reply(text)


def test_a_long_reply_of_spaces_is_read_in_one_pass() -> None:
    [row] = read_proposals(" " * 1_000_000 + "x", "0" * 32, "m", "p", [])
    assert row.reason == "the reply is not JSON"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (1234567, "1234567"),
        (1_500_000, "1500000"),
        (0.1234567, "0.1234567"),
        (-5, "-5"),
        (2.0, "2"),
        (10**400, ""),
        (True, ""),
    ],
)
def test_numbers_that_are_answers_keep_their_digits(answer: Any, text: str) -> None:
    [row] = _proposed(answer=answer)
    assert (row.answer, row.verdict) == (text, "kept" if text else "rejected")


def test_choices_lose_the_letters_that_a_model_has_written() -> None:
    [row] = _proposed(answer="B. cat", choices=["A. dog", "B. cat"])
    assert (row.verdict, row.answer, row.options) == ("kept", "B", ("dog", "cat"))
    [row] = _proposed(answer="B. Brown", choices=["A. Adams", "B. Brown", "Clark"])
    assert row.options == ("A. Adams", "B. Brown", "Clark")


def test_a_judgement_with_flaws_of_a_wrong_kind_is_read_without_them() -> None:
    steps = [{"step": 1, "flaw": ["untrue"]}, {"step": 2, "flaw": {}}, {"step": True, "flaw": "untrue"}]
    reply = {"process": False, "reason": "", "score": 4, "steps": steps}
    judgement = _judgement(json.dumps(reply), False)
    assert judgement is not None and judgement.steps == ()
    assert _judgement(json.dumps(reply | {"score": True}), False) is None


def _proposed(**fields: Any) -> list[Any]:
    question = {"capability": "counting", "question": "What is shown?"} | fields
    return read_proposals(json.dumps([question]), "0" * 32, "m", "p", [])
