"""What the end of a run says: figures by source, the commonest failure with its message, and what has changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import dataengine
from dataengine.cli import console
from dataengine.testing import InProcess, write_corpus, write_recipe


def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    rows = {"type": "table", "name": "rows", "path": str(folder / "t" / "t.jsonl")}
    files = {"type": "folder", "name": "files", "path": str(folder / "in")}
    recipe = dataengine.load(write_recipe(folder, sources=[rows | {"buckets": 1}, files | {"buckets": 1}]))
    reports = dataengine.run(recipe, record_engine=InProcess()).stages
    console.summary(recipe, reports, dry_run=False)
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_it_tells_sources_failures_and_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_corpus(tmp_path / "in", images=3)
    (tmp_path / "t").mkdir()
    names = [path.name for path in write_corpus(tmp_path / "t", images=5, captions=False)[3:]]
    lines = [{"path": name, "descr": "lost"} for name in [*names, "none.jpg", "gone.jpg"]] + [{"path": None}]
    (tmp_path / "t" / "t.jsonl").write_text("\n".join(map(json.dumps, lines)))
    text = run(tmp_path, capsys)
    assert "source inputs with captions failed kept" in text
    assert "rows 5 0 3 2 files 3 3 0 3" in text
    assert "source `rows`: no caption was found in 2 readable inputs" in text
    assert "source `rows`: 2 missing, the commonest failure, for example t.jsonl#gone.jpg: no such file" in text
    assert "this is the first release of this name" in text and "`files`" not in text
    assert "nothing has changed since the last run" in run(tmp_path, capsys)
    (tmp_path / "in" / "image-000.jpg").unlink()
    write_corpus(tmp_path / "new", images=7)
    (tmp_path / "new" / "image-006.jpg").rename(tmp_path / "in" / "image-006.jpg")
    assert "since the last run: 1 samples new, 1 gone (now 1 absent), 4 as before" in run(tmp_path, capsys)
