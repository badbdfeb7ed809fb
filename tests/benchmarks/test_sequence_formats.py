"""The benchmark of formats and summaries runs at tiny sizes, and all its ways read the same."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_every_table_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    options = ("--sequences", "2", "--length", "90", "--masks", "300", "--dense-up-to", "300", "--rounds", "1")
    monkeypatch.setattr(sys, "argv", ["sequence_formats", *options, "--out", str(tmp_path)])
    importlib.import_module("sequence_formats").main()
    tables = json.loads((tmp_path / "sequence_formats.json").read_text())["tables"]
    assert [len(table["rows"]) for table in tables] == [7, 7, 1, 1]
    assert [row[0] for row in tables[0]["rows"]][:2] == ["bare loop over the tar", "ours, tar"]
    assert tables[0]["rows"][0][3] == 1.0 and all(row[1] > 0 for row in tables[1]["rows"])
