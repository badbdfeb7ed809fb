"""The benchmark of the index with a tiny one."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_it_measures_time_memory_and_recall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    texts = tmp_path / "texts"
    texts.write_text("\n".join(f"{animal} in the {place}" for animal in ("cat", "dog", "owl") for place in range(30)))
    index = importlib.import_module("index")
    monkeypatch.setattr(index, "embedded", _made_up)
    sizes = "--vectors 600 --real 80 --queries 5 --dim 32 --leaf-size 16 --beams 1 64 --nprobe 4 --ef 32"
    monkeypatch.setattr(sys, "argv", ["index", "--texts", str(texts), "--out", str(tmp_path), *sizes.split()])
    index.main()
    built, peers, searched = json.loads((tmp_path / "index.json").read_text())["tables"]
    assert built["rows"][0][1] == 64 and built["rows"][0][4] > 0
    assert [row[0] for row in peers["rows"]] == ["faiss ivf", "faiss hnsw"]
    recall = {row[0]: row[1] for row in searched["rows"]}
    assert recall["brute force"] > 0.95 and recall["tree, beam 64"] == recall["brute force"] > recall["tree, beam 1"]


def _made_up(lines: list[str], dim: int) -> object:
    import numpy as np

    rows = np.random.default_rng(0).normal(size=(len(lines), dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
