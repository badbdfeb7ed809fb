"""CoT records of a release that is continued keep their shards; others go into new ones, with numbers that were never used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.engine_fixtures import Parted

from dataengine.cot.mix import shards
from dataengine.cot.mix.shards import COT_ASSIGNMENT
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.shards.earlier import Earlier, EarlierManifest, _Cot, _CotShard, _Deltas, _File
from dataengine.storage.workspace import Workspace
from dataengine.table_engine import EngineOf, opaque


def records(*rids: str, family: str = "made") -> pa.Table:
    schema = pa.schema([(name, pa.string()) for name in ("rid", "split", "family")])
    return pa.table([[*rids], ["train"] * len(rids), [family] * len(rids)], schema=schema)


def placed(engine: EngineOf[Any], rows: pa.Table, earlier: Earlier | None) -> dict[str, str]:
    frames = opaque(engine)
    table = engine.collect(shards._placed(frames, frames.frame(rows), earlier))  # type: ignore[arg-type]
    return {row["rid"]: row["shard"] for row in table.to_pylist()}


def earlier_of(folder: Path, assignment: list[tuple[str, str, str, str]], names: list[str], after: int) -> Earlier:
    workspace = Workspace(str(folder))
    rows = [dict(zip(COT_ASSIGNMENT.names, row, strict=True)) for row in assignment]
    file = workspace.write_table("cot_assignment.parquet", pa.Table.from_pylist(rows, COT_ASSIGNMENT))
    listed = [_File("cot_assignment.parquet", file.sha256, file.bytes)]
    cot = _Cot([_CotShard(name, "0" * 64) for name in names])
    deltas = _Deltas({}, {"train-made": after})
    manifest = EarlierManifest("1", "old", "1", [], listed, {}, None, deltas=deltas, cot=cot)
    return Earlier(workspace.store, "d", manifest)


@pytest.mark.parametrize("parts", [1, 3])
def test_records_keep_their_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: int) -> None:
    monkeypatch.setattr(shards, "_RECORDS_PER_SHARD", 2)
    with DuckDBEngine() as duck, Parted(parts, 1) as parted:
        first = placed(duck, records("a", "b", "c"), None)
        assert first == {"a": "train-made-00000", "b": "train-made-00000", "c": "train-made-00001"}
        assigned = [(rid, "train", "made", shard) for rid, shard in first.items()]
        earlier = earlier_of(tmp_path, assigned, sorted(set(first.values())), 4)
        rows = pa.concat_tables(
            [records("b", "d", "e", "f"), records("c", family="made_2"), records("g", family="own")]
        )
        wanted = {
            "b": "train-made-00000",
            "d": "train-made-00004",
            "e": "train-made-00004",
            "f": "train-made-00005",
            "c": "train-made_2-00000",
            "g": "train-own-00000",
        }
        assert placed(duck, rows, earlier) == placed(parted, rows, earlier) == wanted
