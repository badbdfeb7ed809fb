"""Filters and near-deduplication by datatrove."""

from __future__ import annotations

from typing import Any

import pytest

from dataengine.config.sequence import DatatroveStep, MinhashStep
from dataengine.errors import UsageError
from dataengine.sequence.corpus import Text, text_id
from dataengine.sequence.datatrove_steps import check, run

pytest.importorskip("datatrove")
LONG = (
    "The roof of the old temple by the lake shines in the evening light while boats pass below the stone bridge. " * 3
)


def texts(*values: str) -> list[Text]:
    return [Text(text_id(value), value) for value in values]


def test_each_dropped_text_has_its_reason() -> None:
    step = DatatroveStep(filter="RegexFilter", args={"regex_exp": "lake"})
    given = [*texts(LONG, "no water here"), Text("x", "", failure="bad_row", message="m")]
    outcomes = [(text.failure, outcome) for text, outcome in run(given, [step])]
    assert outcomes == [("RegexFilter", "filtered"), ("", ""), ("bad_row", "failed")]


@pytest.mark.slow
def test_near_duplicates_leave_the_first() -> None:
    other = " ".join(f"word{n}" for n in range(60))
    given = texts(LONG + "One.", other, LONG + "Two.")
    outcomes = [(text.failure, outcome) for text, outcome in run(given, [MinhashStep()])]
    assert outcomes == [("", ""), ("", ""), ("minhash", "duplicate")]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"filter": "NoFilter"}, "datatrove has no filter 'NoFilter'; it has C4"),
        ({"filter": "RegexFilter", "args": {"expression": "x"}}, "RegexFilter: .*argument"),
    ],
)
def test_wrong_steps(step: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check([DatatroveStep.model_validate(step)])
