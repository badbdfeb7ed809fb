"""Histograms of scores: every finite value in one bin, the same from both engines, on a scale that shows them."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.spark import SparkEngine
from dataengine.score.distribution import distributions
from dataengine.score.histograms import BINS, count, histograms, scale
from dataengine.table_engine import TableEngine

RNG = np.random.default_rng(3)
VALUES = [*RNG.exponential(1.0, 400).tolist(), 90.0, 0.0, None, math.nan, math.inf]
ROWS = pa.table(
    {
        "id": [f"{n:04}" for n in range(len(VALUES))],
        "skewed": pa.array(VALUES, pa.float64()),
        "even": pa.array([n % 7 for n in range(len(VALUES))], pa.int32()),
        "same": pa.array([2.5] * len(VALUES)),
        "none": pa.nulls(len(VALUES), pa.float64()),
    }
)
DECIDED = pa.table({"id": ROWS["id"], "kept": [n % 3 == 0 for n in range(len(VALUES))]})


def drawn(engine: TableEngine) -> dict[str, dict[str, object]]:
    rows, decisions = engine.frame(ROWS), engine.frame(DECIDED)
    spread = distributions(engine, rows, decisions, ["even", "none", "same", "skewed"], ROWS.num_rows)
    return histograms(engine, rows, decisions, spread)


def test_every_finite_value_is_in_one_bin(duck: DuckDBEngine) -> None:
    made = drawn(duck)
    assert sorted(made) == ["even", "same", "skewed"], "a column without a value has none"
    assert made["same"] == {"edges": [2.5, 2.5], "log": False, "before": [405], "after": [135]}
    assert (made["skewed"]["log"], made["even"]["log"]) == (True, False)
    assert sum(made["skewed"]["before"]) == 402 and sum(made["even"]["before"]) == 405  # type: ignore[arg-type]
    assert [n for n in made["even"]["before"] if n] == [58, 58, 58, 58, 58, 58, 57]  # type: ignore[attr-defined]
    kept = [
        v for v, k in zip(VALUES, DECIDED["kept"].to_pylist(), strict=True) if k and v is not None and math.isfinite(v)
    ]
    assert sum(made["skewed"]["after"]) == len(kept)  # type: ignore[arg-type]
    assert histograms(duck, duck.frame(ROWS), duck.frame(DECIDED), {}) == {}


def test_both_engines_draw_the_same(duck: DuckDBEngine, spark: SparkEngine) -> None:
    assert drawn(duck) == drawn(spark)


@pytest.mark.parametrize(
    ("low", "middle", "high", "log", "first"),
    [
        (0.0, 0.5, 1.0, False, 0.0),
        (-3.0, 0.1, 90.0, False, -3.0),
        (0.0, 0.0, 9.0, False, 0.0),
        (0.0, 0.01, 0.99, True, 0.99e-6),
        (300.0, 80_000.0, 9e6, True, 300.0),
        (1e-300, 1.0, 1e6, True, 1.0),
    ],
)
def test_a_scale_is_logarithmic_where_the_largest_value_is_far_off(
    low: float, middle: float, high: float, log: bool, first: float
) -> None:
    edges, logarithmic = scale({"min": low, "p50": middle, "max": high})
    assert logarithmic == log and edges[0] == pytest.approx(first) and edges[-1] == high
    assert len(edges) == BINS + 1 and edges == sorted({*edges})


@given(st.lists(st.floats(0, 1e9) | st.floats(allow_nan=True), min_size=1, max_size=60))
def test_no_value_is_lost(values: list[float]) -> None:
    finite = sorted(v for v in values if math.isfinite(v))
    if not finite or finite[-1] - finite[0] == math.inf:
        return
    edges, _ = scale({"min": finite[0], "p50": finite[(len(finite) - 1) // 2], "max": finite[-1]})
    rows = pa.table({"x": pa.array(values, pa.float64()), "__kept": [True] * len(values)})
    counted = count(json.dumps({"x": edges}), rows)
    assert sum(counted["before"].to_pylist()) == len(finite) == sum(counted["after"].to_pylist())
