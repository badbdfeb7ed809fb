"""The benchmark behind the dry run's estimate, with a few pictures."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_it_measures_every_stage_and_what_was_estimated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    benchmark = importlib.import_module("estimate")
    sizes = ["--images", "8", "--fewer", "4", "--scorers", "technical", "--tokenizer", "product"]
    monkeypatch.setattr(sys, "argv", ["estimate", *sizes, "--out", str(tmp_path)])
    benchmark.main()
    stages, compared = json.loads((tmp_path / "estimate.json").read_text())["tables"]
    assert {"ingest", "tokenize.encode", "shard.write", "release"} <= {row[0] for row in stages["rows"]}
    assert [row[0] for row in compared["rows"]] == ["CPU s", "workspace, MB", "release, MB"]
    assert all(value > 0 for row in compared["rows"] for value in row[1:])
