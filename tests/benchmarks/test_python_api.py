"""The benchmark of the Python interface with few rows and pictures."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_it_measures_every_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    bench = importlib.import_module("python_api")
    monkeypatch.setattr(bench, "WAYS", {name: bench.WAYS[name] for name in ("nothing", "run.sql(outcomes by source)")})
    arguments = ["python_api", "--rows", "400", "--images", "4", "--rounds", "1", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)
    bench.main()
    of_tables, of_lookups = json.loads((tmp_path / "python_api.json").read_text())["tables"]
    assert [row[0] for row in of_tables["rows"]] == ["nothing", "run.sql(outcomes by source)"]
    requests = {row[0]: row[1] for row in of_lookups["rows"]}
    assert requests["open"] == 1 and requests["its codes"] == 2 and requests["its media, checked"] == 2
    assert requests["the place of the first sample"] <= 4
