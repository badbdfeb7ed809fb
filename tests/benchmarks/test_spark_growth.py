"""What the table stages cost by size: every stage is measured, and a line through the sizes is told apart."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def growth() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
        yield importlib.import_module("spark_growth")


@pytest.mark.parametrize("stage", ["decisions", "statistics", "assignment", "ledger", "components", "groups"])
def test_a_stage_is_measured(growth: Any, stage: str) -> None:
    measured = growth.one(stage, 2000, 1, "duckdb")
    assert measured["wall"] > 0 and measured["driver"] > 0 and measured["jvm"] == 0
    assert next(iter(measured["outcome"].values())) >= 0


def test_what_is_fixed_and_what_grows(growth: Any) -> None:
    fixed, grows = growth.fitted([1_000_000, 3_000_000, 10_000_000], [12.0, 16.0, 30.0])
    assert (round(fixed, 6), round(grows, 6)) == (10.0, 2.0)
    assert growth.fitted([500_000], [3.0]) == (0.0, 6.0)
