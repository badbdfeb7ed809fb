"""What all tests share: real servers on free loopback ports, the demo corpus, engines; and which tests are slow."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import boto3
import hypothesis
import pytest
from botocore.config import Config
from support.engine_fixtures import duck, spark
from support.once import once
from support.scheduling import schedule
from support.servers import free_port, serve
from support.small_release import copy, small, watch_folder, workspace

from dataengine.demo.corpus import build
from dataengine.engines.ray import RayEngine
from dataengine.engines.spark import SparkEngine

__all__ = ["copy", "duck", "moto", "nanio", "s3", "s3_conditional", "small", "spark", "watch_folder", "workspace"]

# Workers of Ray and decode children import `support` by its name.
os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])

# Processes side by side have a core each: of more threads, those of a matrix product wait in turn for one core.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# No JVM here lives long enough for the optimising compiler.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")

# Ray takes a worker that starts slowly for one that hangs, and a node that answers slowly for one that is lost.
os.environ.setdefault("RAY_worker_register_timeout_seconds", "600")
os.environ.setdefault("RAY_health_check_failure_threshold", "20")

# These machines are noisy: no test has a time limit of its own, nor have the examples that are drawn for it.
hypothesis.settings.register_profile(
    "machine",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    # The suite draws the same examples each time; `make fuzz` looks for others.
    derandomize="FUZZ_EXAMPLES" not in os.environ,
)
hypothesis.settings.load_profile("machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    schedule(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test that is not marked slow fails where it starts Ray or Spark."""

    def refuse(*_: object) -> None:
        pytest.fail("this test starts Ray or Spark: mark it slow")

    with pytest.MonkeyPatch.context() as patch:
        if item.get_closest_marker("slow") is None:
            patch.setattr(RayEngine, "_start", refuse)
            patch.setattr(SparkEngine, "_start", refuse)
        return (yield)


@pytest.fixture(scope="session")
def demo_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole demo corpus; not to be changed."""
    return once(tmp_path_factory, "demo-corpus", build)


KEY, SECRET = "test-access-key", "test-secret-key"


@pytest.fixture(scope="session")
def nanio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An S3 server that checks credentials and keeps data on disk."""
    port = free_port()
    data = tmp_path_factory.mktemp("nanio")
    command = [str(Path(sys.executable).with_name("nanio")), "serve", "--data-dir", str(data), "--host", "127.0.0.1"]
    yield from serve([*command, "--port", str(port)], port, {"NANIO_ACCESS_KEY": KEY, "NANIO_SECRET_KEY": SECRET})


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """An S3 server that enforces conditional writes."""
    port = free_port()
    yield from serve([str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)], port)


def _bucket(endpoint: str, name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    values = {"ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": SECRET, "ENDPOINT_URL": endpoint, "REGION": "us-east-1"}
    for variable, value in values.items():
        monkeypatch.setenv(f"AWS_{variable}", value)
    config = Config(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    boto3.client("s3", endpoint_url=endpoint, config=config).create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture
def s3(nanio: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A fresh bucket on the server with credentials and persistence."""
    return _bucket(nanio, f"b{abs(hash(request.node.nodeid)) % 10**12}", monkeypatch)


@pytest.fixture
def s3_conditional(moto: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A fresh bucket on the server that enforces If-None-Match."""
    return _bucket(moto, f"b{abs(hash(request.node.nodeid)) % 10**12}", monkeypatch)
