"""The index in a release: over what was released alone, searched on a copy and on s3://, listed, described and verified."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from support.in_process import made_here
from support.item_tables import clusters, write
from support.photos import tiny
from support.planted_lists import corpus
from support.planted_lists import recipe as base_recipe
from typer.testing import CliRunner

from dataengine.browse.results import cells, results
from dataengine.browse.sheet import thumbnails
from dataengine.browse.target import open_target
from dataengine.cli.main import app
from dataengine.errors import UsageError
from dataengine.index.search import open_index
from dataengine.release.publish import publish
from dataengine.stage import Run
from dataengine.verify.verify import verify

__all__ = ["tiny"]
pytestmark = pytest.mark.slow

INDEX = {"of": "both", "leaf_size": 2, "kind": "hnsw", "release": True}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Of photos of which the policy drops some; sequences of behaviour name all of them."""
    folder = tmp_path_factory.mktemp("released")
    corpus(folder)
    first = made_here(base_recipe(folder, None, index={"of": "both"}, workspace=str(folder / "one")), "index.nodes")
    ids = open_index(first.recipe.workspace, first.records["index.nodes"].parts["all"].facts["manifest"]).ids()
    pq.write_table(pa.table({"ids": [ids.to_pylist(), ids.to_pylist()[::-1]]}), folder / "seen.parquet")
    sequences = {"path": str(folder / "seen.parquet"), "window": 9}
    return made_here(base_recipe(folder, None, index={**INDEX, "sequences": sequences}), "release")


@pytest.fixture
def release(run: Run, tmp_path: Path) -> Path:
    """A copy of the release, away from its workspace."""
    shutil.copytree(Path(run.recipe.workspace) / "releases" / "planted", tmp_path / "copy")
    return tmp_path / "copy"


def kept_of(release: Path) -> set[str]:
    ledger = pq.read_table(release / "ledger.parquet").to_pylist()
    return {row["id"] for row in ledger if row["outcome"] == "kept"}


def test_a_copy_is_searched_by_an_index_of_what_was_released(run: Run, release: Path, tmp_path: Path) -> None:
    target, kept = open_target(str(release), None), kept_of(release)
    index = target.index
    assert set(index.ids().to_pylist()) == kept and 0 < len(kept) < run.records["index.nodes"].counts["samples"]
    assert index.manifest.kind == "tree" and target.allowed(None) is None
    query = target.queries().text("a rocket")
    found = results(index, index.search(query.vector, 20, 64, part=query.part))
    assert found[0].caption == "A rocket at night." and {hit.id for hit in found} <= kept
    pictures = thumbnails(cells(found), index.store, target.limits)
    assert set(pictures) == {hit.id for hit in found} and all(jpeg[:2] == b"\xff\xd8" for jpeg in pictures.values())
    for depth, layer in index.nodes.items():
        for number in range(1 << depth):
            leaves = np.arange(1 << (index.depth - depth)) + (number << (index.depth - depth))
            below = index.take(index.rows_of(leaves)).astype("f8")
            assert layer[number] == pytest.approx(below.mean(0) if len(below) else 0, rel=1e-5, abs=1e-2)
    history = tmp_path / "seen.txt"
    history.write_text(sorted(kept)[0])
    answer = json.loads(CliRunner().invoke(app, ["search", str(release), "--history", str(history), "--json"]).stdout)
    for unit in ("multimodal", "cooccurrence"):
        assert {item["id"] for item in answer[unit.replace("cooc", "co-oc")]["items"]} == kept - {sorted(kept)[0]}
    with pytest.raises(UsageError, match="--recipe RECIPE"):
        target.allowed("width > 3")


def test_its_files_are_listed_described_and_verified(run: Run, release: Path) -> None:
    manifest = json.loads((release / "manifest.json").read_bytes())
    own = {f["path"]: f["sha256"] for f in manifest["files"] if f["path"].startswith("index/")}
    assert {"index/manifest.json", "index/branch-000000/vectors.npy", "index/cooccurrence-000000.parquet"} <= set(own)
    assert manifest["index"]["released"] == manifest["samples"] == len(kept_of(release))
    for name, files in (("croissant", _croissant(release)), ("spdx", _spdx(release))):
        assert own.items() <= files.items(), name
    assert "wherever a copy of the release lies" in (release / "README.md").read_text()
    assert "wherever a copy of the release lies" in (release / "report.html").read_text()
    assert "wherever a copy of the release lies" in (release / "croissant.json").read_text()
    assert verify(str(release)).errors == []
    rows = release / "index/branch-000000/rows.parquet"
    table = pq.read_table(rows)
    pq.write_table(
        table.set_column(0, table.schema.field("id"), pa.array(["0" * 32, *table["id"].to_pylist()[1:]])), rows
    )
    errors = verify(str(release)).errors
    assert any("rows.parquet: checksum mismatch" in error for error in errors)
    assert any("1 of its samples are in no shard, first 0000" in error for error in errors)
    (release / "index/upper.npy").unlink()
    assert any(
        "index/upper.npy: is in the manifest, but does not exist" in error for error in verify(str(release)).errors
    )


