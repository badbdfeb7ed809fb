"""mypy finds code that takes a stage's frame for the table of one engine, or one engine's frame for another's."""

from __future__ import annotations

from pathlib import Path

import pytest
from mypy import api

SNIPPET = """
import pyarrow as pa
from pyspark.sql import DataFrame
from dataengine.stage import Run
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.spark import SparkEngine
from dataengine.table_engine import EngineOf, Frame, TableEngine, opaque

def allowed(run: Run, frame: Frame, duck: DuckDBEngine, spark: SparkEngine) -> tuple[pa.Table, TableEngine, TableEngine]:
    rows = run.engine.collect(run.engine.sql("SELECT id FROM f", {"f": frame}))
    of_arrow: EngineOf[pa.Table] = duck
    of_spark: EngineOf[DataFrame] = spark
    return rows.select(["id"]), opaque(of_arrow), opaque(of_spark)

def refused(run: Run, frame: Frame, table: pa.Table, duck: DuckDBEngine, spark: SparkEngine) -> None:
    frame.num_rows
    frame["id"]
    run.frame("dedup", "unique", pa.schema([])).filter(True)
    run.engine.collect(table)
    duck.collect(frame)
    spark.sql("SELECT id FROM f", {"f": table})
    of_spark: EngineOf[DataFrame] = duck
"""


@pytest.mark.slow
def test_mypy_refuses_a_frame_where_an_engine_s_own_table_belongs(tmp_path: Path) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(SNIPPET)
    out, error, _ = api.run(["--strict", "--follow-imports=silent", "--no-pretty", "--no-color", str(snippet)])
    assert not error
    first = SNIPPET.splitlines().index("    frame.num_rows") + 1
    refused = [int(line.split(":")[1]) for line in out.splitlines() if ": error:" in line]
    assert sorted(set(refused)) == list(range(first, first + 7)), out
