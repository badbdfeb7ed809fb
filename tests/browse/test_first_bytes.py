"""The first bytes of inputs that could not be read: where they lie in each kind of source, and what is not read."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest
import yaml

from dataengine.browse.page.first_bytes import dump, shown
from dataengine.config import recipe as recipes
from dataengine.config.recipe import Recipe

HEAD = bytes(range(256))
BROKEN = HEAD + b"not shown"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    folder = tmp_path_factory.mktemp("broken")
    secret = folder / "secret.bin"
    secret.write_bytes(b"secret")
    for place in ("photos/a b/cut.jpg", "table/pictures/cut.jpg", "2026-11-02/sub/cut.jpg"):
        (folder / place).parent.mkdir(parents=True)
        (folder / place).write_bytes(BROKEN)
    (folder / "photos/empty.jpg").write_bytes(b"")
    (folder / "photos/link.jpg").symlink_to(secret)
    (folder / "table/rows.jsonl").write_text('{"path": "pictures/cut.jpg"}\n{this is no row\n')
    (folder / "elsewhere.jsonl").write_text("secret\n")
    (folder / "table/rows.link.jsonl").symlink_to(folder / "elsewhere.jsonl")
    (folder / "table/rows.csv").write_text("path\n")
    with tarfile.open(folder / "some.tar", "w") as tar:
        for name, data in (("0.jpg", b"first"), ("1.jpg", BROKEN), ("1.txt", b"caption")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    (folder / "cut.tar").write_bytes((folder / "some.tar").read_bytes()[:2_000])
    told: dict[str, Any] = {
        "name": "broken",
        "workspace": str(folder / "ws"),
        "sources": [
            {"type": "folder", "name": "photos", "path": str(folder / "photos")},
            {"type": "table", "name": "table", "path": f"{folder}/table/rows.*"},
            {"type": "webdataset", "name": "web", "path": f"{folder}/*.tar"},
            {"type": "folder", "name": "days", "path": f"{folder}/{{date}}"},
            {"type": "urls", "name": "urls", "path": f"{folder}/table/rows.jsonl"},
        ],
        "score": {"scorers": [{"name": "technical"}]},
        "filter": {"policy": str(folder / "policy.yaml")},
        "tokenize": None,
        "cot": None,
        "release": {"title": "Broken", "license": "other", "description": "Made to test."},
    }
    rule = {"name": "side", "keep": "width >= 8", "on_missing": "drop", "reason": "tiny"}
    (folder / "policy.yaml").write_text(yaml.safe_dump({"name": "p", "version": "1", "rules": [rule]}))
    (folder / "recipe.yaml").write_text(yaml.safe_dump(told))
    return recipes.load(str(folder / "recipe.yaml"))


@pytest.mark.parametrize(
    ("source", "uri", "data"),
    [
        ("photos", "a b/cut.jpg", HEAD),
        ("photos", "a b/cut.jpg#t=1.0,2.5", HEAD),
        ("table", "rows.jsonl#pictures/cut.jpg", HEAD),
        ("table", "rows.jsonl#pictures/cut.jpg#2", HEAD),
        ("table", "rows.jsonl#row 2", b"{this is no row"),
        ("table", "rows.jsonl#row 1", b'{"path": "pictures/cut.jpg"}'),
        ("table", "rows.jsonl#", b'{"path": "pictures/cut.jpg"}\n{this is no row\n'),
        ("days", "2026-11-02/sub/cut.jpg", HEAD),
        ("web", "some.tar#1.jpg", HEAD),
        ("web", "cut.tar#0.jpg", b"first"),
    ],
)
def test_an_input_is_read_where_it_lies(recipe: Recipe, source: str, uri: str, data: bytes) -> None:
    assert shown(recipe, source, uri) == {"lines": dump(data), "note": ""}


@pytest.mark.parametrize(
    ("source", "uri", "note"),
    [
        ("photos", "empty.jpg", "no bytes"),
        ("photos", "gone.jpg", "missing"),
        ("photos", "a b", "not_a_file"),
        ("photos", "link.jpg", "not_allowed"),
        ("photos", "../secret.bin", "not_allowed"),
        ("table", "rows.jsonl#../secret.bin", "not_allowed"),
        ("table", "rows.jsonl#/etc/passwd", "not_allowed"),
        ("table", "rows.jsonl#file:///etc/passwd", "not_allowed"),
        ("table", "rows.jsonl#s3://elsewhere/cut.jpg", "not_allowed"),
        ("table", "rows.jsonl#http://127.0.0.1/cut.jpg", "nothing was kept"),
        ("table", "rows.jsonl#row 99", "there is no row 99"),
        ("table", "../elsewhere.jsonl#row 1", "not_allowed"),
        ("table", "rows.link.jsonl#row 1", "not_allowed"),
        ("web", "../x/some.tar#1.jpg", "not_allowed"),
        ("table", "rows.csv#row 2", "row 2 of a table"),
        ("web", "some.tar#9.jpg", "not found in its tar"),
        ("web", "nowhere.tar#1.jpg", "missing"),
        ("urls", "rows.jsonl#https://example.org/cut.jpg", "nothing was kept"),
        ("nobody", "x.jpg", "no source"),
    ],
)
def test_what_is_not_read(recipe: Recipe, source: str, uri: str, note: str) -> None:
    answer = shown(recipe, source, uri)
    assert answer["lines"] == []
    assert any(part in str(answer["note"]) for part in note.split("|")), answer


def test_a_dump_has_offsets_hex_and_text() -> None:
    assert dump(b"\x89PNG\r\n\x1a\n" + b"\x00" * 9) == [
        "00000000  89 50 4e 47 0d 0a 1a 0a 00 00 00 00 00 00 00 00  |.PNG............|",
        "00000010  00                                               |.|",
    ]
