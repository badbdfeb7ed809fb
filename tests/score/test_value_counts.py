"""Counts of the values of string columns before and after filtering, the same from either way of counting."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from support.engine_fixtures import Parted

from dataengine.engines.duckdb import DuckDBEngine
from dataengine.score.value_counts import MOST, textual, value_counts

IDS = [f"{n:04d}" for n in range(MOST + 1)]
ROWS = pa.table(
    {
        "id": IDS,
        "word": pa.array(["pan", "still", None] * (len(IDS) // 3), pa.string()),
        "text": [f"text {n}" for n in range(len(IDS))],
        "many": [f"{n % 30:02d}" for n in range(len(IDS))],
        "once": [f"hash {n}" if n < 30 else None for n in range(len(IDS))],
        "none": pa.nulls(len(IDS), pa.string()),
    }
)
DECIDED = pa.table({"id": IDS, "kept": [n % 2 == 0 for n in range(len(IDS))]})


@pytest.mark.parametrize("engine", [DuckDBEngine(threads=1), Parted(3, 1)], ids=["one process", "parted"])
def test_labels_are_counted_and_texts_are_not(engine: Any) -> None:
    labels = value_counts(engine, engine.frame(ROWS), engine.frame(DECIDED), ["many", "none", "once", "text", "word"])
    assert labels["word"] == {"distinct": 2, "before": {"pan": 67, "still": 67}, "after": {"pan": 34, "still": 33}}
    assert labels["text"] == {"distinct": MOST + 1, "before": {}, "after": {}}
    assert labels["once"] == {"distinct": 30, "before": {}, "after": {}}
    assert labels["many"]["distinct"] == 30 and list(labels["many"]["before"])[:2] == ["00", "01"]
    assert len(labels["many"]["before"]) == 20 and set(labels) == {"many", "once", "text", "word"}
    assert value_counts(engine, engine.frame(ROWS), engine.frame(DECIDED), []) == {}


def test_which_columns_have_labels() -> None:
    assert textual({"b": pa.string(), "a": pa.string(), "n": pa.int8(), "l": pa.list_(pa.string())}) == ["a", "b"]
