"""Semantic pairs spread over workers are those of one process: pairs, similarities and all that is told."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from dataengine.contracts import CAPTION_EMBEDDINGS, EMBEDDINGS
from dataengine.dedup import semantic as search
from dataengine.dedup import semantic_edges
from dataengine.dedup.semantic_distributed import VIEWS, spread_pairs
from dataengine.dedup.semantic_edges import semantic
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.spark import SparkEngine
from dataengine.table_engine import TableEngine

FEW, SAMPLE = 100, 400
BOTH = [("x", "ascending"), ("y", "ascending")]


def topics(n: int, seed: int, dim: int = 16) -> NDArray[np.float16]:
    """Around topics, a third near another one, some equal, two that are no vectors."""
    rng = np.random.default_rng(seed)
    made = rng.normal(size=(n // 40 + 1, dim))[rng.integers(0, n // 40 + 1, n)] + 0.7 * rng.normal(size=(n, dim))
    near = rng.choice(n, n // 3, replace=False)
    made[near] = made[rng.integers(0, n, len(near))] + 0.15 * rng.normal(size=(len(near), dim))
    made[rng.choice(n, n // 20, replace=False)] = made[0]
    found = made.astype(np.float16)
    found[1], found[2] = 0, np.nan
    return found


def views(vectors: NDArray[np.float16]) -> pa.Table:
    keys = [f"0{n:08x}" for n in range(len(vectors))]
    return pa.table([pa.array(keys), pa.array([v.tobytes() for v in vectors], pa.binary())], schema=VIEWS)


def spread(engine: TableEngine, table: pa.Table, threshold: float) -> tuple[pa.Table, dict[str, Any]]:
    pairs, told = spread_pairs(engine, engine.frame(table), threshold, sample=SAMPLE, few=FEW)
    return engine.collect(pairs).sort_by(BOTH), told()


def at_once(vectors: NDArray[np.float16], threshold: float) -> tuple[pa.Table, dict[str, Any]]:
    found = search.semantic_pairs(vectors, threshold)
    names = views(vectors)["key"]
    pairs = [names.take(pa.array(found.i)), names.take(pa.array(found.j)), pa.array(found.similarity)]
    told = {
        "vectors": len(vectors),
        "left_out": found.left_out,
        "comparisons": found.comparisons,
        "brute_force": found.brute_force,
        "recall": found.recall,
        "recall_of": found.sampled,
    }
    return pa.table(pairs, names=["x", "y", "cosine"]).sort_by(BOTH), told


@pytest.fixture
def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "ALL_WITH_ALL", FEW)
    monkeypatch.setattr(search, "SAMPLE", SAMPLE)


@pytest.mark.parametrize(("n", "seed", "threshold"), [(40, 0, 0.9), (300, 1, 0.9), (2000, 2, 0.85), (2000, 3, 0.97)])
def test_spread_pairs_are_those_of_one_process(
    duck: DuckDBEngine, smaller: None, n: int, seed: int, threshold: float
) -> None:
    vectors = topics(n, seed)
    pairs, told = spread(duck, views(vectors), threshold)
    expected, said = at_once(vectors, threshold)
    assert told == said and pairs == expected and pairs.num_rows > n // 20
    assert said["comparisons"] < said["brute_force"] if n == 2000 else True


def test_no_views_no_pairs(duck: DuckDBEngine, smaller: None) -> None:
    for table in (VIEWS.empty_table(), views(topics(300, 0)[1:3])):
        pairs, told = spread(duck, table, 0.9)
        assert (pairs.num_rows, told["left_out"], told["recall"]) == (0, table.num_rows, None)


def test_spark_finds_them_in_cells(duck: DuckDBEngine, spark: SparkEngine, smaller: None) -> None:
    vectors = topics(1500, 4)
    table = views(vectors).take(pa.array(random.Random(0).sample(range(1500), 1500)))
    assert spread(spark, table, 0.9) == at_once(vectors, 0.9)


def test_edges_and_what_is_told_are_the_same(
    duck: DuckDBEngine, spark: SparkEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(semantic_edges, "FEW", 100)
    rng = np.random.default_rng(5)
    made, texts = topics(400, 5), topics(400, 6)
    ids = [f"{n:08x}" for n in range(400)]
    whole = [{"id": ids[n], "view": 0, "vector": made[n].tobytes()} for n in range(400)]
    inner = [{"id": i, "view": 1, "vector": made[rng.integers(0, 400)].tobytes()} for i in ids[::3]]
    longest = {"caption": 0, "longest": True}
    said = [{"id": ids[n], **longest, "vector": texts[n % 40].tobytes()} for n in range(1, 400, 2)]
    table = pa.Table.from_pylist(whole + inner, EMBEDDINGS)
    captions = pa.Table.from_pylist(said, CAPTION_EMBEDDINGS)
    told = []
    for engine in (duck, spark):
        found = semantic(engine, engine.frame(table), 0.9, (engine.frame(captions), 0.2))
        edges = engine.collect(found.edges).sort_by([("a", "ascending"), ("b", "ascending")])
        told.append((edges, found.facts()))
    assert told[0] == told[1] and told[0][0].num_rows > 3
