"""One Spark session for all tests that need one; imported by the conftest of each folder."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest

from dataengine.engines import spark as spark_engine
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.spark import SparkEngine
from dataengine.engines.tables import canonical
from dataengine.storage.store import Store
from dataengine.table_engine import Function, Parameter


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkEngine]:
    """Three partitions after each shuffle, which are not made fewer for being small, as those of large tables are not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(spark_engine._LOCAL, "spark.sql.shuffle.partitions", "3")
        engine = SparkEngine("local[2]")
    with engine:
        engine._session.conf.set("spark.sql.adaptive.coalescePartitions.enabled", "false")
        yield engine


@contextmanager
def partitions(spark: SparkEngine, number: int) -> Iterator[None]:
    """So many after each shuffle, for a while."""
    name, conf = "spark.sql.shuffle.partitions", spark._session.conf
    before = conf.get(name)
    conf.set(name, str(number))
    try:
        yield
    finally:
        conf.set(name, str(before))


@pytest.fixture(scope="session")
def duck() -> Iterator[DuckDBEngine]:
    with DuckDBEngine() as engine:
        yield engine


class Parted(DuckDBEngine):
    """Parts rows as a cluster does, without one: in another order, functions of rows see a batch, functions of keys one of
    ``parts`` partitions, and nothing sees all. What stages do on Spark is tried by the hundred with it."""

    spread = True

    def __init__(self, parts: int, seed: int) -> None:
        super().__init__(threads=1)
        self._parts, self._random = parts, np.random.default_rng(seed)

    def sql(self, sql: str, frames: Mapping[str, pa.Table], parameters: Sequence[Parameter] = ()) -> pa.Table:
        found = super().sql(sql, frames, parameters)
        return found if "ORDER BY" in sql else found.take(self._random.permutation(found.num_rows))

    def local(self, frame: pa.Table, keys: Sequence[str], function: Function, schema: pa.Schema) -> pa.Table:
        if not frame.num_rows:  # Spark may call a function with nothing, or not at all
            return canonical(schema.empty_table())
        part = self._random.integers(0, self._parts, frame.num_rows)
        if keys:
            salt = str(self._random.integers(1 << 30))
            part = np.array([zlib.crc32(repr((salt, row)).encode()) % self._parts for row in _tuples(frame, keys)])
        parts = [frame.filter(pa.array(part == number)) for number in range(self._parts)]
        return pa.concat_tables([super(Parted, self).local(p, keys, function, schema) for p in parts if p.num_rows])


def _tuples(frame: pa.Table, keys: Sequence[str]) -> Iterator[tuple[object, ...]]:
    return zip(*(frame[key].to_pylist() for key in keys), strict=True)


def marked(folder: Path, table: pa.Table) -> pa.Table:
    """A function of rows that leaves a file for each call that has any."""
    if table.num_rows:
        (folder / uuid4().hex).touch()
    return table


class CountedStore(Store):
    """Notes each object that is put, also by workers of an engine."""

    @property
    def _notes(self) -> Path:
        return Path(self.url).with_name("puts")

    def put(self, key: str, data: bytes | Path, sha256: str = "") -> str:
        self._notes.mkdir(exist_ok=True)
        (self._notes / uuid4().hex).write_text(key)
        return super().put(key, data, sha256)

    def puts(self) -> Counter[str]:
        """How often each object was put."""
        return Counter(note.read_text() for note in self._notes.iterdir())
