"""The benchmark of browsing with few rows."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest


def test_it_measures_every_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    browse = importlib.import_module("browse")
    options = ["--rows", "400", "--rounds", "1", "--searched", "3", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["browse", *options])
    shapes = {"pictures": (200, 20_000, 800_000), "videos": (20, 1e6, 2e6)}
    monkeypatch.setattr(importlib.import_module("browse_shard"), "KINDS", shapes)
    browse.main()
    table, questions, searches = json.loads((tmp_path / "browse.json").read_text())["tables"]
    names = [row[0] for row in table["rows"]]
    of_commands = [name for name in names if not name.startswith("page: ")]
    assert of_commands == ["table of all inputs", "filter --try", "explain", "stats --sql"] and len(names) == 12
    assert all(row[1] > 0 for row in table["rows"])
    assert [row[0] for row in searches["rows"]] == list(shapes) and all(
        row[5] < row[2] * 500 for row in searches["rows"]
    )
    assert len(questions["rows"]) == 5 and all(row[1] > 0 for row in questions["rows"])
