"""The benchmarks of codes and alignment, with tiny sizes."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from dataengine.testing import write_corpus

ROOT = Path(__file__).parents[2]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs a benchmark with options; its report."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))

    def start(name: str, *options: str) -> Any:
        monkeypatch.setattr(sys, "argv", [name, *options, "--out", str(tmp_path)])
        importlib.import_module(name).main()
        return json.loads((tmp_path / f"{name}.json").read_text())

    return start


def test_semantic_codes(started: Any) -> None:
    sizes = {"vectors": 300, "dim": 8, "levels": 2, "size": 8, "iterations": 2, "threads": 1, "encode": 64, "rounds": 1}
    report = started(
        "semantic_codes", *[text for name, n in sizes.items() for text in (f"--{name}", str(n))], "--faiss"
    )
    fit, encoding = report["tables"]
    assert [row[0] for row in fit["rows"]] == ["1", "2", "1, faiss.Kmeans"]
    left = [float(row[3].rstrip("%")) for row in fit["rows"][:2]]
    assert 0 < left[1] < left[0] < 100 and {row[0] for row in encoding["rows"]} == {"encode", "bare"}


@pytest.mark.slow
def test_alignment(started: Any, tmp_path: Path) -> None:
    write_corpus(tmp_path / "in", images=14)
    options = ("--folder", str(tmp_path / "in"), "--distractors", "0", "--seeds", "2", "--epochs", "1", "--crops", "4")
    many, few = started("alignment", *options)["tables"]
    for table, pairs, held_out in ((many, 6, 2), (few, 1, 1)):
        assert [row[0] for row in table["rows"]] == ["0", "1"] and "Margin: mean" in table["note"]
        for row in table["rows"]:
            assert int(row[1]) / pairs + int(row[2]) / held_out == 14
