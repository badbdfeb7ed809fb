"""A row, link or sidecar reads only what the recipe allows, and only regular files."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.source_readers import ends, failure, folder, items, table

from dataengine.config.sources import FolderSource, UrlsSource
from dataengine.errors import InputError
from dataengine.ingest.folder import FolderReader
from dataengine.ingest.reading import _open_allowed, open_file
from dataengine.ingest.table import UrlsReader
from dataengine.storage.store import Store


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "a.jpg").write_bytes(b"A")
    (tmp_path / "b.jpg").write_bytes(b"B")
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="the fast way is Linux's")
def test_the_fast_way_opens_what_the_careful_one_opens_and_nothing_else(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "in-too"
    for folder_ in (inside, outside):
        folder_.mkdir()
        (folder_ / "a.jpg").write_bytes(b"A")
    (inside / "link.jpg").symlink_to("a.jpg")
    (inside / "out.jpg").symlink_to(outside / "a.jpg")
    (tmp_path / "alias").symlink_to(inside)
    os.mkfifo(inside / "pipe.jpg")
    for name, opens in {"a": True, "link": True, "out": False, "pipe": False, "none": False}.items():
        for root in (inside, tmp_path / "alias"):
            path = f"{root}/{name}.jpg"
            for way in (_open_allowed, open_file):
                try:
                    file = way(path, (str(tmp_path / "alias"), "s3://bucket/x"))
                except InputError:
                    file = None
                assert (file is not None) == opens, (way.__name__, path)
                if file is not None:
                    assert file.read() == b"A"
                    file.close()


@pytest.mark.parametrize("row", ["https://h.example/a.jpg", "HTTP://H.example/a.jpg", " http://h.example/a.jpg"])
def test_urls_of_any_case(tmp_path: Path, row: str) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps({"url": row}))
    [item] = items(UrlsReader(UrlsSource(type="urls", name="u", path=str(tmp_path / "t.jsonl")))).values()
    assert item.error is None and item.location.startswith(("http://", "https://"))


@pytest.mark.parametrize(
    "row", ["/etc/passwd", "a.jpg", "file:///etc/passwd", "s3://b/x", "gs://b/x", "data:,x", "x" * 9000]
)
def test_urls_takes_http_alone(pictures: Path, row: str) -> None:
    (pictures / "t.jsonl").write_text(json.dumps({"url": row}))
    [item] = items(UrlsReader(UrlsSource(type="urls", name="u", path=str(pictures / "t.jsonl")))).values()
    assert failure(item).failure == ("bad_url" if len(row) < 9000 else "bad_row")


def test_other_folders_only_where_the_recipe_names_them(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.jpg").write_bytes(b"A")
    (tmp_path / "elsewhere-too.jpg").write_bytes(b"A")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "elsewhere")
    rows = [
        "../elsewhere/a.jpg",
        str(tmp_path / "elsewhere" / "a.jpg"),
        f"file://{tmp_path}/elsewhere/a.jpg",
        "link/a.jpg",
    ]
    rows.append("../elsewhere-too.jpg")
    (tmp_path / "in" / "t.jsonl").write_text("".join(json.dumps({"path": row}) + "\n" for row in rows))
    assert set(ends(table(tmp_path / "in" / "t.jsonl")).values()) == {"not_allowed"}
    for root in (str(tmp_path / "elsewhere"), f"file://{tmp_path}/elsewhere", str(tmp_path / "in" / "link")):
        outcomes = ends(table(tmp_path / "in" / "t.jsonl", roots=[root]))
        assert outcomes.pop("t.jsonl#../elsewhere-too.jpg") == "not_allowed"
        assert set(outcomes.values()) == {()}


def test_links_that_leave_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"S")
    (tmp_path / "secret.txt").write_text("hunter2")
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / "in" / name).write_bytes(b"A")
    (tmp_path / "in" / "b.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "in" / "c.json").symlink_to("/proc/self/environ")
    (tmp_path / "in" / "d.jpg").symlink_to("../secret.jpg")
    (tmp_path / "in" / "e.jpg").symlink_to("a.jpg")
    outcomes = ends(folder(tmp_path / "in"))
    refused = {name: outcomes.pop(name) for name in ("b.txt", "c.json", "d.jpg")}
    assert set(refused.values()) == {"not_allowed"} and set(outcomes) == {"a.jpg", "b.jpg", "c.jpg", "e.jpg"}
    assert set(outcomes.values()) == {()}
    assert "hunter2" not in str(items(folder(tmp_path / "in")))
    allowed = ends(folder(tmp_path / "in", roots=[str(tmp_path)]))
    assert allowed["b.jpg"] == ("hunter2",) and allowed["d.jpg"] == () and allowed["c.json"] == "not_allowed"
    (tmp_path / "linked").symlink_to(tmp_path / "in")
    assert ends(folder(tmp_path / "linked"))["a.jpg"] == ()


def test_tables_that_a_pattern_finds_behind_a_link_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "t.jsonl").write_text('{"path": "a.jpg"}')
    (tmp_path / "in" / "t.jsonl").symlink_to("../t.jsonl")
    assert ends(table(tmp_path / "in" / "*.jsonl")) == {"t.jsonl#": "not_allowed"}
    assert ends(table(tmp_path / "in" / "t.jsonl")) == {"t.jsonl#a.jpg": "missing"}, "the recipe names it"


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"A")
    for name in ("a.txt", "pipe.jpg"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    outcomes = ends(folder(tmp_path, roots=["/dev"]))
    assert outcomes == {"a.jpg": (), "a.txt": "not_a_file", "pipe.jpg": "not_a_file", "zero.jpg": "not_a_file"}
    if sys.platform == "linux":
        (tmp_path / "endless.jpg").symlink_to("/proc/kallsyms")  # a regular file of 0 bytes that yields megabytes
        assert ends(folder(tmp_path, roots=["/proc"]))["endless.jpg"] in ("too_many_bytes", "unreadable")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_sidecars_are_decoded_by_their_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.jpg").write_bytes(b"A")
    (tmp_path / "a.txt").write_text("Käse\nBrot\n", encoding)
    (tmp_path / "a.json").write_text('{"caption": "Öl"}', encoding)
    assert ends(folder(tmp_path)) == {"a.jpg": ("Käse", "Brot", "Öl")}


@pytest.mark.parametrize(
    ("facts", "failure_class"),
    [("{", "bad_json"), ("[" * 100_000, "bad_json"), ('{"caption": {"en": "x"}, "license": "mit"}', "bad_caption")],
)
def test_a_sidecar_that_cannot_be_used_is_a_failure_of_its_own(tmp_path: Path, facts: str, failure_class: str) -> None:
    (tmp_path / "a.jpg").write_bytes(b"A")
    (tmp_path / "a.txt").write_text("kept")
    (tmp_path / "a.json").write_text(facts)
    assert ends(folder(tmp_path)) == {"a.jpg": ("kept",), "a.json": failure_class}
    if "license" in facts:
        assert items(folder(tmp_path))["a.jpg"].license == "mit"


def test_licences_are_texts(pictures: Path) -> None:
    for value, text in (
        ("mit", "mit"),
        (4, "4"),
        ({"name": "mit"}, '{"name": "mit"}'),
        (["a", "b"], '["a", "b"]'),
        (None, None),
    ):
        (pictures / "t.jsonl").write_text(json.dumps({"path": "a.jpg", "license": value}))
        assert items(table(pictures / "t.jsonl"))["t.jsonl#a.jpg"].license == text


def test_names_of_tables_that_are_not_text(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"A")
    for name in (b"caf\xe9.jsonl", b"caf\xe8.jsonl"):
        (tmp_path / os.fsdecode(name)).write_text('{"path": "a.jpg"}')
    assert ends(table(tmp_path / "*.jsonl")) == {r"caf\xe9.jsonl#a.jpg": (), r"caf\xe8.jsonl#a.jpg": ()}


def test_a_read_makes_no_folders(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps({"path": f"file://{tmp_path}/new/x.jpg"}))
    value: Any = ends(table(tmp_path / "t.jsonl"))
    assert list(value.values()) == ["missing"]
    assert [path.name for path in tmp_path.iterdir()] == ["t.jsonl"]


def test_roots_and_tables_on_s3(s3: str) -> None:
    store = Store(s3)
    for key in ("in/t/img/a.jpg", "in/elsewhere/a.jpg", "in/t-too/a.jpg"):
        store.put(key, b"A")
    odd = ["img//a.jpg", "img/./a.jpg", "a/../img/a.jpg"]
    inside = ["img/a.jpg", f"{s3}/in/t/img/a.jpg", *odd]
    outside = ["../elsewhere/a.jpg", f"{s3}/in/elsewhere/a.jpg", "../t-too/a.jpg", "/etc/passwd", "s3://other/a.jpg"]
    rows = [*inside, *outside, "img/" + "x" * 2000, "img/\n.jpg", "img/none.jpg"]
    store.put("in/t/t.jsonl", "".join(json.dumps({"path": row}) + "\n" for row in rows).encode())
    found = {uri.partition("#")[2]: end for uri, end in ends(table(f"{s3}/in/t/t.jsonl")).items()}
    assert {found[row] for row in inside} == {()} and {found[row] for row in outside} == {"not_allowed"}
    assert [found[row] for row in rows[-3:]] == ["unreadable", "unreadable", "missing"]
    allowed = ends(table(f"{s3}/in/t/t.jsonl", roots=[f"{s3}/in/elsewhere/"]))
    assert allowed["t.jsonl#../elsewhere/a.jpg"] == () and allowed["t.jsonl#../t-too/a.jpg"] == "not_allowed"


def test_tables_of_every_format_on_s3(s3: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": ["a.jpg"] * 5000, "caption": ["x"] * 5000}), tmp_path / "t.parquet")
    data = (tmp_path / "t.parquet").read_bytes()
    for name, text in (
        ("t.parquet", data),
        ("t.csv", b"path,caption\n" + b"a.jpg,x\n" * 5000),
        ("cut.parquet", data[:-9]),
    ):
        Store(s3).put(f"in/{name}", text)
    found = items(table(f"{s3}/in/*"))
    assert len(found) == 10_001 and failure(found.pop("cut.parquet#")).failure == "bad_table"
    assert {item.captions for item in found.values()} == {("x",)}


def test_a_source_by_file_url_is_that_of_its_path(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").symlink_to("/etc/hostname")
    (tmp_path / "in" / "t.jsonl").write_text('{"path": "a.jpg"}')
    assert ends(table(f"file://{tmp_path}/in/t.jsonl")) == {"t.jsonl#a.jpg": "not_allowed"}
    (tmp_path / "in" / "t.jsonl").unlink()
    fields = {"type": "folder", "name": "f", "path": f"file://{tmp_path}/in"}
    assert ends(FolderReader(FolderSource.model_validate(fields))) == {"a.jpg": "not_allowed"}
