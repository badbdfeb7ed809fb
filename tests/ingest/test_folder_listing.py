"""Listing a folder by parts: the parts that a list of all files gives, without one."""

from __future__ import annotations

import gc
import hashlib
import os
import pickle
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import obstore
import pytest
from obstore.exceptions import GenericError
from support.source_readers import folder

from dataengine.errors import InputError, UsageError
from dataengine.ingest import spooled_rows
from dataengine.ingest.folder import buckets_for
from dataengine.ingest.folder_listing import Media, _without_suffix, listing, paired
from dataengine.ingest.spooled_rows import Spool
from dataengine.storage.store import Store
from dataengine.storage.workspace import digest

NAMES = [
    "a.jpg", "a.txt", "a.json", "a.png", "b.jpg", "b.jpg.txt", "b.info.txt", "c.d.jpg", "c.d.txt", "c.jpg", "c.json", "plain",
    "plain.txt", "other", "other.info.json", "ends.", "ends..txt", "alone.txt", "ALONE.JSON", "x.JPG", "x.txt", "dir/a.jpg",
    "dir/sub/a.txt", "dir.b/a.webp", "dir.b/a.webp.json", "dir/b-c.jpg", "é.jpg", "é.txt", "many.jpg.jpg", "many.jpg.txt",
]  # fmt: skip
BYTES = [b"\xff\xfe.jpg", b"\xff\xfe.txt", b"dir/\xe9.txt"]
HIDDEN = [".hidden.jpg", "dir/.x", ".git/config.txt"]


def corpus(root: Path) -> Path:
    for name in [*NAMES, *HIDDEN, *(f"n/{n % 3}/{n}.{ext}" for n in range(40) for ext in ("jpg", "txt"))]:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    for raw in BYTES:
        Path(os.fsdecode(os.fsencode(root) + b"/" + raw)).write_bytes(raw)
    (root / "link.jpg").symlink_to(root / "a.jpg")
    (root / "broken.jpg").symlink_to("nowhere")
    (root / "loop").symlink_to(root)
    return root


def whole(root: Path, buckets: int) -> dict[str, list[tuple[str, list[str]]]]:
    """By part, each file with the names of itself and its sidecars: from a list of all, sorted."""
    names = sorted(
        f.relative_to(root).as_posix()
        for f in root.rglob("*")
        if (f.is_symlink() or f.is_file())
        and f.name != "loop"
        and not any(p.startswith(".") for p in f.relative_to(root).parts)
    )
    sidecars = [n for n in names if n.lower().endswith((".txt", ".json"))]
    files = []
    for name in (n for n in names if n not in sidecars):
        stem = str(PurePosixPath(name).with_suffix(""))
        own = [
            [c for c in (f"{stem}{s}", f"{name}{s}", f"{stem}.info{s}") if c in sidecars][:1] for s in (".txt", ".json")
        ]
        files.append((name, [name, *own[0], *own[1]]))
    used = {n for _, some in files for n in some}
    parts: dict[str, list[tuple[str, list[str]]]] = {}
    for name, some in [*files, *((n, [n]) for n in sidecars if n not in used)]:
        text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % buckets
        parts.setdefault(f"f-{number:04d}", []).append((text, some))
    return parts


def tag(root: Path, name: str) -> str:
    stat = (root / name).lstat()
    return f"{stat.st_size}:{stat.st_mtime_ns}"


