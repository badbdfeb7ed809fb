"""What SparkEngine.kept promises: rows made once, without the plan that made them, and made again where they are lost."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame
from support.dedup_tables import unique
from support.engine_fixtures import marked

from dataengine.engines import spark_plans
from dataengine.engines.spark import SparkEngine
from dataengine.engines.tables import canonical


@pytest.fixture(autouse=True, params=["internals", "public means"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """All that is promised holds by Spark's private conversion and, where it is gone, by public means."""

    def gone(frame: DataFrame) -> DataFrame:
        raise AttributeError("internalCreateDataFrame")

    if request.param == "public means":
        monkeypatch.setattr(spark_plans, "_by_internals", gone)
    return str(request.param)


NUMBERS = pa.table({"n": pa.array(range(1000), pa.int64())})


@pytest.mark.parametrize(
    "table",
    [
        unique({"id": "a", "frame_hashes": [1, -1], "phash": 2**63}, {"id": "b", "fps": 29.97, "captions": []}),
        unique().slice(0, 0),
        pa.table({"v": pa.array([b"\0\xff", None]), "s": pa.array(["", None]), "b": pa.array([None, True])}),
        pa.table({"deep": pa.array([[{"text": "é", "n": None}], None, []])}),
    ],
    ids=["unique", "empty", "nulls", "nested"],
)
def test_the_rows_are_the_same_in_type_and_value(spark: SparkEngine, table: pa.Table) -> None:
    column = table.column_names[0]
    ordered = f'SELECT * FROM k ORDER BY "{column}"' if table.num_rows and column != "deep" else "SELECT * FROM k"
    kept = spark.collect(spark.sql(ordered, {"k": spark.kept(spark.frame(table))}))
    assert kept == spark.collect(spark.sql(ordered, {"k": spark.frame(table)}))
    assert kept.schema == canonical(table).schema and kept.num_rows == table.num_rows
    spark.forget()


def test_rows_are_made_once_however_often_they_are_read(spark: SparkEngine, tmp_path: Path) -> None:
    made = spark.local(spark.frame(NUMBERS.slice(0, 10)), (), partial(marked, tmp_path), NUMBERS.schema)
    kept = spark.kept(made)
    first = spark.collect(spark.sql("SELECT * FROM k ORDER BY n", {"k": kept}))
    calls = len(list(tmp_path.iterdir()))
    assert calls and spark.collect(spark.sql("SELECT * FROM k ORDER BY n", {"k": kept})) == first
    assert len(list(tmp_path.iterdir())) == calls
    spark.forget()


def test_the_plan_does_not_grow_with_what_is_kept_of_what_is_kept(spark: SparkEngine, way: str) -> None:
    frame = spark.frame(NUMBERS)
    sizes = []
    for _ in range(3):
        twice = "SELECT a.n FROM k a JOIN (SELECT n, count(*) AS c FROM k GROUP BY n) b ON a.n = b.n"
        frame = spark.kept(spark.sql(twice, {"k": frame}))
        with redirect_stdout(io.StringIO()) as plan:
            frame.explain(mode="extended")
        sizes.append(len(plan.getvalue()))
    assert ("_unpack" in plan.getvalue()) == (way == "public means")
    assert sizes[2] < 1.1 * sizes[1], "each plan would have the one before twice"
    assert spark.collect(spark.sql("SELECT CAST(count(*) AS BIGINT) AS c FROM k", {"k": frame}))["c"].to_pylist() == [
        1000
    ]
    spark.forget()
