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
    monkeypatch.setattr(sys, "argv", ["browse", "--rows", "400", "--rounds", "1", "--out", str(tmp_path)])
    browse.main()
    [table] = json.loads((tmp_path / "browse.json").read_text())["tables"]
    names = [row[0] for row in table["rows"]]
    of_commands = [name for name in names if not name.startswith("page: ")]
    assert of_commands == ["table of all inputs", "filter --try", "explain", "stats --sql"] and len(names) == 12
    assert all(row[1] > 0 for row in table["rows"])
