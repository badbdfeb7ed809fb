"""A call to Spark's JVM that SIGTERM ends is no traceback on standard error; a start that is interrupted leaves no JVM."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from py4j.java_gateway import GatewayClient  # type: ignore[import-untyped]

from dataengine.engines.spark_frames import is_not_of_py4j


class Interrupted:
    """A connection whose call a signal has ended."""

    socket = None

    def send_command(self, command: str) -> str:
        raise KeyboardInterrupt

    def close(self, reset: bool = False) -> None: ...


def test_py4j_logs_no_traceback_of_a_call_that_was_ended(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = GatewayClient()
    monkeypatch.setattr(client, "_get_connection", Interrupted)
    root = logging.getLogger()
    monkeypatch.setattr(root, "filters", [])  # a session of Spark in this process has added it
    for number in (1, 0):
        with pytest.raises(KeyboardInterrupt):
            client.send_command("c\n")
        assert sum("py4j" in record.pathname for record in caplog.records) == number
        caplog.clear()
        root.addFilter(is_not_of_py4j)
    root.warning("of others")
    root.removeFilter(is_not_of_py4j)
    assert "of others" in caplog.messages


def test_a_start_that_is_interrupted_leaves_no_jvm_and_the_next_one_works() -> None:
    """In a process of its own, as the suite's has its session already."""
    script = """
from pyspark import SparkContext
from dataengine.engines.spark import SparkEngine

def interrupted(context, level):
    started.append(SparkContext._gateway.proc)
    raise KeyboardInterrupt

started, SparkContext.setLogLevel, own = [], interrupted, SparkContext.setLogLevel
try:
    SparkEngine("local[1]")
except KeyboardInterrupt:
    print([process.poll() is not None for process in started])
SparkContext.setLogLevel = own
with SparkEngine("local[1]") as engine:
    print(engine.query("SELECT 1 AS one", {}).to_pylist())
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.stdout == "[True]\n[{'one': 1}]\n", ended.stderr