@pytest.mark.parametrize("held", [1, 7, 1 << 16])
def test_parts_are_those_of_a_list_of_all_files(tmp_path: Path, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    root = corpus(tmp_path)
    monkeypatch.setattr(spooled_rows, "_HELD", held)
    reader, expected = folder(root, buckets=5), whole(root, 5)
    parts = reader.parts()
    keys = {
        name: digest([*((text, [tag(root, n) for n in own]) for text, own in files), ("", [])])
        for name, files in expected.items()
    }
    assert {part.name: part.key for part in parts} == keys and len(keys) == 5
    for part in parts:
        for spec in (part.spec, pickle.loads(pickle.dumps(part.spec)), part.spec):
            uris = list(dict.fromkeys(item.uri for item in reader.occurrences(spec)))
            assert [u for u in uris if u in dict(expected[part.name])] == [text for text, _ in expected[part.name]]


def test_no_file_is_held_for_a_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 400 files none is in memory when the parts are known; while they are listed, those of a bin and what waits."""
    for n in range(400):
        (tmp_path / f"{n:05d}.jpg").touch()
    monkeypatch.setattr(spooled_rows, "_HELD", 16)
    parts = folder(tmp_path, buckets=8).parts()
    gc.collect()
    assert not any(type(thing) is Media for thing in gc.get_objects())
    assert sum(len(list(part.spec)) for part in parts) == 400


@pytest.mark.parametrize(
    ("files", "buckets"), [(0, 16), (32_768, 16), (32_769, 64), (131_072, 64), (131_073, 256), (10**9, 4096)]
)
def test_a_large_folder_has_more_parts(files: int, buckets: int) -> None:
    assert buckets_for(files) == buckets


def test_sidecars_and_files_that_are_left_out_make_no_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(33):
        for ext in ("jpg", "txt", "gif"):
            (tmp_path / f"{n}.{ext}").touch()
    monkeypatch.setattr("dataengine.ingest.folder._PART_FILES", 2)

    def highest(**fields: Any) -> int:
        return max(int(part.name.removeprefix("f-")) for part in folder(tmp_path, buckets="auto", **fields).parts())

    assert highest() >= 16
    (tmp_path / "32.jpg").unlink()
    assert highest(exclude=["*.gif"]) < 16


def test_a_spool_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    spool = Spool()
    spool.add(3, ["x", "\udcff"])
    [(name, rows)] = spool.bins()
    assert (name, list(rows), list(rows), list(tmp_path.iterdir())) == (3, [["x", "\udcff"]], [["x", "\udcff"]], [])


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["a.jpg", "a.txt", "a.jpg.txt"], [("a.jpg", "a.txt", None), ("a.jpg.txt", None, None)]),
        (["a.jpg", "a.png", "a.info.json"], [("a.jpg", None, "a.info.json"), ("a.png", None, "a.info.json")]),
        (["x/a.jpg", "y/a.txt"], [("x/a.jpg", None, None), ("y/a.txt", None, None)]),
        (["a", "a.json"], [("a", None, "a.json")]),
    ],
)
def test_sidecars_are_paired(files: list[str], expected: list[tuple[Any, ...]]) -> None:
    pairs = paired((name, "t") for name in files)
    assert sorted((m.name, m.text, m.json) for m in pairs) == expected


def test_what_cannot_be_listed_is_a_failure_row(tmp_path: Path) -> None:
    """A folder whose path is too long for the kernel, and a link to itself."""
    (tmp_path / "a.jpg").touch()
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    depth, name, handle = 20, "n" * 250, os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=handle)
        below = os.open(name, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(handle)
    reader = folder(tmp_path, buckets=1)
    [part] = reader.parts()
    rows = {item.uri: item.error for item in reader.occurrences(part.spec)}
    [long] = [uri for uri in rows if uri.startswith("n")]
    error = rows.pop(long)
    assert long.endswith(f"{name}/") and isinstance(error, InputError)
    assert (error.failure, error.message) == ("unreadable", "the folder cannot be listed: File name too long")
    assert rows == {"a.jpg": None, "self.jpg": None}
    assert reader.parts()[0].key == part.key


def test_a_folder_of_hidden_files_is_empty(tmp_path: Path) -> None:
    (tmp_path / ".x").touch()
    with pytest.raises(UsageError, match="holds no files"):
        list(listing(str(tmp_path)))


def test_a_listing_that_breaks_goes_on_where_it_was(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(s3)
    for n in range(7):
        store.put(f"in/{n}.jpg", b"x")
    listed, starts = obstore.list, list[str | None]()

    def breaking(*args: Any, offset: str | None = None, **rest: Any) -> Iterator[Any]:
        starts.append(offset)
        pages = listed(*args, offset=offset, **{**rest, "chunk_size": 2})
        yield next(pages)
        if len(starts) < 3:
            raise GenericError("error decoding response body")
        yield from pages

    monkeypatch.setattr(obstore, "list", breaking)
    assert [e.key for e in store.entries("in")] == [f"in/{n}.jpg" for n in range(7)]
    assert starts == [None, "in/1.jpg", "in/3.jpg"]


@pytest.mark.parametrize(
    "name", ["a.jpg", "a/b.c.jpg", "a.b/c", "a.b/c.", "a/..b", "a/b..jpg", "a b/é.x", "a/.b/c.tar.gz"]
)
def test_the_stem_is_that_of_pathlib(name: str) -> None:
    assert _without_suffix(name) == str(PurePosixPath(name).with_suffix(""))


def test_no_sidecar_belongs_to_a_folder_that_cannot_be_listed() -> None:
    found = {
        media.name: media
        for media in paired([("a/", "denied"), ("a.txt", "1:1"), ("b//c.jpg", "1:1"), ("b//c.txt", "1:1")])
    }
    assert found["a/"].text is None and found["a.txt"].orphan
    assert found["b//c.jpg"].text == "b//c.txt", "as keys of S3 may be"
