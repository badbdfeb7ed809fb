"""``dataengine init``: the recipe and policy that it writes for folders, tables and tars are right, and run."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.in_process import made_here
from typer.testing import CliRunner

from dataengine.browse.look_at_data import look, name_of
from dataengine.browse.preview import preview
from dataengine.cli.main import app
from dataengine.config import recipe as recipes
from dataengine.config.sources import FolderSource
from dataengine.errors import UsageError
from dataengine.pipeline import stages


def picture(path: Path, side: int, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng([side, seed]).integers(0, 255, (side, side + 20, 3), np.uint8)
    Image.fromarray(pixels).resize((side + 20, side)).save(path)
    return path


def folder(root: Path) -> str:
    for n in range(8):
        picture(root / f"Holiday Photos/day {n}/p{n}.png", 200 + n, n)
    (root / "Holiday Photos/day 0/p0.txt").write_text("a grey square")
    (root / "Holiday Photos/day 1/broken.jpg").write_bytes(b"no picture")
    return str(root / "Holiday Photos")


def table(root: Path) -> str:
    rows = [{"Image": f"files/{n}.png", "ALT": f"square {n}", "score": n / 2, "odd\nname: x": n} for n in range(7)]
    for n in range(6):
        picture(root / f"files/{n}.png", 64 + n, n)
    (root / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n{broken\n")
    return str(root / "rows.jsonl")


def parquet_folder(root: Path) -> str:
    (root / "crawl").mkdir()
    for part in range(2):
        urls = [f"https://example.org/{part}/{n}.jpg" for n in range(5)]
        rows = pa.table({"url": urls, "alt": ["x"] * 5, "licence": ["cc0"] * 5, "width": list(range(5))})
        pq.write_table(rows, root / f"crawl/{part}.parquet")
    return str(root / "crawl")


def tars(root: Path) -> str:
    (root / "web").mkdir()
    for part in range(2):
        with tarfile.open(root / f"web/{part:05d}.tar", "w") as tar:
            for n in range(3):
                data = picture(root / f"loose/{part}{n}.png", 300 + n, part).read_bytes()
                for name, body in ((f"{part}{n}.png", data), (f"{part}{n}.txt", b"a square")):
                    info = tarfile.TarInfo(name)
                    info.size = len(body)
                    tar.addfile(info, io.BytesIO(body))
    return str(root / "web")


@pytest.mark.parametrize(
    ("make", "source", "side", "captions"),
    [
        (folder, {"type": "folder", "name": "holiday-photos"}, 192, True),
        (table, {"type": "table", "name": "rows", "media": "Image", "caption": "ALT"}, 64, True),
        (parquet_folder, {"type": "urls", "url": "url", "caption": "alt", "license_column": "licence"}, 256, True),
        (tars, {"type": "webdataset", "name": "web"}, 256, True),
    ],
)
def test_what_is_written_is_right(
    tmp_path: Path, make: Callable[[Path], str], source: dict[str, Any], side: int, captions: bool
) -> None:
    data = make(tmp_path)
    result = CliRunner().invoke(app, ["init", data, "--out", str(tmp_path / "new" / "mine.yaml")])
    assert result.exit_code == 0, result.output
    recipe = recipes.load(tmp_path / "new" / "mine.yaml")
    [one] = recipe.sources
    assert source.items() <= one.model_dump().items() and stages(recipe)
    policy = Path(recipe.filter.policy).read_text()
    assert f"width >= {side} and height >= {side}" in policy and ("name: match" in policy) == captions
    assert "\nname: x" not in (tmp_path / "new" / "mine.yaml").read_text(), "a column's name makes no line"
    again = CliRunner().invoke(app, ["init", data, "--out", str(tmp_path / "new" / "mine.yaml")])
    assert again.exit_code == 2 and "exists: name another place" in again.stderr


def test_it_runs(tmp_path: Path) -> None:
    """To the shards, in this process; without the scorers that download models."""
    assert CliRunner().invoke(app, ["init", folder(tmp_path), "--out", str(tmp_path / "mine.yaml")]).exit_code == 0
    policy = tmp_path / "mine-v1.yaml"
    rules = policy.read_text().split("  - name: ")
    policy.write_text("  - name: ".join(r for r in rules if not r.startswith(("nsfw", "match"))))
    path = tmp_path / "mine.yaml"
    path.write_text(path.read_text().replace("    - {name: nsfw}\n", "").replace("    - {name: conse}", "    # "))
    recipe = recipes.load(path, workspace=str(tmp_path / "workspace"))
    run = made_here(recipe, "shard.assign")
    assert run.records["ingest"].counts == {"failed": 1, "inputs": 9, "samples": 8}
    assert run.records["filter"].counts["kept"] == run.records["shard.assign"].counts["samples"] > 0


def test_several_sources_have_names_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    one, other = folder(tmp_path), table(tmp_path / "b")
    result = CliRunner().invoke(app, ["init", one, one, other, "--out", str(tmp_path / "mine.yaml")])
    assert result.exit_code == 0, result.output
    names = [source.name for source in recipes.load(tmp_path / "mine.yaml").sources]
    assert names == ["holiday-photos", "holiday-photos-2", "rows"]


def test_a_folder_may_have_the_name_of_a_pattern(tmp_path: Path) -> None:
    picture(tmp_path / "x[1]" / "a.png", 32)
    source = look(str(tmp_path / "x[1]")).source
    assert (source["type"], source["path"]) == ("folder", str(tmp_path / "x[1]"))


def test_a_name_that_is_too_long_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps({"image": f"{'a' * 300}.jpg"}))
    assert "  0 of the first 1 files exist" in look(str(tmp_path / "rows.jsonl")).sentences


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("nowhere", None, "name a folder, or files that end in"),
        ("empty.jsonl", "", "no row of it can be read"),
        ("rows.jsonl", '{"a": 1, "b": "two words"}', "no column names files or URLs; it has a, b"),
        ("notes.md", "# Notes", "name a folder, or files that end in"),
        ("folder/notes.md", "# Notes", r"no pictures, videos, tables or tars in it \(1 .md\)"),
    ],
)
def test_data_that_is_none(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    path = tmp_path / name
    if text is not None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    with pytest.raises(UsageError, match=message):
        look(str(path.parent if "/" in name else path))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/My Photos", "my-photos"),
        ("/data/web/*.tar", "web"),
        ("s3://b/p/x.jsonl", "x"),
        ("/", "data"),
        ("猫", "data"),
    ],
)
def test_names_of_sources(path: str, name: str) -> None:
    assert name_of(path) == name


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["one line"], None),
        (["a cat sits on\nthe wall and\nlooks down", "a dog that runs\nafter a ball"], "whole"),
        (["A cat on a wall.\nA grey animal.", "a dog\nA running dog"], "lines"),
    ],
)
def test_a_folder_with_other_files(tmp_path: Path, texts: list[str], form: str | None) -> None:
    """What is no picture is left out, and how texts are meant is told."""
    for n in range(5):
        picture(tmp_path / f"in/{n}.png", 64, n)
    for n, text in enumerate(texts):
        (tmp_path / f"in/{n}.txt").write_text(text)
    for name in ("README.md", "sub/notes.MD", "Thumbs.db", "LICENSE", "readme.txt", "0.png.json"):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_text("{}")
    result = CliRunner().invoke(app, ["init", str(tmp_path / "in"), "--out", str(tmp_path / "mine.yaml")])
    assert result.exit_code == 0, result.output
    recipe = recipes.load(tmp_path / "mine.yaml")
    [source] = recipe.sources
    assert isinstance(source, FolderSource) and source.exclude == ["*.MD", "*.db", "*.md", "/LICENSE", "/readme.txt"]
    assert source.captions == (form or "lines")
    [seen] = preview(recipe)
    assert (seen.inputs, seen.others, seen.captioned) == (5, 0, max(len(texts), 1))
    assert (
        "\n# tokenize: {}\n# cot: {}\n" in (tmp_path / "mine.yaml").read_text()
        and recipe.tokenize is recipe.cot is None
    )


def test_no_proposed_pattern_leaves_pictures_out(tmp_path: Path) -> None:
    """A folder may end as the files do that are to be left out."""
    picture(tmp_path / "raw.old/a.png", 32)
    for name in ("b.old", "c.md"):
        (tmp_path / name).write_text("x")
    source = look(str(tmp_path)).source
    assert source["exclude"] == ["*.md"]
