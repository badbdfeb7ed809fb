"""DataFrames from Arrow schemas and functions, placed by key, and the cause of a Spark error."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow.fs import LocalFileSystem

from dataengine.engines.tables import canonical_schema
from dataengine.engines.versions import same_version
from dataengine.storage.engine_version import engine_version

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

#: For a JVM that is to end.
_JVM_SECONDS = 20.0
#: How Python ends a traceback.
_RAISED = re.compile(r"[A-Za-z_]\w*(Error|Exception): ")
#: How py4j begins an error of Java's.
_CALLING = "An error occurred while calling"
_OUT_OF_MEMORY = "java.lang.OutOfMemoryError"
_MORE_HEAP = (
    "Give it more and run again: SPARK_DRIVER_MEMORY=8g in the environment for Spark on this machine (4g if it is not set), "
    "--conf spark.executor.memory=8g or --driver-memory 8g of spark-submit on a cluster"
)


def is_local_parquet(dataset: Any) -> bool:
    from pyarrow.dataset import ParquetFileFormat

    return isinstance(dataset.filesystem, LocalFileSystem) and isinstance(dataset.format, ParquetFileFormat)


def spark_schema(schema: pa.Schema) -> StructType:
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(canonical_schema(schema))


def by_keys(frame: DataFrame, keys: Sequence[str]) -> DataFrame:
    """Rows of a key in one partition. By a hash of the keys: where a join has partitioned by the keys themselves, Spark drops a
    ``repartition`` by them under ``mapInArrow``, and adaptive execution may then make the join a broadcast that parts them."""
    from pyspark.sql import functions as sf

    return frame.repartition(sf.xxhash64(*keys))


def mapped(frame: DataFrame, function: Any, schema: pa.Schema) -> DataFrame:
    """Batches of a frame through ``function``, on executors of this version of the engine."""
    function = partial(same_version, engine_version(), function)
    with without_warnings():
        return frame.mapInArrow(function, spark_schema(schema))


@contextmanager
def without_warnings() -> Iterator[None]:
    """Without those of pyspark about the version of pandas, which is not used here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def is_not_of_py4j(record: logging.LogRecord) -> bool:
    """A filter of the root logger, by which py4j logs the traceback of a call that SIGTERM or a lost JVM has ended."""
    return record.module != "java_gateway"


def silence_accumulators() -> None:
    """Without the traceback that pyspark's server of accumulators prints, in a thread of its own, when a JVM that ends drops
    its connection. No accumulator is used here, and the call that the JVM was in fails by itself."""
    from pyspark import accumulators

    for server in (accumulators.AccumulatorTCPServer, accumulators.AccumulatorUnixServer):
        server.handle_error = lambda *_: None  # type: ignore[method-assign]


@contextmanager
def no_jvm_left() -> Iterator[None]:
    """Where a start is interrupted, by SIGTERM too, the JVM that it has launched ends with it: it would write to its folder after
    that was deleted."""
    from py4j.protocol import Py4JError  # type: ignore[import-untyped]
    from pyspark import SparkContext

    fresh = SparkContext._gateway is None
    try:
        yield
    except KeyboardInterrupt:
        process = getattr(SparkContext._gateway, "proc", None)
        if fresh and process:
            with suppress(Py4JError, OSError):
                if SparkContext._active_spark_context:
                    SparkContext._active_spark_context.stop()
            process.stdin.close()  # with which it ends
            with suppress(TimeoutExpired):
                process.wait(_JVM_SECONDS)
            # The next start, in a notebook, launches another.
            SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None
        raise


def cause(error: BaseException) -> str:
    """The one line of a Spark error that names the cause: a worker's exception, ours before others. Of a heap that was full, and
    of a JVM that is no more, also what to do about it."""
    text = _text(error)
    if _OUT_OF_MEMORY in text:
        return f"the heap of a JVM was full ({_OUT_OF_MEMORY}). {_MORE_HEAP}"
    shown = [line for line in text.split("\n") if line.strip() and not line.startswith(("\t", "JVM", _CALLING))]
    lines = [line.strip().removeprefix(": ") for line in shown]
    if not lines:
        return f"its JVM has ended, killed or out of memory. {_MORE_HEAP}"
    ours = [line for line in lines if line.startswith("dataengine.errors")]
    raised = [line for line in lines if _RAISED.match(line)]
    return (ours or raised or lines)[0]


def _text(error: BaseException) -> str:
    """The text of a Spark error; empty where the JVM that has it does not answer."""
    from py4j.protocol import Py4JNetworkError

    try:
        return "" if isinstance(error, Py4JNetworkError) else str(error)
    except Py4JNetworkError:
        return ""
