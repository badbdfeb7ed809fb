"""The table engine on Spark: tables may outgrow one machine; a local session takes about six seconds to start.

Rows are read, worked on and written by the executors, through the same Store as everything else (so no Hadoop connector is
needed for S3); the driver sees counts and the names of files. Executors need Python and this package.

Under ``spark-submit`` the job's own session is joined, else a local one is started. Either way the engine works in
a child session, so that its settings and views do not touch anybody else's, and stops only what it started.
pyspark is imported with the first engine.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from dataengine.engines import tasks
from dataengine.engines.graph import COMPONENTS, connected, contract
from dataengine.engines.spark_frames import (
    by_keys,
    cause,
    is_local_parquet,
    is_not_of_py4j,
    mapped,
    no_jvm_left,
    silence_accumulators,
    spark_schema,
    without_warnings,
)
from dataengine.engines.spark_plans import without_plan
from dataengine.engines.tables import canonical, prefix_digits, publish
from dataengine.errors import RunError, UsageError
from dataengine.storage.row_packs import PARTS
from dataengine.storage.scratch import Scratch
from dataengine.storage.workspace import File, Workspace
from dataengine.table_engine import PART, Function, Packing, Parameter, Relation, Source

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: Graphs of so many edges fit one task, which is faster than rounds of shuffles.
_EDGES_IN_ONE_TASK = 2_000_000
_SQL = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.doubleQuotedIdentifiers": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # Without it a persisted frame has a task for each of spark.sql.shuffle.partitions, 200 of them for two rows.
    "spark.sql.optimizer.canChangeCachedPlanOutputPartitioning": "true",
    # Ids do not compress, and trying it took a sixth of the JVM's time.
    "spark.sql.inMemoryColumnarStorage.compressed": "false",
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
    """A Spark session, joined where one runs; else started on ``master``, such as ``local[2]`` or ``spark://host:7077``."""

    name = "spark"
    spread = True

    def __init__(self, master: str | None = None, edges_in_one_task: int = _EDGES_IN_ONE_TASK) -> None:
        self.edges_in_one_task = edges_in_one_task
        self._kept: list[DataFrame] = []
        self._scratch = Scratch("spark")
        try:
            with without_warnings(), no_jvm_left():
                self._start(master)
        except ImportError as error:
            raise UsageError(f"engine spark: pyspark cannot be imported ({error}): install dataengine again") from error

    def _start(self, master: str | None) -> None:
        from py4j.protocol import Py4JError  # type: ignore[import-untyped]
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession

        self._errors = (PySparkException, Py4JError)
        for logger in ("SQLQueryContextLogger", "py4j"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)  # RunError has it all
        logging.getLogger().addFilter(is_not_of_py4j)
        silence_accumulators()
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # for local workers; a cluster's image sets its own
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
        if "PYSPARK_GATEWAY_PORT" in os.environ:  # under spark-submit, whose settings hold
            return builder
        quiet = Path(self._scratch.name, "log4j2.properties")
        quiet.write_text(_QUIET)
        builder = builder.config("spark.driver.extraJavaOptions", f"-Dlog4j2.configurationFile={quiet}")
        if master is None or master.startswith("local"):
            own = {"spark.local.dir": str(self._scratch.folder("blocks"))}
            if memory := os.environ.get("SPARK_DRIVER_MEMORY"):
                own["spark.driver.memory"] = memory
            for key, value in (_LOCAL | own).items():
                builder = builder.config(key, value)
        return builder

    def query(self, sql: str, tables: Mapping[str, Relation], parameters: Sequence[Parameter] = ()) -> pa.Table:
        """Rows of ``sql``, collected to this process as Arrow."""
        return self.collect(self.sql(sql, {name: self._frame(table) for name, table in tables.items()}, parameters))

    def frame(self, table: pa.Table) -> DataFrame:
        return self._frame(table)

    def scan(self, workspace: Workspace, files: Sequence[File], schema: pa.Schema) -> DataFrame:
        """A task a file."""
        rows = [(f.key, f.sha256, f.bytes, f.rows) for f in files if f.rows]
        if not rows:
            return self._frame(schema.empty_table())
        context = self._session.sparkContext
        listed = self._session.createDataFrame(context.parallelize(rows, len(rows)), spark_schema(tasks.FILES))
        return mapped(listed, partial(tasks.read, workspace, schema), schema)

    def sql(self, sql: str, frames: Mapping[str, DataFrame], parameters: Sequence[Parameter] = ()) -> DataFrame:
        """Views are dropped by SQL: ``catalog.dropTempView`` would also unpersist the frame that a view was made of."""
        try:
            for name, frame in frames.items():
                frame.createOrReplaceTempView(name)
            return self._session.sql(sql, args=list(parameters))
        except self._errors as error:
            raise RunError(f"Spark failed on a query: {error}\n{sql}") from error
        finally:
            for name in frames:
                self._session.sql(f'DROP VIEW IF EXISTS "{name}"')

    def local(self, frame: DataFrame, keys: Sequence[str], function: Function, schema: pa.Schema) -> DataFrame:
        """Rows of a key are in one partition, and a partition is one call; without keys a batch is."""
        partitioned = by_keys(frame, keys) if keys else frame
        return mapped(partitioned, partial(tasks.apply, function, schema, bool(keys)), schema)

    def whole(self, frame: DataFrame, function: Function, schema: pa.Schema) -> DataFrame:
        return mapped(frame.repartition(1), partial(tasks.apply, function, schema, True), schema)

    def kept(self, frame: DataFrame) -> DataFrame:
        """Persisted rows without the query plan that made them; what is lost with an executor is made again."""
        try:
            with without_warnings():
                cut = without_plan(frame).persist()
        except self._errors as error:
            raise RunError(f"Spark failed on a query: {cause(error)}") from error
        self._kept.append(cut)
        return cut

    def forget(self) -> None:
        while self._kept:
            self._kept.pop().unpersist()

    def components(self, edges: DataFrame) -> DataFrame:
        edges = self.kept(edges.select("a", "b"))
        if self._counted(edges) <= self.edges_in_one_task:
            return self.whole(edges, connected, COMPONENTS)
        durable = self._session.sparkContext.getCheckpointDir() is not None
        return contract(self, edges, lambda frame: frame.checkpoint() if durable else self.kept(frame))

    def collect(self, frame: DataFrame) -> pa.Table:
        try:
            return canonical(frame.toArrow())
        except self._errors as error:
            raise RunError(f"Spark failed on a query: {cause(error)}") from error

    def write(
        self,
        workspace: Workspace,
        base: str,
        frame: DataFrame,
        schema: pa.Schema,
        order: Sequence[str],
        ids: str | None = None,
    ) -> list[File]:
        """A task a file; only their names and digests come back. A frame that is kept stays so."""
        from pyspark.sql import functions as sf

        kept = frame.is_cached
        rows = self._counted(frame if kept else frame.persist())
        digits = prefix_digits(rows)
        if not rows:
            return [publish(workspace, base, "", schema.empty_table(), schema, order)]
        column = ids or order[0]
        partitioned = frame.repartition(sf.substring(column, 1, digits)) if digits else frame.repartition(1)
        work = partial(tasks.publish, workspace, base, column, digits, schema, tuple(order))
        files = self._published(mapped(partitioned, work, tasks.FILES))
        if not kept:
            frame.unpersist()
        return files

    def split(
        self, workspace: Workspace, base: str, frame: DataFrame, schema: pa.Schema, by: str, order: Sequence[str]
    ) -> dict[str, File]:
        """A task holds the rows of one value at a time."""
        partitioned = by_keys(frame, [by]).sortWithinPartitions(by, *order)
        work = partial(tasks.publish_each, workspace, base, by, schema, tuple(order))
        files = self._published(mapped(partitioned, work, tasks.FILES))
        return {file.key.removeprefix(f"{base}/").removesuffix(".parquet"): file for file in files}

    def parts(
        self,
        workspace: Workspace,
        sources: Mapping[str, Source],
        sql: str,
        parameters: Sequence[Parameter],
        packing: Packing,
    ) -> pa.Table:
        """A task packs the parts that a hash gives it."""
        frames = self._prepared(workspace, sources)
        rows = by_keys(self.sql(sql, frames, parameters), [PART]).sortWithinPartitions(PART, *packing.order)
        return self.collect(mapped(rows, partial(tasks.pack, workspace, packing), PARTS)).sort_by(PART).cast(PARTS)

    def select(
        self, workspace: Workspace, sources: Mapping[str, Source], sql: str, parameters: Sequence[Parameter] = ()
    ) -> pa.Table:
        return self.collect(self.sql(sql, self._prepared(workspace, sources), parameters))

    def _prepared(self, workspace: Workspace, sources: Mapping[str, Source]) -> dict[str, DataFrame]:
        return {
            name: self.local(self.scan(workspace, source.files, source.columns), (), source.prepare, source.schema)
            for name, source in sources.items()
        }

    def _published(self, written: DataFrame) -> list[File]:
        """Files by key. They are sorted here: Spark would draw a sample of the keys first, and publish all of them once more
        for it."""
        return [File(**row) for row in self.collect(written).sort_by("key").to_pylist()]

    def _counted(self, frame: DataFrame) -> int:
        try:
            return int(frame.count())
        except self._errors as error:
            raise RunError(f"Spark failed on a query: {cause(error)}") from error

    def _frame(self, table: Relation) -> DataFrame:
        """Local Parquet data sets are read by Spark itself; all else is handed over as Arrow."""
        if not isinstance(table, pa.Table):
            files = getattr(table, "files", [])
            if files and self._local and is_local_parquet(table):
                return self._session.read.parquet(*files).select(*table.schema.names)
            table = table.to_table()
        if not table.num_rows:  # pyspark stumbles over columns without any chunk
            table = table.schema.empty_table()
        return self._session.createDataFrame(canonical(table))

    def close(self) -> None:
        if self._owned:
            with suppress(*self._errors, OSError):  # of a JVM that was killed with the run
                self._parent.sparkContext.setLogLevel("OFF")  # tasks that are stopped say so
                self._parent.stop()
        self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
