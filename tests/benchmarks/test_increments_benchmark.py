"""The benchmark of increments with two tiny days."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_day_reads_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    increments = importlib.import_module("increments")
    monkeypatch.setattr(sys, "argv", ["increments", "--images", "10", "--days", "2", "--out", str(tmp_path)])
    increments.main()
    work, digests = json.loads((tmp_path / "increments.json").read_text())["tables"]
    assert [row[1] for row in work["rows"]] == [8, 10, 0, 18], "files decoded at ingest"
    assert [row[2] for row in work["rows"]] == ["4 of 4", "4 of 8", "0 of 8", "8 of 8"]
    *tables, shards = (row[1:] for row in digests["rows"])
    assert all(len(set(row)) == 1 for row in tables) and shards[0] == shards[1] != shards[2]
