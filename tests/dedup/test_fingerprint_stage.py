"""Pixel and semantic edges in a run, on real photos: kinds of copies, a batch that comes later, both engines."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from PIL import Image, ImageOps

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.dedup import candidates, confirm_stage
from dataengine.pipeline import until
from dataengine.stage import Run
from dataengine.storage.pinned_packages import SCIKIT_LEARN

pytestmark = pytest.mark.xdist_group("spark")  # the test on Spark reads the run of the others

CHINA = SCIKIT_LEARN.read("sklearn/datasets/images/china.jpg")
EDGES = [(n, "ascending") for n in ("a", "b", "kind")]
STAGES = ("dedup.candidates", "dedup.confirm", "dedup.edges")


def photos(folder: Path) -> Path:
    """A photo, the same in another container, edited in three ways; another photo; two flat pictures; an animation."""
    folder.mkdir()
    (folder / "china.jpg").write_bytes(CHINA)
    china = Image.open(folder / "china.jpg")
    china.save(folder / "china.png")
    china.crop((40, 30, 600, 400)).save(folder / "crop.jpg", quality=92)
    ImageOps.mirror(china).save(folder / "mirror.jpg", quality=90)
    ImageOps.expand(china, 90, "white").save(folder / "framed.webp", quality=85)
    (folder / "flower.jpg").write_bytes(SCIKIT_LEARN.read("sklearn/datasets/images/flower.jpg"))
    for form in ("png", "bmp"):
        Image.new("RGB", (200, 150), "#4080c0").save(folder / f"flat.{form}")
    frames = [china.resize((160, 107)), ImageOps.mirror(china.resize((160, 107)))]
    frames[0].save(folder / "two.gif", save_all=True, append_images=frames[1:], duration=100)
    return folder


def recipe(folder: Path, workspace: str, **dedup: Any) -> Recipe:
    policy = folder / "policy.yaml"
    rule = {"name": "wide", "keep": "width >= 1", "on_missing": "drop", "reason": "narrow"}
    policy.write_text(yaml.safe_dump({"name": "p", "version": "1", "description": "All.", "rules": [rule]}))
    return Recipe.model_validate(
        {
            "name": "copies",
            "workspace": str(folder / workspace),
            "workers": 1,
            "sources": [{"type": "folder", "name": "photos", "path": str(folder / "photos"), "buckets": 8}],
            "dedup": {"radius": 6, "pixels": True, "semantic": {"threshold": 0.7}, **dedup},
            "score": {"scorers": [{"name": "technical"}], "device": "cpu"},
            "filter": {"policy": str(policy)},
            "tokenize": None,
            "cot": None,
            "release": {"title": "t", "license": "other", "description": "d"},
        }
    )


def names(run: Run) -> dict[str, str]:
    samples = run.table("ingest", "samples", contracts.SAMPLES)
    return dict(zip(samples["id"].to_pylist(), samples["uri"].to_pylist(), strict=True))


def edges(run: Run) -> pa.Table:
    return run.table("dedup.edges", "edges", contracts.EDGES).sort_by(EDGES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("copies")
    photos(made / "photos")
    return made


@pytest.fixture(scope="module")
def at_once(folder: Path) -> Run:
    return until(recipe(folder, "at-once"), "dedup")[0]


def test_every_kind_of_copy_is_found_and_told(at_once: Run) -> None:
    uri = names(at_once)
    found: dict[str, set[frozenset[str]]] = {}
    for edge in edges(at_once).to_pylist():
        found.setdefault(edge["kind"], set()).add(frozenset((uri[edge["a"]], uri[edge["b"]])))
    assert found["pixels"] == {frozenset(("flat.png", "flat.bmp")), frozenset(("china.png", "china.jpg"))}
    assert frozenset(("china.png", "china.jpg")) in found["perceptual"]
    for copy in ("crop.jpg", "mirror.jpg", "framed.webp"):
        assert any(copy in pair for pair in found["semantic"]), copy
    assert not any("flower.jpg" in pair or "flat.png" in pair for pair in found["semantic"])
    groups = at_once.table("dedup", "groups", contracts.GROUPS).to_pylist()
    told = {uri[g["id"]]: (uri[g["representative"]], g["kind"]) for g in groups}
    best = told["china.jpg"][0]
    assert {name for name, (other, _) in told.items() if other == best} >= {
        *("china.jpg", "china.png", "crop.jpg", "mirror.jpg", "framed.webp")
    }
    assert told["flower.jpg"] == ("flower.jpg", None)
    assert sorted([told["flat.png"], told["flat.bmp"]], key=str)[1][1] in (None, "pixels")
    facts = at_once.records["dedup.edges"].parts["all"].facts["semantic"]
    assert facts["candidates"] >= 3 and facts["recall"] == 1.0 and facts["left_out"] == 0


def test_fingerprints_hold_to_their_contract(at_once: Run) -> None:
    rows = at_once.table("dedup.fingerprint", "fingerprints", contracts.FINGERPRINTS).to_pylist()
    uri = names(at_once)
    by_name = {uri[row["id"]]: row for row in rows}
    assert len(rows) == 9 and all(len(row["thumbnail"]) == 2 * 65 * 64 for row in rows)
    assert by_name["two.gif"]["pixels"] is None and by_name["china.jpg"]["pixels"] == by_name["china.png"]["pixels"]


def test_one_embedding_a_view(at_once: Run) -> None:
    rows = at_once.table("embed", "pictures", contracts.EMBEDDINGS).to_pylist()
    uri = names(at_once)
    inner = {uri[row["id"]] for row in rows if row["view"] == 1}
    assert len(rows) == 9 + len(inner) and all(len(row["vector"]) == 2 * 1280 for row in rows)
    assert "framed.webp" in inner and "china.jpg" not in inner


def test_a_later_batch_embeds_and_confirms_only_what_is_new(folder: Path, at_once: Run) -> None:
    later = ("crop.jpg", "flower.jpg")
    for name in later:
        (folder / "photos" / name).rename(folder / name)
    until(recipe(folder, "batches"), "dedup")
    for name in later:
        (folder / name).rename(folder / "photos" / name)
    run, reports = until(recipe(folder, "batches"), "dedup")
    made = {r.name: (r.made, r.parts) for r in reports}
    for stage in ("embed", "dedup.fingerprint"):
        assert 1 <= made[stage][0] <= 2 < made[stage][1]
    assert edges(run) == edges(at_once)
    again = until(recipe(folder, "batches", keep=["bytes"]), "dedup")[1]
    assert [r.name for r in again if r.state == "done"] == ["dedup"]


def test_confirming_on_workers_gives_the_same_files(
    folder: Path, at_once: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a run was stopped after some of its parts, and for a batch that comes later."""
    monkeypatch.setattr(candidates, "FEW", 0)
    monkeypatch.setattr(confirm_stage, "PART_PAIRS", 1)
    shutil.copytree(folder / "at-once", folder / "parts", ignore=shutil.ignore_patterns(*STAGES))
    run, reports = until(recipe(folder, "parts"), "dedup")
    made = {r.name: r.made for r in reports}
    assert made["dedup.confirm"] > 1 and made["dedup.fingerprint"] == 0
    same = [r.records["dedup.edges"].parts["all"] for r in (run, at_once)]
    assert {n: f.sha256 for n, f in same[0].files.items()} == {n: f.sha256 for n, f in same[1].files.items()}
    assert same[0].facts == same[1].facts and run.records["dedup"].digest == at_once.records["dedup"].digest
    marker, *_ = sorted((folder / "parts/stages/dedup.confirm/parts").iterdir())
    for path in (marker, *(folder / "parts/stages/dedup.confirm").glob("*.json")):
        path.unlink()
    again = {r.name: (r.made, r.parts) for r in until(recipe(folder, "parts"), "dedup")[1]}
    assert again["dedup.confirm"] == (1, made["dedup.confirm"]) and again["dedup.edges"][0] == 0


@pytest.mark.usefixtures("spark")  # whose session the run joins
def test_spark_writes_the_same_tables(folder: Path, at_once: Run) -> None:
    shutil.copytree(
        folder / "at-once", folder / "spark", ignore=shutil.ignore_patterns("dedup", *STAGES, "near", "plans")
    )
    left = shutil.ignore_patterns("edges", "groups*", "near", "known", "fresh", "verdicts")
    shutil.copytree(folder / "at-once/dedup", folder / "spark/dedup", ignore=left)
    spark = recipe(folder, "spark").model_copy(update={"engine": "spark"})
    run, reports = until(spark, "dedup")
    assert [r.name for r in reports if r.state == "done"] == [
        "dedup.candidates",
        "dedup.confirm",
        "dedup.edges",
        "dedup",
    ]
    for stage in ("dedup.edges", "dedup"):
        ours, theirs = (r.records[stage].parts["all"].files for r in (run, at_once))
        assert {role: f.sha256 for role, f in ours.items()} == {role: f.sha256 for role, f in theirs.items()}
