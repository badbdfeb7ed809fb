"""croissant.json: mlcroissant takes it without a complaint, and loads records by it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import mlcroissant
import pyarrow.parquet as pq
import pytest
from etils import epath
from mlcroissant._src.operation_graph.operations import extract
from PIL import Image

from dataengine.release.croissant import CONFORMS


@pytest.fixture(autouse=True)
def extracted_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mlcroissant keeps what it has extracted by the tar's name within the release: the variable CROISSANT_CACHE, read once."""
    monkeypatch.setattr(extract, "EXTRACT_PATH", epath.Path(tmp_path / "extracted"))


def told(release: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((release / "croissant.json").read_bytes())
    return loaded


def test_it_is_valid_but_for_what_the_recipe_leaves_out(small: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        dataset = mlcroissant.Dataset(small / "croissant.json")
    found = dataset.metadata.ctx.issues
    assert found.errors == set()
    assert all("datePublished" in warning for warning in found.warnings)
    assert told(small)["conformsTo"] == CONFORMS


def test_records_load(small: Path) -> None:
    dataset = mlcroissant.Dataset(small / "croissant.json")
    ledger = pq.read_table(small / "ledger.parquet").to_pylist()
    rows = list(dataset.records("inputs"))
    assert [r["inputs/input_id"].decode() for r in rows] == [r["input_id"] for r in ledger]
    pictures = {r["image/id"].decode(): r["image/content"] for r in dataset.records("image")}
    facts = {r["image-facts/id"].decode(): json.loads(r["image-facts/content"]) for r in dataset.records("image-facts")}
    kept = {r["id"] for r in ledger if r["outcome"] == "kept"}
    assert pictures and pictures.keys() == facts.keys() < kept
    assert all(p.size == (facts[i]["width"], facts[i]["height"]) for i, p in pictures.items())
    videos = {r["video/id"].decode(): r["video/content"] for r in dataset.records("video")}
    assert videos and videos.keys() | pictures.keys() == kept
    assert all(b"ftyp" in data[:16] for data in videos.values())
    assert all(isinstance(p, Image.Image) for p in pictures.values())


def test_every_file_is_named_with_its_digest(small: Path) -> None:
    manifest = json.loads((small / "manifest.json").read_bytes())
    files = {f["contentUrl"]: f["sha256"] for f in told(small)["distribution"] if f["@type"] == "cr:FileObject"}
    listed = {f["path"]: f["sha256"] for f in manifest["files"]}
    assert files == {path: digest for path, digest in listed.items() if path.endswith((".tar", ".parquet"))}


def test_what_nobody_has_written_is_said_to_be_missing(small: Path) -> None:
    assert "`release.biases` is empty" in told(small)["rai:dataBiases"]
    assert any("perceptual hash" in step for step in told(small)["rai:dataPreprocessingProtocol"])
    assert "ledger.parquet" in told(small)["rai:dataCollectionMissingData"]
