"""Dedup on DuckDB and on Spark: the same edges, groups and files, whatever the order of rows and the number of parts."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pyarrow as pa
import pytest

from dataengine.dedup import edges as find
from dataengine.dedup.distances import Bounds
from dataengine.dedup.groups import Rules, group
from dataengine.engines import tables
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.graph import COMPONENTS
from dataengine.engines.spark import SparkEngine
from dataengine.storage.workspace import Workspace
from dataengine.table_engine import TableEngine


def name(n: int) -> str:
    return hashlib.sha256(str(n).encode()).hexdigest()[:32]


def pairs(count: int, among: int, seed: int) -> pa.Table:
    rng = random.Random(seed)
    drawn = [sorted(rng.sample([name(n) for n in range(among)], 2)) for _ in range(count)]
    return pa.table({"a": [a for a, _ in drawn], "b": [b for _, b in drawn]})


def labels(engine: TableEngine, edges: pa.Table) -> pa.Table:
    return engine.collect(engine.components(engine.frame(edges))).sort_by("id")


@pytest.mark.parametrize(
    "edges",
    [
        pairs(60, 80, 0),
        pairs(200, 120, 1),
        pa.table({"a": [name(0)] * 50, "b": [name(n) for n in range(1, 51)]}),
        pa.table({"a": sorted(name(n) for n in range(40))[:-1], "b": sorted(name(n) for n in range(40))[1:]}),
    ],
    ids=["sparse", "dense", "star", "path"],
)
def test_star_contraction_finds_the_components(duck: DuckDBEngine, spark: SparkEngine, edges: pa.Table) -> None:
    expected = labels(duck, edges)
    assert labels(spark, edges) == expected  # in one task
    spark.edges_in_one_task, before = 0, spark.edges_in_one_task
    try:
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
