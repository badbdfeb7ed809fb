"""Tables at their worst: all alike, one endless chain, a crowded bucket, nothing at all. Each ends in a clear outcome, the same
on both engines, at a cost that does not grow with the square."""

from __future__ import annotations

import random
import re
import time
from operator import methodcaller
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
from support.engine_fixtures import Parted
from support.made_runs import WORDS, name

from dataengine import contracts
from dataengine.cot.questions.neighbours import near_lists
from dataengine.dedup import edges as find
from dataengine.dedup import text_distributed
from dataengine.dedup.distances import Bounds
from dataengine.dedup.groups import Rules, group
from dataengine.dedup.text import text_pairs
from dataengine.dedup.text_distributed import text_edges
from dataengine.engines import tables
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.spark import SparkEngine
from dataengine.errors import RunError
from dataengine.storage.workspace import Workspace
from dataengine.table_engine import TableEngine

RULES = Rules((find.PERCEPTUAL,), Bounds(6, 0.6), ("bytes",), 1.0)


def pictures(hashes: list[int | None]) -> pa.Table:
    rows = len(hashes)
    raw = np.random.default_rng(0).bytes(16 * rows)
    ids = [raw[16 * n : 16 * n + 16].hex() for n in range(rows)]
    columns = [ids, ["image"] * rows, pa.array(hashes, pa.int64()), [1] * rows]
    return pa.table(columns, names=["id", "kind", "phash", "bytes"])


def grouped(engine: TableEngine, table: pa.Table) -> tuple[int, pa.Table, dict[str, Any]]:
    frame = engine.kept(engine.frame(table))
    edges = engine.kept(find.perceptual(engine, frame, 6).edges)
    count = engine.collect(engine.sql("SELECT CAST(count(*) AS BIGINT) AS n FROM e", {"e": edges}))["n"][0].as_py()
    found = group(engine, frame, edges, RULES)
    return count, engine.collect(found.groups).sort_by("id"), found.facts()


@pytest.mark.slow
@pytest.mark.parametrize(("fixture", "count"), [("duck", 1_000_000), ("spark", 30_000)])
def test_blank_pictures_are_a_star_and_one_group(fixture: str, count: int, request: pytest.FixtureRequest) -> None:
    engine: TableEngine = request.getfixturevalue(fixture)
    table = pictures([7] * count)
    begun = time.monotonic()
    edges, groups, facts = grouped(engine, table)
    assert edges == count - 1 and facts == {"chained": 0, "cut": 0, "group_sizes": {str(count): 1}}
    assert groups["representative"].unique().to_pylist() == [min(table["id"].to_pylist())]
    assert time.monotonic() - begun < 1000, "a million squared would take days"


def test_one_chain_through_all_is_one_component_that_is_cut(duck: DuckDBEngine, spark: SparkEngine) -> None:
    hashes: list[int | None] = [0]
    rng = random.Random(0)
    while len(hashes) < 400:
        hashes.append((hashes[-1] or 0) ^ sum(1 << bit for bit in rng.sample(range(62), 3)))
    table = pictures([*hashes, None, None])
    edges, groups, facts = grouped(duck, table)
    assert facts["cut"] > 25 and groups.num_rows == 402
    spark.edges_in_one_task, before = 0, spark.edges_in_one_task  # by star contraction
    try:
        assert grouped(spark, table) == (edges, groups, facts)
    finally:
        spark.edges_in_one_task = before


