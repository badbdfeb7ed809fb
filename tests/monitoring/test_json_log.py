"""The log as JSON lines: run, stage and part on each, and no credentials."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from support.watched import watched

from dataengine.errors import UsageError
from dataengine.monitoring.json_log import json_log


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_is_told_by_lines_with_run_stage_and_part(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with json_log(str(path)) as log:
        watched(tmp_path / "ws", log)
    content = lines(path)
    messages = [line["message"] for line in content]
    assert messages[:2] == ["run started", "stage started"] and messages[-1] == "run finished"
    assert len({line["run"] for line in content}) == 1 and {line["recipe"] for line in content} == {"letters"}
    parts = {line["part"]: line for line in content if line["message"] == "part made"}
    assert set(parts) == {"part-a", "part-b", "part-x"} and {line["stage"] for line in parts.values()} == {"ingest"}
    assert parts["part-x"]["failures"] == {"timeout": 1} and parts["part-a"]["counts"]["samples"] == 1
    done = [line for line in content if line["message"] == "stage done"]
    assert [(line["stage"], line["made"]) for line in done] == [("ingest", 3), ("release", 1)]


def test_errors_and_settings_hold_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_TOKEN", "open sesame")
    path = tmp_path / "run.jsonl"
    with json_log(str(path)) as log, pytest.raises(OSError):
        watched(tmp_path / "ws", log, broken=True)
    with json_log(str(path)):
        logging.getLogger("dataengine.any").warning("told %s", "open sesame", extra={"part": "p\x1b"})
        logging.getLogger("dataengine.any").info({"authorization": "Bearer abcdefghij"})
    text = path.read_text()
    assert not any(secret in text for secret in ("hunter2", "sk-abcdefgh", "open sesame", "abcdefghij", "\x1b"))
    failed = next(line for line in lines(path) if line["message"] == "run failed")
    assert (failed["level"], failed["error"], failed["stage"]) == ("error", "OSError", "release")
    assert "was lost" in failed["reason"]


def test_nothing_is_logged_after_the_run_and_the_logger_is_as_before(tmp_path: Path) -> None:
    logger = logging.getLogger("dataengine")
    before = (logger.level, list(logger.handlers))
    with json_log(str(tmp_path / "a.jsonl")):
        pass
    logger.warning("later")
    assert (tmp_path / "a.jsonl").read_text() == "" and (logger.level, list(logger.handlers)) == before


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no/run\.jsonl cannot be written"), json_log(str(tmp_path / "no/run.jsonl")):
        pass


def test_a_disk_that_is_full_stops_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with json_log("/dev/full") as log:
        watched(tmp_path, log)
    assert capsys.readouterr().err == "the log file cannot be written: No space left on device\n"
