"""Quantiles of scores before and after filtering: values that occur, nothing that is not a number among them."""

from __future__ import annotations

import math

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dataengine.score.distribution import distributions


def test_values_that_are_no_numbers_do_not_count() -> None:
    rows = pa.table({"id": ["a", "b", "c", "d"], "x": [1.0, None, math.nan, 3.0], "name": ["", "", "", ""]})
    found = distributions(rows, pa.array(["a", "b"]))
    assert set(found) == {"x"}
    assert found["x"]["before"] == {"count": 2, "min": 1.0, "p10": 1.0, "p50": 1.0, "p90": 3.0, "max": 3.0}
    assert found["x"]["after"]["count"] == 1 and distributions(rows, pa.array([], pa.string()))["x"]["after"] == {
        "count": 0
    }


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=40))
def test_quantiles_rise_and_occur(values: list[float]) -> None:
    ids = [str(n) for n in range(len(values))]
    spread = distributions(pa.table({"id": ids, "x": pa.array(values, pa.float32())}), pa.array(ids))["x"]["after"]
    told = [spread[name] for name in ("min", "p10", "p50", "p90", "max")]
    assert told == sorted(told) and set(told) <= set(values) and told[0] == min(values) and told[-1] == max(values)