@pytest.mark.slow
@pytest.mark.parametrize("fixture", ["duck", "spark"])
def test_a_crowded_bucket_is_capped_and_told(
    fixture: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Captions that all share most words: more would-be pairs than are looked at, and how many is said."""
    engine: TableEngine = request.getfixturevalue(fixture)
    largest = 100
    monkeypatch.setattr(text_distributed, "LARGEST", largest)
    texts = [" ".join(WORDS) + f" {n}" for n in range(2 * largest)]
    expected = text_pairs(pa.chunked_array([texts]), 0.8, largest_bucket=largest)
    assert expected.skipped > 0 and len(expected.i) == expected.candidates
    captions = [[{"text": text, "source": "s", "uri": "u"}] for text in texts]
    ids = np.array(sorted(name("crowd", n) for n in range(len(texts))))
    table = pa.table({"id": ids, "captions": pa.array(captions, pa.list_(contracts.CAPTION))})
    edges, facts = text_edges(engine, engine.frame(table), find.TEXT, 0.8)
    rows = engine.collect(edges).sort_by([("a", "ascending"), ("b", "ascending")])
    assert rows["a"].to_pylist() == ids[expected.i].tolist() and rows["b"].to_pylist() == ids[expected.j].tolist()
    assert np.array_equal(rows["distance"].to_numpy(), 1 - expected.similarity)
    assert facts() == {"left_out": 0, "candidates": expected.candidates, "skipped": expected.skipped}


@pytest.mark.parametrize("fixture", ["duck", "spark"])
def test_no_rows_are_an_empty_table_or_no_file(fixture: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    engine: TableEngine = request.getfixturevalue(fixture)
    workspace = Workspace(str(tmp_path))
    nothing = engine.frame(contracts.ASSIGNMENT.empty_table())
    [file] = engine.write(workspace, "t/x", nothing, contracts.ASSIGNMENT, ("shard", "position"), ids="id")
    assert workspace.read_table([file], contracts.ASSIGNMENT) == contracts.ASSIGNMENT.empty_table() and file.rows == 0
    assert engine.split(workspace, "t/y", nothing, contracts.ASSIGNMENT, "shard", ("position",)) == {}
    assert grouped(engine, pictures([]))[0] == 0


@pytest.mark.parametrize("fixture", ["duck", "spark"])
def test_files_by_value_are_those_of_the_other_engine(
    fixture: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine: TableEngine = request.getfixturevalue(fixture)
    rows = [{"id": name("v", n), "split": "s", "shard": f"s-image-{n % 7:05d}", "position": n // 7} for n in range(100)]
    table = pa.Table.from_pylist(rows, contracts.ASSIGNMENT)
    schema = pa.schema([contracts.ASSIGNMENT.field("id")])
    given = engine.frame(table.take(np.random.default_rng(1).permutation(100)))
    here = Workspace(str(tmp_path))
    files = engine.split(here, "p/q", given, schema, "shard", ("position",))
    assert sorted(files) == sorted({r["shard"] for r in rows})
    for shard, file in files.items():
        assert file.key == f"p/q/{shard}.parquet"
        assert here.read_table([file], schema)["id"].to_pylist() == [r["id"] for r in rows if r["shard"] == shard]
    with Parted(3, 0) as other:
        again = other.split(
            Workspace(str(tmp_path / "other")), "p/q", other.frame(table), schema, "shard", ("position",)
        )
    assert again == files
    monkeypatch.setattr(tables, "ROWS_A_FILE", 10)
    many = engine.write(here, "a", given, contracts.ASSIGNMENT, ("shard", "position"), ids="id")
    read = here.read_table(many, contracts.ASSIGNMENT)
    assert len(many) == 16 and read.num_rows == 100
    first = here.read_table(many[:1], contracts.ASSIGNMENT)
    assert first == first.sort_by([("shard", "ascending"), ("position", "ascending")])
    assert {i[0] for i in first["id"].to_pylist()} == {"0"}


@pytest.mark.parametrize("fixture", ["duck", "spark"])
def test_a_key_stays_whole_after_a_join_by_it(
    fixture: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spark plans a join of large tables, by partitions of the key; the rows of a key are brought together once more all the
    same, since adaptive execution may make the join a broadcast."""
    engine: TableEngine = request.getfixturevalue(fixture)
    if isinstance(engine, SparkEngine):
        engine._session.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
        request.addfinalizer(lambda: engine._session.conf.unset("spark.sql.autoBroadcastJoinThreshold"))
    pairs = pa.table({"id": [f"{n % 40}" for n in range(400)], "near": [f"{n}" for n in range(400)]})
    keys = pa.table({"id": [f"{n}" for n in range(40)]})
    frames = {"l": engine.frame(pairs), "r": engine.frame(keys)}
    unknown = {
        n: engine.local(f, (), methodcaller("slice", 0), t.schema)
        for (n, f), t in zip(frames.items(), (pairs, keys), strict=True)
    }
    joined = engine.sql('SELECT l."id", l."near" FROM l INNER JOIN r ON l."id" = r."id"', unknown)
    listed = contracts.columns(id=pa.string(), near=pa.list_(pa.string()))
    frame = engine.local(joined, ("id",), near_lists, listed)
    rows = engine.collect(frame).to_pylist()
    assert sorted(row["id"] for row in rows) == sorted(keys["id"].to_pylist())
    assert {len(row["near"]) for row in rows} == {10}
    if isinstance(engine, SparkEngine):
        capsys.readouterr()
        cast(Any, frame).explain()
        plan = capsys.readouterr().out
        assert "SortMergeJoin" in plan
        assert re.search(r"MapInArrow[^\n]*\n[^\n]*Exchange ", plan), plan


@pytest.mark.parametrize("fixture", ["duck", "spark"])
def test_two_rows_of_one_key_are_refused(fixture: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    engine: TableEngine = request.getfixturevalue(fixture)
    twice = pa.table({"a": ["x", "x", "y"], "b": [1, 1, 1]})
    schema = contracts.columns(a=pa.string(), b=pa.int64())
    with pytest.raises(RunError, match=r"duplicate key \{a x, b 1\} in t/x.parquet: a and b must be unique"):
        engine.write(Workspace(str(tmp_path)), "t/x", engine.frame(twice), schema, ("a", "b"))
