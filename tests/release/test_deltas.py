"""Why samples went from a release that is continued: the ledger's first outcome of each, the same from both engines."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from dataengine.contracts import ASSIGNMENT, LEDGER
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.spark import SparkEngine
from dataengine.release import deltas
from dataengine.release.difference import NOW
from dataengine.shards.continued import REMOVED
from dataengine.table_engine import EngineOf, opaque

_NONE = dict.fromkeys(LEDGER.names)
_LEDGER = [
    {"id": "a", "outcome": "kept"},
    {"id": "dropped", "outcome": "filtered", "rule": "blur"},
    {"id": "dropped", "outcome": "duplicate", "kind": "exact"},
    {"id": "copy", "outcome": "duplicate", "kind": "perceptual"},
    {"id": "lost", "outcome": "failed"},
]
WANTED = [
    {"id": "a", "change": "added", "shard": "train-image-00003", "outcome": "kept", "why": None},
    {"id": "copy", "change": "removed", "shard": "old", "outcome": "duplicate", "why": "perceptual"},
    {"id": "dropped", "change": "removed", "shard": "old", "outcome": "filtered", "why": "blur"},
    {"id": "gone", "change": "removed", "shard": "old", "outcome": "absent", "why": None},
    {"id": "lost", "change": "removed", "shard": "old", "outcome": "failed", "why": None},
]


def rows(own: EngineOf[Any]) -> list[dict[str, Any]]:
    engine = opaque(own)
    ledger = [{**_NONE, **row, "input_id": str(n), "source": "s", "uri": str(n)} for n, row in enumerate(_LEDGER)]
    added = [{"id": "a", "split": "train", "shard": "train-image-00003", "position": 0}]
    removed = [{"id": id_, "shard": "old"} for id_ in ("dropped", "copy", "lost", "gone")]
    gone = engine.frame(pa.Table.from_pylist(removed, REMOVED))
    now = engine.sql(NOW, {"l": engine.frame(pa.Table.from_pylist(ledger, LEDGER)), "gone": gone})
    frames = {"a": engine.frame(pa.Table.from_pylist(added, ASSIGNMENT)), "gone": gone, "n": now}
    made = engine.sql(deltas._DELTAS, frames)
    counted = engine.collect(engine.sql(deltas._COUNTS, {"d": made})).to_pylist()
    assert sum(row["n"] for row in counted) == len(counted) == len(WANTED)
    return engine.collect(made).sort_by("id").to_pylist()  # type: ignore[no-any-return]


def test_each_sample_has_its_reason(duck: DuckDBEngine) -> None:
    assert rows(duck) == WANTED


def test_a_number_of_a_cot_shard_is_not_used_again() -> None:
    """Not that of one that went when records were chosen anew for the same samples, either."""
    assigned, mixed = {"next_cot_shards": {"train-a": 1, "val-a": 5}}, {"next_cot_shards": {"train-a": 3, "train-b": 1}}
    assert deltas.next_cot_shards(assigned, mixed, ["train-a-00000", "train-b-00001"]) == {
        "train-a": 3,
        "train-b": 2,
        "val-a": 5,
    }
    assert deltas.next_cot_shards({"next_cot_shards": {}}, {}, ["train-a-00000"]) == {"train-a": 1}


@pytest.mark.slow
def test_spark_agrees(spark: SparkEngine) -> None:
    assert rows(spark) == WANTED
