"""What Spark publishes is made and published once, and a kept frame stays kept."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from support.engine_fixtures import CountedStore, marked
from support.made_runs import name

from dataengine import contracts
from dataengine.engines import tables
from dataengine.engines.spark import SparkEngine
from dataengine.storage.workspace import Workspace
from dataengine.table_engine import PART, Packing, Source

SCHEMA = contracts.columns(id=pa.string(), n=pa.int64())
ROWS = pa.table({"id": [name("row", n) for n in range(60)], "n": list(range(60))})
BY_PART = ROWS.append_column(PART, pa.array([f"p{n % 5}" for n in range(60)]))


@pytest.fixture
def store(tmp_path: Path) -> CountedStore:
    return CountedStore(tmp_path / "ws")


@pytest.fixture
def workspace(store: CountedStore) -> Workspace:
    workspace = Workspace(store.url)
    workspace.store = store
    return workspace


def rows_made(spark: SparkEngine, seen: Path, rows: pa.Table = ROWS) -> pa.Table:
    """A frame of ``rows`` whose every making leaves files in ``seen``."""
    seen.mkdir(exist_ok=True)
    return spark.local(spark.frame(rows), (), partial(marked, seen), rows.schema)  # type: ignore[return-value]


def calls(seen: Path) -> int:
    return len(list(seen.iterdir()))


def test_the_files_of_a_table(
    spark: SparkEngine, workspace: Workspace, store: CountedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "ROWS_A_FILE", 10)
    frame = rows_made(spark, tmp_path / "seen")
    files = spark.write(workspace, "t/x", frame, SCHEMA, ("id",))
    once = calls(tmp_path / "seen")
    assert len(files) > 4 and [f.key for f in files] == sorted(f.key for f in files)
    assert store.puts() == Counter(f.key for f in files)
    spark.collect(frame)
    assert calls(tmp_path / "seen") == 2 * once, "it was kept for as long as files were written"


def test_a_kept_frame_stays_kept(spark: SparkEngine, workspace: Workspace, tmp_path: Path) -> None:
    kept = spark.kept(rows_made(spark, tmp_path / "seen"))
    [file] = spark.write(workspace, "t/x", kept, SCHEMA, ("id",))
    once = calls(tmp_path / "seen")
    assert spark.collect(kept).num_rows == file.rows == 60 and calls(tmp_path / "seen") == once
    spark.forget()


def test_a_file_for_each_value(spark: SparkEngine, workspace: Workspace, store: CountedStore, tmp_path: Path) -> None:
    files = spark.split(workspace, "out", rows_made(spark, tmp_path / "seen", BY_PART), SCHEMA, PART, ("id",))
    assert list(files) == [f"p{n}" for n in range(5)]
    assert store.puts() == Counter(f.key for f in files.values())


def test_rows_by_part(spark: SparkEngine, workspace: Workspace, store: CountedStore) -> None:
    file = Workspace(workspace.store.url).write_table("in/x.parquet", BY_PART)
    source = Source("s", [file], BY_PART.schema, partial(pa.Table.slice, offset=0), BY_PART.schema)
    packs = spark.parts(workspace, {"s": source}, "SELECT * FROM s", (), Packing("out", ("id",), ("id",)))
    assert packs["part"].to_pylist() == [f"p{n}" for n in range(5)]
    puts = store.puts()
    assert puts and set(puts.values()) == {1}
