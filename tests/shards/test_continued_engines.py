"""Assigning samples on the shards of an earlier release: engines agree, and no place is empty or used twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine_fixtures import Parted

from dataengine import contracts
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.spark import SparkEngine
from dataengine.shards.assign import assign
from dataengine.shards.assign_distributed import Rules
from dataengine.shards.continued import assigned_on
from dataengine.shards.earlier import Earlier, EarlierManifest, _File, next_shards
from dataengine.shards.manifest import Shard
from dataengine.storage.workspace import Workspace
from dataengine.table_engine import opaque

IDS = st.lists(st.integers(0, 2**128 - 1), unique=True, max_size=30)
RULES = Rules(3000, 1, {"test": 0.3, "train": 0.7})


def _rows(ids: list[int]) -> pa.Table:
    kinds = ["video" if n % 5 == 0 else "image" for n in ids]
    schema = pa.schema({"id": pa.string(), "kind": pa.string(), "size": pa.int64(), "parent": pa.string()})
    parents = [f"{n % 3:032x}" if n % 10 == 5 else None for n in ids]
    return pa.table([[f"{n:032x}" for n in ids], kinds, [n % 1999 + 1 for n in ids], parents], schema=schema)


def _continue(engine: Any, workspace: Workspace, earlier: pa.Table, rows: pa.Table, base: str) -> tuple[pa.Table, Any]:
    file = workspace.write_table("assignment.parquet", earlier, contracts.ASSIGNMENT)
    counts = earlier.group_by("shard").aggregate([("id", "count")]).to_pylist()
    shards = [Shard(r["shard"], *r["shard"].split("-")[:2], "0" * 64, 1, r["id_count"]) for r in counts]
    listed = [_File("assignment.parquet", file.sha256, file.bytes)]
    manifest = EarlierManifest("1", "old", "1", shards, listed, {"exif": "keep"}, None)
    made = assigned_on(engine, workspace, base, engine.frame(rows), RULES, Earlier(workspace.store, "d", manifest))
    order = [("shard", "ascending"), ("position", "ascending")]
    return engine.collect(made.placed).sort_by(order).cast(contracts.ASSIGNMENT), (made.facts, made.files)


@settings(deadline=None, max_examples=10)
@given(IDS, IDS, st.integers(0, 30), st.integers(1, 3))
def test_engines_agree_and_places_have_no_gaps(
    tmp_path_factory: pytest.TempPathFactory, old: list[int], new: list[int], lost: int, parts: int
) -> None:
    before = assign(
        _rows(old).rename_columns(["id", "kind", "bytes", "parent"]), target_bytes=3000, seed=1, splits=RULES.splits
    )
    kept = _rows([*old[lost:], *(n for n in new if n not in old)])
    workspace = Workspace(str(tmp_path_factory.mktemp("workspace")))
    with DuckDBEngine() as duck, Parted(parts, lost) as parted:
        one = _continue(opaque(duck), workspace, before, kept, "a")
        placed, (facts, files) = _continue(opaque(parted), workspace, before, kept, "a")
    assert (placed, (facts, files)) == one
    assert sorted(placed["id"].to_pylist()) == sorted(kept["id"].to_pylist())
    shard = {row["id"]: row["shard"] for row in placed.to_pylist()}
    assert all(shard[row["id"]] == row["shard"] for row in before.to_pylist() if row["id"] in shard)
    fresh = {shard[f"{n:032x}"] for n in new if n not in old}
    assert not fresh & set(before["shard"].to_pylist())
    for name in set(shard.values()):
        assert [r["position"] for r in placed.to_pylist() if r["shard"] == name] == list(
            range([*shard.values()].count(name))
        )


@pytest.mark.slow
def test_spark(tmp_path: Path, spark: SparkEngine, duck: DuckDBEngine) -> None:
    old, new = range(1, 10**38, 3 * 10**36), range(7, 10**38, 9 * 10**36)
    before = assign(
        _rows([*old]).rename_columns(["id", "kind", "bytes", "parent"]), target_bytes=3000, seed=1, splits=RULES.splits
    )
    kept = _rows([*old[::2], *new])
    one, two = (
        _continue(opaque(engine), Workspace(str(tmp_path / engine.name)), before, kept, "a") for engine in (duck, spark)
    )
    assert one == two and len(one[1][1]) > 5


def test_numbers_go_on() -> None:
    assert next_shards({"train-image": 7}, ["train-image-00002", "train-video-00000"]) == {
        "train-image": 7,
        "train-video": 1,
    }
