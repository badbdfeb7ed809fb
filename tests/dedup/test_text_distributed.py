"""Text pairs spread over workers: the edges and the counts of one process, whatever the parts."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.engine_fixtures import Parted

from dataengine.contracts import CAPTION
from dataengine.dedup import edges as find
from dataengine.dedup import text_distributed
from dataengine.dedup.text_distributed import text_edges
from dataengine.engines.duckdb import DuckDBEngine

WORDS = ["a", "red", "fox", "runs", "over", "the", "old", "stone", "bridge", "near", "two", "tall", "trees"]
ORDER = [("a", "ascending"), ("b", "ascending")]


def captioned(count: int, seed: int) -> pa.Table:
    rng = random.Random(seed)
    texts = [" ".join(rng.choice(WORDS) if rng.random() < 0.1 else w for w in WORDS) for _ in range(count)]
    texts = [rng.choice((text, text, text, "", "a", None)) for text in texts]
    rows = [[] if t is None else [{"text": t, "source": "s", "uri": "u"}] for t in texts]
    return pa.table({"id": [f"{n:04x}" for n in range(count)], "captions": pa.array(rows, pa.list_(CAPTION))})


@pytest.mark.slow
@given(st.integers(0, 80), st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([0.5, 0.8, 1.0]))
@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
def test_parts_do_not_show(duck: DuckDBEngine, count: int, seed: int, parts: int, threshold: float) -> None:
    table = captioned(count, seed)
    expected = find.text(duck, table, threshold)
    with Parted(parts, seed) as engine:
        edges, told = text_edges(engine, engine.frame(table), find.TEXT, threshold)
        assert engine.collect(edges).sort_by(ORDER).to_pylist() == expected.edges.sort_by(ORDER).to_pylist()
        assert {**dict.fromkeys(("left_out", "candidates", "skipped"), 0), **expected.facts()} == told()


def test_a_crowded_bucket_is_capped_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_distributed, "LARGEST", 3)
    texts = [" ".join(WORDS) + f" {n}" for n in range(30)]
    rows = pa.array([[{"text": t, "source": "s", "uri": "u"}] for t in texts], pa.list_(CAPTION))
    with Parted(3, 0) as engine:
        table = engine.frame(pa.table({"id": [f"{n:04x}" for n in range(30)], "captions": rows}))
        edges, told = text_edges(engine, table, "text", 0.5)
        assert told()["skipped"] > 0 and 0 < edges.num_rows <= told()["candidates"] < 30 * 29 // 2
