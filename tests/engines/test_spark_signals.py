"""A call to Spark's JVM that SIGTERM ends is no traceback on standard error. Without a JVM."""

from __future__ import annotations

import logging

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
        assert len(caplog.records) == number
        caplog.clear()
        root.addFilter(is_not_of_py4j)
    root.warning("of others")
    root.removeFilter(is_not_of_py4j)
    assert caplog.messages == ["of others"]
