"""Portable SQL on Spark: the tables may outgrow one machine, at about six seconds to start a local session.

Under ``spark-submit`` the job's own session is joined, else a local one is started. Either way the engine works in
a child session, so that its settings and views do not touch anybody else's, and stops only what it started.
pyspark is imported with the first engine.
"""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.dataset as pads
from pyarrow.fs import LocalFileSystem

from dataengine.engines.tables import Parameter, Relation, canonical
from dataengine.errors import RunError, UsageError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_SQL = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.doubleQuotedIdentifiers": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}
_LOCAL = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "4g",
    "spark.driver.maxResultSize": "0",
    "spark.sql.shuffle.partitions": "8",
}
_QUIET = """rootLogger.level = error
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = spark %p %c{1}: %m%n
"""


class SparkEngine:
    """A Spark session. ``master`` such as ``local[2]`` or ``spark://host:7077`` counts where none runs yet."""

    name = "spark"

    def __init__(self, master: str | None = None) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="dataengine-spark-")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", FutureWarning
                )  # pyspark about the version of pandas, which we don't use
                self._start(master)
        except ImportError as error:
            raise UsageError(
                f"engine spark needs pyspark ({error}): pip install 'dataengine-multimodal[spark]'"
            ) from error

    def _start(self, master: str | None) -> None:
        from py4j.protocol import Py4JError  # type: ignore[import-untyped]
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession

        self._errors = (PySparkException, Py4JError)
        logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)  # our RunError tells it in one piece
        running = SparkSession.getActiveSession()
        self._owned = running is None
        try:
            parent = running or self._builder(SparkSession.builder, master).getOrCreate()
        except PySparkException as error:
            raise UsageError(
                f"Spark did not start: {error}\nIt needs Java 17 or later; or set engine: duckdb"
            ) from error
        if self._owned:
            parent.sparkContext.setLogLevel("ERROR")
        self._parent = parent
        self._session: SparkSession = parent.newSession()
        self._local = str(parent.sparkContext.master).startswith("local")
        for key, value in _SQL.items():
            self._session.conf.set(key, value)

    def _builder(self, builder: Any, master: str | None) -> Any:
        builder = builder.appName("dataengine")
        if master is not None:
            builder = builder.master(master)
        if "PYSPARK_GATEWAY_PORT" in os.environ:  # under spark-submit, which has settled the rest
            return builder
        quiet = Path(self._scratch.name, "log4j2.properties")
        quiet.write_text(_QUIET)
        builder = builder.config("spark.driver.extraJavaOptions", f"-Dlog4j2.configurationFile={quiet}")
        if master is None or master.startswith("local"):
            for key, value in _LOCAL.items():
                builder = builder.config(key, value)
        return builder

    def query(self, sql: str, tables: Mapping[str, Relation], parameters: Sequence[Parameter] = ()) -> pa.Table:
        """Rows of ``sql``, collected to this process as Arrow."""
        try:
            for name, table in tables.items():
                self._frame(table).createOrReplaceTempView(name)
            return canonical(self._session.sql(sql, args=list(parameters)).toArrow())
        except self._errors as error:
            raise RunError(f"Spark could not answer: {error}\n{sql}") from error
        finally:
            for name in tables:
                self._session.catalog.dropTempView(name)

    def _frame(self, table: Relation) -> DataFrame:
        """Local Parquet data sets are read by Spark itself; all else is handed over as Arrow."""
        if isinstance(table, pads.Dataset):
            files = getattr(table, "files", [])
            if files and self._local and _is_local_parquet(table):
                return self._session.read.parquet(*files).select(*table.schema.names)
            table = table.to_table()
        if not table.num_rows:  # pyspark stumbles over columns without any chunk
            table = table.schema.empty_table()
        return self._session.createDataFrame(canonical(table))

    def close(self) -> None:
        if self._owned:
            self._parent.stop()
        self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _is_local_parquet(dataset: Any) -> bool:
    return isinstance(dataset.filesystem, LocalFileSystem) and isinstance(dataset.format, pads.ParquetFileFormat)
