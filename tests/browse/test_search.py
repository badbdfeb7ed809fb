"""dataengine search: by text, picture, id and history, on a recipe and on a release; its sheets and its messages."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from support.in_process import made_here
from support.item_tables import clusters, indexed, recipe, write
from support.photos import tiny
from support.planted_lists import corpus
from support.planted_lists import recipe as base_recipe
from typer.testing import CliRunner

from dataengine.browse.history import read
from dataengine.browse.query import Queries
from dataengine.browse.results import Result, cells, results
from dataengine.browse.sheet import page, picture
from dataengine.browse.target import Target, open_target
from dataengine.cli.main import app
from dataengine.errors import UsageError
from dataengine.index.search import open_index
from dataengine.media.limits import Limits
from dataengine.models.encoders import StandIn, encoder_of
from dataengine.stage import Run

__all__ = ["tiny"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searched")
    corpus(folder)
    return folder


@pytest.fixture(scope="module")
def run(photos: Path) -> Run:
    return made_here(base_recipe(photos, None, index={"of": "both", "leaf_size": 2}), "index.nodes")


def target_of(run: Run) -> Target:
    key = run.records["index.nodes"].parts["all"].facts["manifest"]
    return Target(open_index(run.recipe.workspace, key), Limits(), StandIn, lambda: run)


def invoke(target: Target, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    monkeypatch.setattr("dataengine.browse.target.open_target", lambda place, workspace, recipe: target)
    return CliRunner().invoke(app, ["search", "one.yaml", *arguments])


def test_by_text_picture_and_id(run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    target = target_of(run)
    sheet = tmp_path / "sheet.png"
    result = invoke(target, monkeypatch, "--text", "a blossom", "--k", "3", "--json", "--sheet", str(sheet))
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["hits"][0]["caption"] == "An orange flower." and len(answer["hits"]) == 3
    assert "captions, by MiniLM; the pictures themselves are not compared" in answer["compares"]
    with Image.open(sheet) as drawn:
        assert drawn.size[0] > 500 and len(drawn.getcolors(1 << 20) or [0] * 999) > 500, "thumbnails are on it"
    result = invoke(target, monkeypatch, "--image", str(photos / "photos" / "rocket-small.jpg"), "--json")
    [best, *_] = json.loads(result.stdout)["hits"]
    assert best["caption"] == "A rocket at night." or "rocket" in str(best) or best["score"] > 0.8
    result = invoke(target, monkeypatch, "--id", best["id"], "--k", "2", "--json")
    hits = json.loads(result.stdout)["hits"]
    assert len(hits) == 2 and best["id"] not in {hit["id"] for hit in hits}
    shown = invoke(target, monkeypatch, "--text", "a temple", "--where", "kind = 'video'")
    assert shown.exit_code == 0 and "temple" not in shown.stdout.partition("caption")[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name what to search by"),
        (("--text", "a", "--id", "b"), "name what to search by"),
        (("--text", " "), "--text is empty"),
        (("--id", "nothing"), "it is not in the index, which has"),
        (("--image", "nowhere.jpg"), "no such file"),
        (("--image", "README.md"), "cannot be decoded: not_media"),
        (("--image", "tests"), "a folder, not a file"),
        (("--image", "dataengine/index/__init__.py"), "the file has no bytes"),
        (("--text", "a", "--sheet", "sheet.bmp"), "ends in .html or .png"),
        (("--text", "a", "--where", "width >>= 3"), "--where: "),
        (("--text", "a", "--where", "wide > 3"), "--where: .*wide"),
        (("--history", "nowhere.json"), "no such file"),
        (("--history", "nowhere.json", "--sheet", "s.html"), "not of --history"),
        (("--id", "\udcff"), "no well-formed text"),
        (("--text", "a \udcff"), "no well-formed text"),
        (("--text", "a", "--sheet", "README.md/s.html"), "README.md/s.html cannot be written: "),
    ],
)
def test_mistakes_are_told(run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    result = invoke(target_of(run), monkeypatch, *arguments)
    assert result.exit_code == 2
    assert re.search(message, result.stderr), result.stderr


def test_a_text_needs_captions_or_a_joint_space(photos: Path) -> None:
    run = made_here(base_recipe(photos, None, index={"of": "image"}), "index.nodes")
    with pytest.raises(UsageError, match="they are of pictures alone, by lite0"):
        target_of(run).queries().text("a cat")


def test_a_joint_encoder_compares_a_text_with_pictures(photos: Path, tiny: Path, tmp_path: Path) -> None:
    clip = {"name": "clip", "model": str(tiny / "tiny.json"), "checkpoint": str(tiny / "tiny.safetensors")}
    score = {"scorers": [{"name": "technical"}, clip], "device": "cpu"}
    one = base_recipe(photos, None, index={"of": "image"}, score=score, workspace=str(tmp_path))
    run = made_here(one, "index.nodes")
    index = target_of(run).index
    queries = Queries(index.manifest, lambda: encoder_of(one), Limits())
    query = queries.text("a flower")
    assert "in one space" in query.meaning
    assert (index.search(query.vector, 3).rows == index.exact(query.vector, 3).rows).all()
    with pytest.raises(UsageError, match="vectors of two models cannot be compared"):
        Queries(index.manifest, StandIn, Limits()).text("a flower")


def test_a_release_is_searched_where_it_lies(photos: Path, tmp_path: Path) -> None:
    one = base_recipe(photos, None, index={"of": "both", "leaf_size": 2}, workspace=str(tmp_path / "ws"))
    run = made_here(one, "release")
    release = tmp_path / "ws" / "releases" / "planted"
    manifest = json.loads((release / "manifest.json").read_text())
    section = manifest["index"]
    assert section["samples"] == run.records["index.nodes"].counts["samples"] > manifest["samples"]
    assert section["model"] == StandIn().version and section["joined"] == 0
    assert "tree of recursive balanced 2-means" in (release / "README.md").read_text()
    target = open_target(str(release), None)
    mask = target.allowed(None)
    assert mask is not None and mask.sum() == manifest["samples"]
    query = target.queries().text("a rocket")
    hits = results(target.index, target.index.search(query.vector, 20, 64, mask, query.part))
    assert hits[0].caption == "A rocket at night." and len(hits) <= manifest["samples"]
    with pytest.raises(UsageError, match="--recipe RECIPE"):
        target.allowed("width > 3")
    path = tmp_path / "recipe.yaml"
    for name, message in (("other", "makes release other, and this one is planted"), ("planted", "is not up to date")):
        blocks = one.model_dump(mode="json", include={"sources", "filter", "release", "index"})
        path.write_text(yaml.safe_dump({**blocks, "name": name, "workspace": "nowhere"}))
        with pytest.raises(UsageError, match=message):
            open_target(str(release), None, str(path)).allowed("width > 3")
    with_recipe = replace(target, run=lambda: run)
    wide, narrow = (with_recipe.allowed(f"width {sign} 600") for sign in (">=", "<"))
    assert wide is not None and (wide == mask).all(), "what the filter keeps"
    assert narrow is not None and not narrow.any(), "narrow ones are in the index, and not in the release"
    kept = np.flatnonzero(mask)
    sequence = tmp_path / "sequence.txt"
    sequence.write_text(target.index.ids()[int(kept[0])].as_py())
    answer = json.loads(CliRunner().invoke(app, ["search", str(release), "--history", str(sequence), "--json"]).stdout)
    others = {target.index.ids()[int(row)].as_py() for row in kept[1:]}
    assert {item["id"] for item in answer["multimodal"]["items"]} == others, "what the filter drops is no result"
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(release, elsewhere)
    with pytest.raises(UsageError, match="stays in the workspace that made it"):
        open_target(str(elsewhere), None)


def test_a_history_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "items.parquet", clusters(100))
    made = indexed(recipe(tmp_path))
    file = tmp_path / "history.json"
    file.write_text(json.dumps(["item-00001", "item-00002", "gone"]))
    result = invoke(target_of(made), monkeypatch, "--history", str(file), "--k", "3", "--json")
    answer = json.loads(result.stdout)
    assert len(answer["multimodal"]["items"]) == 3 and answer["unknown"] == ["gone"]
    shown = invoke(target_of(made), monkeypatch, "--history", str(file)).stdout
    assert "multimodal: nodes" in shown and "co-occurrence: not searched" in shown
    assert read(file) == ["item-00001", "item-00002", "gone"]
    file.write_text("\ufeffitem one\r\n\n 2 \n", encoding="utf-8")
    assert read(file) == ["item one", "2"], "an id a line, whatever is in it"
    for text in ("[1, {}]", "[", "[[]]", "[true]", '["\\ud800"]', '{"ids": ["a"]}'):
        file.write_text(text)
        with pytest.raises(UsageError, match="history"):
            read(file)
    for text in ("", " \n", "[]"):
        file.write_text(text)
        with pytest.raises(UsageError, match="is empty: give ids"):
            read(file)


def test_conditions_on_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "items.parquet", clusters(100))
    made = indexed(recipe(tmp_path, balance={"by": "leaf"}, codes={"levels": 1, "size": 4}), "index.balance")
    target = target_of(made)
    shown = invoke(target, monkeypatch, "--id", "item-00001", "--where", "cluster_rank <= 2 and rq_1 >= 0", "--json")
    leaves = Counter(hit["leaf"] for hit in json.loads(shown.stdout)["hits"])
    assert leaves and max(leaves.values()) <= 2
    nothing = invoke(target, monkeypatch, "--id", "item-00001", "--where", "cluster_size > 1000")
    assert nothing.exit_code == 0 and "nothing found: no vector meets the conditions" in nothing.stdout
    assert "unknown column `width`" in invoke(target, monkeypatch, "--id", "item-00001", "--where", "width > 3").stderr
    plain = indexed(recipe(tmp_path))
    assert "the recipe has neither" in invoke(target_of(plain), monkeypatch, "--id", "x", "--where", "a > 1").stderr


def test_sheets_escape_what_they_show() -> None:
    hits = [Result(0.5, "<i>", '<script>alert("x")</script>\u202e', 0, None)]
    made = page("<b>", cells(hits), {}).decode()
    assert "<script>" not in made and "<i>" not in made and "\u202e" not in made and "&lt;b&gt;" in made
    assert picture("a\nb", cells(hits), {}, Limits()).startswith(b"\x89PNG")


def test_a_recipe_without_index_says_what_to_add(photos: Path, tmp_path: Path) -> None:
    content = base_recipe(photos, None).model_dump(mode="json")
    path = tmp_path / "plain.yaml"
    path.write_text(yaml.safe_dump({k: content[k] for k in ("name", "workspace", "sources", "filter", "release")}))
    result = CliRunner().invoke(app, ["search", str(path), "--text", "a"])
    assert result.exit_code == 2 and "has no index: add `index: {of: both}`" in result.stderr
