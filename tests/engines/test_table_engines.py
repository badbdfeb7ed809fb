"""The portable subset gives the same rows and types on DuckDB and on Spark, from tables and from data sets."""

from __future__ import annotations

import math
import subprocess
import sys
from operator import methodcaller
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest

from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.spark import SparkEngine
from dataengine.engines.tables import canonical
from dataengine.errors import RunError
from dataengine.table_engine import Parameter, Relation, TableEngine

TABLE = pa.table(
    {
        "id": ["b", "a", "é", "\U0001f600", "\uffee", None],
        "x": [1.5, math.nan, math.inf, None, -0.0, 1e-300],
        "f": pa.array([0.7, 1, 2, 3, None, 5], pa.float32()),
        "offset": pa.array([1, 2, 3, 2**62, None, 6], pa.int64()),
        "i": pa.array([1, 2, 3, 4, None, -(2**31)], pa.int32()),
        "match": [True, None, False, True, True, False],
        "list": pa.array([[1], [], None, [1, None], [2], [3]], pa.list_(pa.int64())),
        "captions": pa.array(
            [[{"text": "t"}], [], None, [None], [{"text": None}], []], pa.list_(pa.struct({"text": pa.string()}))
        ),
    }
)
QUERIES: list[tuple[str, tuple[Parameter, ...]]] = [
    ('SELECT * FROM t ORDER BY "id"', ()),
    ('SELECT "id", "i" FROM t ORDER BY "i" DESC', ()),
    ('SELECT "id", "x" FROM t WHERE "x" >= ? ORDER BY "id"', (0.3,)),
    ('SELECT "id" FROM t WHERE CAST("f" AS DOUBLE) >= ? ORDER BY "id"', (0.7,)),
    ('SELECT "id" FROM t WHERE "id" IN (?, ?) ORDER BY "id"', ("é", "a'\\")),
    ('SELECT "id", CASE WHEN "match" = ? THEN "offset" ELSE 0 END AS o FROM t ORDER BY "id"', (True,)),
    (
        'SELECT "match", CAST(count(*) AS BIGINT) AS n, CAST(sum("i") AS BIGINT) AS s, max("offset") AS m FROM t '
        'GROUP BY "match" ORDER BY "match"',
        (),
    ),
    (
        'SELECT a."id", b."i", CAST(row_number() OVER (ORDER BY a."id") AS BIGINT) AS n FROM t AS a '
        'LEFT JOIN t AS b ON a."offset" = b."i" ORDER BY a."id"',
        (),
    ),
    ('SELECT "id" FROM t WHERE "id" IS NOT NULL UNION ALL SELECT "id" FROM t WHERE "i" > ? ORDER BY "id"', (2,)),
]


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> pads.Dataset:
    folder = tmp_path_factory.mktemp("dataset")
    for n in range(3):
        pq.write_table(TABLE.slice(2 * n, 2), folder / f"{n}.parquet")
    return pads.dataset(folder, format="parquet")


@pytest.mark.parametrize(("sql", "parameters"), QUERIES)
def test_same_rows(
    duck: DuckDBEngine, spark: SparkEngine, parquet: pads.Dataset, sql: str, parameters: tuple[Parameter, ...]
) -> None:
    expected = duck.query(sql, {"t": TABLE}, parameters)
    assert expected.num_rows > 0
    for engine in (duck, spark):
        for relation in (TABLE, parquet, pads.dataset(TABLE)):
            found = engine.query(sql, {"t": relation}, parameters)
            assert found.schema == expected.schema
            assert repr(found.to_pylist()) == repr(expected.to_pylist())


def test_nan_is_greater_than_every_number_on_both(duck: DuckDBEngine, spark: SparkEngine) -> None:
    for engine in (duck, spark):
        found = engine.query('SELECT "id" FROM t WHERE "x" > ? ORDER BY "id"', {"t": TABLE}, (1.7e308,))
        assert found["id"].to_pylist() == ["a", "é"]


@pytest.mark.parametrize("name", ["duck", "spark"])
@pytest.mark.parametrize("relation", [TABLE.slice(0, 0), pads.dataset(TABLE.slice(0, 0))], ids=["table", "dataset"])
def test_empty_tables(name: str, relation: Relation, request: pytest.FixtureRequest) -> None:
    engine: TableEngine = request.getfixturevalue(name)
    found = engine.query('SELECT "id", "captions" FROM t ORDER BY "id"', {"t": relation})
    assert (found.num_rows, found.schema) == (0, canonical(TABLE.select(["id", "captions"])).schema)


@pytest.mark.parametrize("name", ["duck", "spark"])
def test_tables_are_gone_after_the_query_and_errors_name_the_sql(name: str, request: pytest.FixtureRequest) -> None:
    engine: TableEngine = request.getfixturevalue(name)
    assert engine.query('SELECT "i" FROM gone WHERE "i" = 3', {"gone": TABLE}).num_rows == 1
    with pytest.raises(RunError, match='SELECT "i" FROM gone'):
        engine.query('SELECT "i" FROM gone', {})


def test_duckdb_sees_no_variables_of_the_program(duck: DuckDBEngine) -> None:
    secret = TABLE
    with pytest.raises(RunError, match="secret"):
        duck.query("SELECT * FROM secret", {"t": secret})


def test_a_second_spark_engine_joins_the_session_and_leaves_it_running(spark: SparkEngine) -> None:
    with SparkEngine("local[2]") as second:
        assert second.query("SELECT 1 AS one", {}).to_pylist() == [{"one": 1}]
    assert spark.query('SELECT "i" FROM t WHERE "i" = 3', {"t": TABLE}).num_rows == 1


def test_canonical_types() -> None:
    table = pa.table(
        {
            "u": pa.array([255], pa.uint8()),
            "d": pa.array(["x"]).dictionary_encode(),
            "l": pa.array([["y"]], pa.large_list(pa.large_string())),
            "v": pa.array(["z"], pa.string_view()),
        }
    )
    found = canonical(table)
    assert found.schema.types == [pa.int16(), pa.string(), pa.list_(pa.string()), pa.string()]
    assert found.to_pylist() == table.to_pylist()


@pytest.mark.parametrize(
    "modules",
    [
        "dataengine.engines.duckdb, dataengine.engines.spark, dataengine.policy.decide, dataengine.dedup.edges",
        "dataengine.catalog, dataengine.pipeline, dataengine.cli.main",
    ],
)
def test_nothing_heavy_is_imported_before_an_engine_starts(modules: str) -> None:
    code = (
        f"import sys, {modules}\n"
        "heavy = {'duckdb', '_duckdb', 'pyspark', 'py4j', 'numba', 'scipy', 'pandas', 'ray', 'torch'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "[]"


def test_spark_names_what_a_function_raised(spark: SparkEngine) -> None:
    broken = spark.local(spark.frame(TABLE.select(["id"])), (), methodcaller("column", "nothing"), TABLE.schema)
    with pytest.raises(RunError, match=r"^Spark failed on a query: KeyError: .*nothing"):
        spark.collect(broken)


def test_what_spark_kept_is_let_go(spark: SparkEngine) -> None:
    frame = spark.kept(spark.frame(TABLE.select(["id", "i"])))
    assert len(spark.collect(frame)) == 6 and frame.storageLevel.useMemory
    spark.forget()
    assert not frame.storageLevel.useMemory
    assert len(spark.collect(frame)) == 6
