"""What a user is told of a Spark query that failed."""

from __future__ import annotations

from typing import Any

import pytest
from py4j.protocol import Py4JNetworkError  # type: ignore[import-untyped]

from dataengine.engines import spark
from dataengine.engines.spark_frames import cause

CALL = "An error occurred while calling o143.toRdd.\n"
JOB = ": org.apache.spark.SparkException: Job aborted due to stage failure: "


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            f"{CALL}{JOB}Task serialization failed: java.lang.OutOfMemoryError: Java heap space\n\tat java.base/java.nio",
            None,
        ),
        (f"{CALL}: java.lang.OutOfMemoryError: GC overhead limit exceeded", None),
        (f"{CALL}{JOB}Task 3 in stage 1.0 failed\n\tat org", f"{JOB.removeprefix(': ')}Task 3 in stage 1.0 failed"),
        (
            f"{CALL}{JOB}x\nValueError: no\ndataengine.errors.RunError: a bad row",
            "dataengine.errors.RunError: a bad row",
        ),
        (f"{CALL}{JOB}x\n  ValueError: no", "ValueError: no"),
        ("[PARSE_SYNTAX_ERROR] Syntax error at 'x'.\nJVM stacktrace:", "[PARSE_SYNTAX_ERROR] Syntax error at 'x'."),
    ],
)
def test_the_cause_is_named(text: str, told: str | None) -> None:
    if told is None:
        assert "SPARK_DRIVER_MEMORY=8g" in cause(Exception(text)) and "heap of a JVM was full" in cause(Exception(text))
    else:
        assert cause(Exception(text)) == told


class UnansweredError(Exception):
    """An error of Java's whose text the JVM was to tell."""

    def __str__(self) -> str:
        raise Py4JNetworkError("Answer from Java side is empty")


@pytest.mark.parametrize("error", [Py4JNetworkError("Error while receiving"), UnansweredError(), Exception(CALL)])
def test_a_jvm_that_has_ended_is_called_so(error: Exception) -> None:
    assert cause(error).startswith("its JVM has ended, killed or out of memory. Give it more")


class Settings(dict[str, Any]):
    """A builder of sessions."""

    def __getattr__(self, name: str) -> Any:
        return lambda value: self

    def config(self, key: str, value: str) -> Settings:
        self[key] = value
        return self


def test_the_heap_on_this_machine_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = spark.SparkEngine.__new__(spark.SparkEngine)
    engine._scratch = spark.Scratch("spark")
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    monkeypatch.delenv("SPARK_DRIVER_MEMORY", raising=False)
    assert engine._builder(Settings(), "local[2]")["spark.driver.memory"] == "4g"
    monkeypatch.setenv("SPARK_DRIVER_MEMORY", "9g")
    assert engine._builder(Settings(), "local[2]")["spark.driver.memory"] == "9g"
    assert "spark.driver.memory" not in engine._builder(Settings(), "spark://host:7077")
