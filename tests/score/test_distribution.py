"""Quantiles of scores before and after filtering: values that occur, nothing that is not a number among them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from dataengine.engines.duckdb import DuckDBEngine
from dataengine.score.distribution import KEPT, QUANTILES, _Search, count_by_bits, distributions, near, numeric

values = st.lists(st.floats(width=32) | st.none() | st.sampled_from([0.0, -0.0, 5e-324, -1e308]), max_size=60)


def test_values_that_are_no_numbers_do_not_count(duck: DuckDBEngine) -> None:
    rows = pa.table({"id": ["a", "b", "c", "d"], "x": [1.0, None, math.nan, 3.0], "y": [None, math.inf, None, None]})
    kept = pa.table({"id": ["a", "b", "c", "d"], "kept": [True, True, False, False]})
    found = distributions(duck, rows, kept, ["x", "y"], 4)
    assert found == {
        "x": {
            "before": {"count": 2, "min": 1.0, "p10": 1.0, "p50": 1.0, "p90": 3.0, "max": 3.0},
            "after": {"count": 1, "min": 1.0, "p10": 1.0, "p50": 1.0, "p90": 1.0, "max": 1.0},
        }
    }
    assert distributions(duck, rows, kept.take([3, 1, 0, 2]), ["x", "y"], 4) == found  # joined, not side by side
    none = kept.set_column(1, "kept", pa.array([False] * 4))
    assert distributions(duck, rows, none, ["x"], 4)["x"]["after"] == {"count": 0}
    assert numeric({"b": pa.int8(), "a": pa.float32(), "s": pa.string(), "t": pa.bool_()}) == ["a", "b"]


@given(values)
def test_quantiles_are_those_of_numpy_and_occur(given_: list[float | None]) -> None:
    column = pa.array(given_, pa.float64())
    table = pa.table({"x": column, KEPT: pa.array([True] * len(given_), pa.bool_())})
    finite = np.array([v + 0.0 for v in given_ if v is not None and math.isfinite(v)])
    spread = near(table, ["x"])["x"]["after"]
    assert spread.pop("count") == len(finite)
    if len(finite):
        expected = np.quantile(finite, list(QUANTILES.values()), method="inverted_cdf")
        assert list(spread.values()) == expected.tolist() and set(spread.values()) <= set(finite.tolist())


@settings(deadline=None)
@given(values, st.data())
def test_counting_by_bits_finds_the_same_values(given_: list[float | None], data: Any) -> None:
    kept = data.draw(st.lists(st.booleans(), min_size=len(given_), max_size=len(given_)))
    table = pa.table({"x": pa.array(given_, pa.float64()), KEPT: pa.array(kept, pa.bool_())})
    cut = data.draw(st.integers(0, len(given_)))
    found = {}
    for series in ("before", "after"):
        search = _Search()
        for turn in range(4):
            wanted = {"x": sorted(search.prefixes)} if turn else None
            some = [count_by_bits(["x"], turn, wanted, part) for part in (table.slice(0, cut), table.slice(cut))]
            summed = pa.concat_tables(some).group_by("prefix").aggregate([(series, "sum")]).sort_by("prefix")
            search.narrow(summed["prefix"].to_numpy(), summed[f"{series}_sum"].to_numpy())
        found[series] = search.quantiles()
    assert repr(found) == repr(near(table, ["x"])["x"])
