"""What a rule means, case by case: absent values, non-finite numbers, `when`."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dataengine.policy.evaluate import Verdict, verdict
from dataengine.policy.grammar import parse
from dataengine.policy.model import OnMissing, Rule

PASS, DROP, ERROR = Verdict.PASS, Verdict.DROP, Verdict.ERROR


def rule(keep: str, on_missing: OnMissing = "drop", when: str | None = None) -> Rule:
    return Rule("r", parse(keep), on_missing, "because", parse(when) if when else None)


@pytest.mark.parametrize(
    ("keep", "row", "expected"),
    [
        ("x >= 0.3", {"x": 0.3}, PASS),
        ("x >= 0.3", {"x": math.nan}, DROP),
        ("not (x >= 0.3)", {"x": math.nan}, DROP),
        ("x < 1", {"x": -math.inf}, DROP),
        ("x is null or x < 1", {"x": math.inf}, DROP),
        ("x is not null", {"x": math.nan}, DROP),
        ("x is null or x < 1", {"x": None}, PASS),
        ("x is not null and x != 1", {"x": None}, DROP),
        ("x is null and not x = 1", {"x": None}, PASS),
        ("x is null and x not in (1)", {"x": None}, DROP),
        ("x is null and x not between 1 and 2", {"x": None}, DROP),
        ("x = 0", {"x": -0.0}, PASS),
        ("x = 9007199254740992", {"x": 2**53 + 1}, PASS),
        ("s = 'é'", {"s": "e\u0301"}, DROP),
        ("s in ('', 'a')", {"s": ""}, PASS),
        ("b = false", {"b": False}, PASS),
    ],
)
def test_keep(keep: str, row: dict[str, Any], expected: Verdict) -> None:
    assert verdict(rule(keep), row) is expected


@pytest.mark.parametrize(("on_missing", "expected"), [("drop", DROP), ("keep", PASS), ("error", ERROR)])
def test_on_missing_decides_unless_the_rule_speaks_of_it(on_missing: OnMissing, expected: Verdict) -> None:
    assert verdict(rule("x < 1 or y = 1", on_missing), {"x": None, "y": 1}) is expected
    assert verdict(rule("x < 1 or y = 1 or x is null", on_missing), {"x": None, "y": 0}) is PASS
    assert verdict(rule("y = 1", on_missing, when="x < 1"), {"x": None, "y": 1}) is expected


def test_a_non_finite_number_outweighs_a_missing_one() -> None:
    assert verdict(rule("x < 1 or y < 1", "keep"), {"x": None, "y": math.nan}) is DROP


def test_when_limits_whom_the_rule_is_asked_of() -> None:
    videos = rule("duration >= 1", "error", when="kind = 'video'")
    assert verdict(videos, {"kind": "image", "duration": None}) is PASS
    assert verdict(videos, {"kind": "video", "duration": 2.0}) is PASS
    assert verdict(videos, {"kind": "video", "duration": 0.5}) is DROP
    assert verdict(videos, {"kind": "video", "duration": None}) is ERROR
