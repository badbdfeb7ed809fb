"""Ingest through the pipeline, on real pictures."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
import sklearn

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.ingest.retry import forget_failed
from dataengine.ingest.stage import Ingest
from dataengine.pipeline import execute, open_run
from dataengine.progress import StageReport
from dataengine.storage.workspace import Workspace
from dataengine.testing import InProcess

PICTURES = Path(sklearn.__file__).parent / "datasets" / "images"


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("china.jpg", "flower.jpg"):
        (photos / name).write_bytes((PICTURES / name).read_bytes())
    (photos / "copy.jpg").write_bytes((PICTURES / "china.jpg").read_bytes())
    (photos / "half.jpg").write_bytes((PICTURES / "china.jpg").read_bytes()[:50_000])
    rows = '{"path": "photos/flower.jpg", "caption": "a flower"}\n{"path": "later.jpg", "caption": "not yet there"}\n'
    (tmp_path / "t.jsonl").write_text(rows)
    return Recipe.model_validate(
        {
            "name": "r",
            "workspace": str(tmp_path / "ws"),
            "workers": 2,
            "sources": [
                {"type": "folder", "name": "f", "path": str(photos), "buckets": 2},
                {"type": "table", "name": "t", "path": str(tmp_path / "t.jsonl"), "buckets": 1},
            ],
            "filter": {"policy": "p"},
            "release": {"title": "t", "license": "cc0-1.0", "description": "d"},
        }
    )


def ingest(recipe: Recipe) -> tuple[StageReport, pa.Table, pa.Table]:
    [report] = execute(recipe, plan=[Ingest()], engine=InProcess())
    run = open_run(recipe)
    stage = Ingest()
    record = run.workspace.record(stage.record_path(run, stage.key(run)))
    assert record is not None
    run.records["ingest"] = record
    samples = run.table("ingest", "samples", contracts.SAMPLES)
    return report, samples, run.table("ingest", "failures", contracts.FAILURES)


def test_inputs_are_named_by_content_and_packed_as_they_are(recipe: Recipe) -> None:
    report, samples, failures = ingest(recipe)
    assert report.counts == {"inputs": 6, "samples": 4, "failed": 2}
    by_uri = {row["uri"]: row for row in samples.to_pylist()}
    assert by_uri["copy.jpg"]["id"] == by_uri["china.jpg"]["id"] != by_uri["flower.jpg"]["id"]
    assert by_uri["t.jsonl#photos/flower.jpg"]["id"] == by_uri["flower.jpg"]["id"]
    assert by_uri["t.jsonl#photos/flower.jpg"]["captions"] == ["a flower"]
    store = Workspace(recipe.workspace).store
    for uri, row in by_uri.items():
        data = (PICTURES / ("china.jpg" if row["id"] == by_uri["china.jpg"]["id"] else "flower.jpg")).read_bytes()
        assert store.get_range(row["media"], row["offset"], row["bytes"]) == data, uri
    assert dict(zip(failures["uri"].to_pylist(), failures["failure"].to_pylist(), strict=True)) == {
        "half.jpg": "truncated",
        "t.jsonl#later.jpg": "missing",
    }


def test_what_was_missing_is_tried_again_when_asked(recipe: Recipe, tmp_path: Path) -> None:
    ingest(recipe)
    (tmp_path / "later.jpg").write_bytes((PICTURES / "flower.jpg").read_bytes())
    assert ingest(recipe)[0].state == "up to date", "the table has not changed"
    assert forget_failed(open_run(recipe)) == 1
    report, _, failures = ingest(recipe)
    assert (report.made, failures["uri"].to_pylist()) == (1, ["half.jpg"])
    assert forget_failed(open_run(recipe)) == 0