def _croissant(release: Path) -> dict[str, str]:
    files = json.loads((release / "croissant.json").read_bytes())["distribution"]
    return {f["contentUrl"]: f["sha256"] for f in files if f["@type"] == "cr:FileObject"}


def _spdx(release: Path) -> dict[str, str]:
    graph = json.loads((release / "spdx.json").read_bytes())["@graph"]
    return {e["name"]: e["verifiedUsing"][0]["hashValue"] for e in graph if e["type"] == "software_File"}


def test_on_s3(release: Path, s3_conditional: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataengine.index.search.cache_dir", lambda: tmp_path / "cache")
    publish(str(release), f"{s3_conditional}/cats")
    sheet = tmp_path / "sheet.html"
    arguments = ["search", f"{s3_conditional}/cats", "--text", "a rocket", "--json", "--sheet", str(sheet)]
    answer = json.loads(CliRunner().invoke(app, arguments).stdout)
    assert answer["hits"][0]["caption"] == "A rocket at night."
    assert sheet.read_text().count("<img") == len(answer["hits"])
    assert len([*(tmp_path / "cache/index").iterdir()]) >= 4, "its files are here now"


def test_a_release_of_another_model_is_searched_by_the_encoder_of_a_recipe(
    run: Run, tiny: Path, tmp_path: Path
) -> None:
    clip = {"name": "clip", "model": str(tiny / "tiny.json"), "checkpoint": str(tiny / "tiny.safetensors")}
    score = {"scorers": [{"name": "technical"}, clip], "device": "cpu"}
    folder, where = Path(run.recipe.workspace).parent, str(tmp_path / "ws")
    made = base_recipe(folder, None, index={"of": "image", "release": True}, score=score, workspace=where)
    made_here(made, "release")
    release, path = f"{where}/releases/planted", tmp_path / "recipe.yaml"
    blocks = made.model_dump(mode="json", include={"name", "sources", "score", "filter", "release"})
    path.write_text(yaml.safe_dump({**blocks, "workspace": str(tmp_path / "nowhere")}))
    arguments = ["search", release, "--text", "a flower", "--json"]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 2 and "--recipe RECIPE" in refused.stderr
    done = CliRunner().invoke(app, [*arguments, "--recipe", str(path)])
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert "in one space" in answer["compares"] and {hit["id"] for hit in answer["hits"]} == kept_of(Path(release))


def test_the_same_bytes_again_and_all_items(run: Run, release: Path, tmp_path: Path) -> None:
    recipe = run.recipe.model_copy(update={"workspace": str(tmp_path / "again")})
    made_here(recipe, "release")
    for path in sorted((release / "index").rglob("*")):
        if path.is_file():
            again = tmp_path / "again/releases/planted" / path.relative_to(release)
            assert path.read_bytes() == again.read_bytes(), path
    write(tmp_path / "items.parquet", clusters(60))
    items = {"of": "items", "items": {"path": str(tmp_path / "items.parquet")}, "leaf_size": 16, "release": True}
    folder = Path(run.recipe.workspace).parent
    made_here(base_recipe(folder, None, index=items, workspace=str(tmp_path / "items")), "release")
    index = open_target(str(tmp_path / "items/releases/planted"), None).index
    assert len(index) == 60 and index.manifest.of == "items"
    assert verify(str(tmp_path / "items/releases/planted")).errors == []


def test_a_take_down_leaves_the_index_of_the_rest(release: Path, tmp_path: Path) -> None:
    """No vector, caption or neighbour of it; every place is that of the new shards."""
    [gone, *rest] = sorted(kept_of(release))
    (tmp_path / "ids").write_text(gone)
    arguments = [
        "takedown",
        str(release),
        "--ids",
        str(tmp_path / "ids"),
        "--tombstones",
        str(tmp_path / "t"),
        "--apply",
    ]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    new = Path(f"{release}-0.1.1")
    assert verify(str(new)).errors == []
    index = open_index(str(new), "index/manifest.json")
    assert sorted(index.ids().to_pylist()) == rest
    for path in (new / "index").rglob("rows.parquet"):
        for row in pq.read_table(path).to_pylist():
            data = (new / row["media"]).read_bytes()[row["offset"] : row["offset"] + row["bytes"]]
            assert hashlib.sha256(data).hexdigest()[:32] == row["id"]
