"""One Spark session for all tests that need one; imported by the conftest of each folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.spark import SparkEngine


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkEngine]:
    with SparkEngine("local[2]") as engine:
        yield engine


@pytest.fixture(scope="session")
def duck() -> Iterator[DuckDBEngine]:
    with DuckDBEngine() as engine:
        yield engine
