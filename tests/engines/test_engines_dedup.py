"""Dedup on DuckDB and on Spark: the same edges, groups and files, whatever the order of rows and the number of parts."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest

from dataengine.dedup import edges as find
from dataengine.dedup.distances import Bounds
from dataengine.dedup.groups import Rules, group
from dataengine.engines import graph, tables
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.graph import COMPONENTS
from dataengine.engines.spark import SparkEngine
from dataengine.storage.workspace import Workspace
from dataengine.table_engine import TableEngine


def name(n: int) -> str:
    return hashlib.sha256(str(n).encode()).hexdigest()[:32]


def pairs(count: int, first: int, last: int, seed: int) -> list[list[str]]:
    rng = random.Random(seed)
    return [sorted(rng.sample([name(n) for n in range(first, last)], 2)) for _ in range(count)]


def labels(engine: TableEngine, edges: pa.Table) -> pa.Table:
    return engine.collect(engine.components(engine.frame(edges))).sort_by("id")


def test_star_contraction_finds_the_components(
    duck: DuckDBEngine, spark: SparkEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one graph that has a sparse, a dense, a star-shaped and a long part; also where hashes of ids are equal."""
    ends = [(name(0), name(n)) for n in range(1, 51)]
    path = sorted(name(n) for n in range(100, 140))
    ends += [*pairwise(path), *pairs(60, 200, 280, 0), *pairs(200, 300, 420, 1)]
    edges = pa.table({"a": [a for a, _ in ends], "b": [b for _, b in ends]})
    expected = labels(duck, edges)
    sizes = Counter(expected["component"].to_pylist())
    assert sizes[min(name(n) for n in range(51))] == 51 and sizes[path[0]] == 40 and 5 < len(sizes) < 60
    assert labels(spark, edges) == expected  # in one task
    spark.edges_in_one_task, before = 0, spark.edges_in_one_task
    try:
        assert labels(spark, edges) == expected
        node = graph._node
        monkeypatch.setattr(
            graph, "_node", lambda column, again: node(column, again).replace(f"xxhash64({column})", f"ascii({column})")
        )
        assert labels(spark, edges) == expected
    finally:
        spark.edges_in_one_task = before


def test_perceptual_edges_and_groups_are_the_same(duck: DuckDBEngine, spark: SparkEngine) -> None:
    rng = random.Random(3)
    base = [rng.getrandbits(63) for _ in range(60)]
    hashes = [h ^ (1 << rng.randrange(60)) ^ (1 << rng.randrange(60)) for h in base for _ in range(5)] + base + [7] * 20
    rows = [(name(n), h) for n, h in enumerate(hashes)]
    kind, width = ["image"] * len(rows), [100 + n % 7 for n in range(len(rows))]
    table = pa.table(
        {"id": [i for i, _ in rows], "phash": [h for _, h in rows], "kind": kind, "width": width, "height": width}
    )
    rules = Rules((find.PERCEPTUAL,), Bounds(6, 0.6), ("resolution",), 1.0)
    told = []
    for engine, order in ((duck, list(range(len(rows)))), (spark, rng.sample(range(len(rows)), len(rows)))):
        frame = engine.frame(table.take(pa.array(order)))
        edges = engine.kept(find.perceptual(engine, frame, 6).edges)
        grouped = group(engine, frame, edges, rules)
        found = engine.collect(edges).sort_by([("a", "ascending"), ("b", "ascending")])
        told.append((found, engine.collect(grouped.groups).sort_by("id"), grouped.facts()))
    assert told[0] == told[1] and told[0][2]["group_sizes"] and told[0][0].num_rows > 200


def test_files_are_the_same_however_many(
    duck: DuckDBEngine, spark: SparkEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "ROWS_A_FILE", 50)
    table = pa.table({"id": [name(n) for n in range(300)], "component": [name(n // 2) for n in range(300)]})
    here, there = Workspace(str(tmp_path / "duck")), Workspace(str(tmp_path / "spark"))
    files = duck.write(here, "t/x", duck.frame(table), COMPONENTS, ("id",))
    assert spark.write(there, "t/x", spark.frame(table), COMPONENTS, ("id",)) == files and len(files) == 16
    assert here.read_table(files, COMPONENTS) == table.sort_by("id").cast(COMPONENTS)
    assert spark.collect(spark.scan(there, files, COMPONENTS)).num_rows == 300


def test_clips_of_one_video_stay_apart_on_both(duck: DuckDBEngine, spark: SparkEngine) -> None:
    rng = random.Random(7)
    rows = [(name(n), rng.choice([0, 1, 3, 7, 15, 31]), rng.choice([None, "A", "B", "C"])) for n in range(60)]
    columns = {"id": [i for i, _, _ in rows], "phash": [h for _, h, _ in rows], "parent": [p for _, _, p in rows]}
    width = [100 + n % 3 for n in range(len(rows))]
    table = pa.table({**columns, "kind": ["image"] * len(rows), "width": width, "height": width})
    rules = Rules((find.PERCEPTUAL,), Bounds(1, 0.6), ("resolution",), 2.0, apart=True)
    made = []
    for engine in (duck, spark):
        frame = engine.frame(table)
        grouped = group(engine, frame, engine.kept(find.perceptual(engine, frame, 1).edges), rules)
        made.append((engine.collect(grouped.groups).sort_by("id"), grouped.facts()))
    assert made[0] == made[1] and made[0][1]["siblings"]
    parents = dict(zip(columns["id"], columns["parent"], strict=True))
    for row in made[0][0].to_pylist():
        related = parents[row["id"]] is not None and parents[row["id"]] == parents[row["representative"]]
        assert row["id"] == row["representative"] or not related
