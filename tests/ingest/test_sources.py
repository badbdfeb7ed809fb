"""Sources: what counts as an input, its captions, and that odd names and rows are never lost."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataengine.config.sources import FolderSource, TableSource, WebDatasetSource
from dataengine.errors import InputError, UsageError
from dataengine.ingest.folder import FolderReader
from dataengine.ingest.occurrence import Occurrence, SourceReader
from dataengine.ingest.table import TableReader
from dataengine.ingest.webdataset import WebDatasetReader
from dataengine.media.limits import Limits
from dataengine.storage.store import Store


def folder(path: Path | str, buckets: int = 3) -> FolderReader:
    return FolderReader(FolderSource(type="folder", name="f", path=str(path), buckets=buckets, license="cc0-1.0"))


def table(path: Path, **changes: object) -> TableReader:
    return TableReader(
        TableSource.model_validate({"type": "table", "name": "t", "path": str(path), "buckets": 2, **changes})
    )


def tars(pattern: Path) -> WebDatasetReader:
    return WebDatasetReader(WebDatasetSource(type="webdataset", name="w", path=str(pattern)), Limits(bytes=1000))


def items(reader: SourceReader) -> dict[str, Occurrence]:
    found = [item for part in reader.parts() for item in reader.occurrences(part.spec)]
    assert len({i.uri for i in found}) == len(found)
    return {i.uri: i for i in found}


def failure(item: Occurrence) -> str:
    with pytest.raises(InputError) as caught:
        item.read(Limits(bytes=1000))
    return caught.value.failure


def write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_folder_pairs_media_with_sidecars(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.jpg").write_bytes(b"A")
    (tmp_path / "a.txt").write_text("one\n\ntwo\n")
    (tmp_path / "sub" / "b.png").write_bytes(b"B")
    (tmp_path / "sub" / "b.png.json").write_text(json.dumps({"caption": "three", "license": "mit", "x": 1}))
    (tmp_path / "c.gif").write_bytes(b"C")
    (tmp_path / ".hidden.jpg").write_bytes(b"H")
    found = items(folder(tmp_path))
    assert set(found) == {"a.jpg", "sub/b.png", "c.gif"}
    assert found["a.jpg"].captions == ("one", "two") and found["a.jpg"].license == "cc0-1.0"
    assert found["sub/b.png"].captions == ("three",) and found["sub/b.png"].license == "mit"
    assert json.loads(found["sub/b.png"].meta or "") == {"x": 1}
    assert found["c.gif"].read(Limits()) == b"C"
    (tmp_path / "c.info.json").write_text('{"caption": "four"}')
    assert items(folder(tmp_path))["c.gif"].captions == ("four",)


def test_folder_names_that_are_not_text_are_kept_apart(tmp_path: Path) -> None:
    names = [b"bad\xff.jpg", b"bad\xfe.jpg", "späce #1%20[x].jpg".encode(), b"new\nline.jpg"]
    for n, name in enumerate(names):
        (tmp_path / os.fsdecode(name)).write_bytes(b"%d" % n)
    found = items(folder(tmp_path))
    assert sorted(i.read(Limits()) for i in found.values()) == [b"0", b"1", b"2", b"3"]


def test_folder_accounts_for_what_is_no_media(tmp_path: Path) -> None:
    (tmp_path / "alone.txt").write_text("a caption without a picture")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "large.jpg").write_bytes(bytes(1001))
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    (tmp_path / "bad.png").write_bytes(b"x")
    (tmp_path / "bad.json").write_text("{")
    found = items(folder(tmp_path))
    assert {u: failure(i) for u, i in found.items() if u != "bad.png"} == {
        "alone.txt": "missing",
        "bad.json": "bad_json",
        "empty.jpg": "empty",
        "large.jpg": "too_many_bytes",
        "gone.jpg": "missing",
    }
    assert "sidecar_error" in (found["bad.png"].meta or "")


def test_a_new_file_touches_one_part(tmp_path: Path) -> None:
    for n in range(30):
        (tmp_path / f"{n}.jpg").write_bytes(b"x")
    before = {p.name: p.key for p in folder(tmp_path).parts()}
    (tmp_path / "new.jpg").write_bytes(b"y")
    after = {p.name: p.key for p in folder(tmp_path).parts()}
    assert len(before) == 3 and sum(before[n] != after[n] for n in before) == 1


def test_a_folder_on_s3(s3: str) -> None:
    Store(s3).put("in/x/a.jpg", b"A")
    Store(s3).put("in/x/a.txt", b"hello")
    found = items(folder(f"{s3}/in"))
    assert found["x/a.jpg"].read(Limits()) == b"A" and found["x/a.jpg"].captions == ("hello",)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_tables_of_every_format(tmp_path: Path, kind: str) -> None:
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / "a.jpg").write_bytes(b"A")
    rows = [
        {"path": "img/a.jpg", "caption": "one"},
        {"path": "img/a.jpg", "caption": "two"},
        {"path": "none.jpg", "caption": ""},
    ]
    path = tmp_path / f"t.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    else:
        path.write_text("path,caption\n" + "".join(f"{r['path']},{r['caption']}\n" for r in rows))
    found = items(table(path))
    name = path.name
    assert found[f"{name}#img/a.jpg"].captions == ("one",) and found[f"{name}#img/a.jpg#2"].captions == ("two",)
    assert found[f"{name}#img/a.jpg"].read(Limits()) == b"A"
    assert failure(found[f"{name}#none.jpg"]) == "missing" and found[f"{name}#none.jpg"].captions == ()


def test_table_rows_that_make_no_sense_are_failures(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"path": "a.jpg", "caption": ["x", "y"]}\n{not json\n[1]\n{"caption": "no path"}\n')
    found = items(table(path))
    assert found["t.jsonl#a.jpg"].captions == ("x", "y")
    assert [failure(found[f"t.jsonl#row {n}"]) for n in (2, 3, 4)] == ["bad_row"] * 3


def test_tar_samples_wherever_their_members_stand(tmp_path: Path) -> None:
    write_tar(
        tmp_path / "0.tar",
        [
            ("k1.jpg", b"1"),
            ("d/k2.png", b"2"),
            ("k1.txt", b"late"),
            ("d/k2.json", b'{"caption": "c", "url": "u"}'),
            ("k3.txt", b""),
        ],
    )
    found = items(tars(tmp_path / "*.tar"))
    assert found["0.tar#k1.jpg"].captions == ("late",) and found["0.tar#k1.jpg"].read(Limits()) == b"1"
    assert found["0.tar#d/k2.png"].captions == ("c",)
    assert failure(found["0.tar#k3"]) == "missing"


def test_a_tar_that_ends_early_keeps_what_is_whole(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", [("a.jpg", b"A" * 600), ("b.jpg", b"B" * 900), ("c.jpg", b"C" * 1200)])
    assert failure(items(tars(path))["0.tar#c.jpg"]) == "too_many_bytes"
    path.write_bytes(path.read_bytes()[: 1536 + 600])
    found = items(tars(path))
    assert set(found) == {"0.tar#a.jpg", "0.tar#"} and failure(found["0.tar#"]) == "truncated"


def test_sources_that_do_not_exist(tmp_path: Path) -> None:
    for reader in (folder(tmp_path / "none"), table(tmp_path / "none.jsonl"), tars(tmp_path / "*.tar")):
        with pytest.raises(UsageError, match=r"none|tar"):
            reader.parts()


def test_files_of_one_name_in_two_folders_are_two_parts_with_other_uris(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_tar(tmp_path / name / "00000.tar", [("k.jpg", b"x" + name.encode())])
        (tmp_path / name / "t.jsonl").write_text('{"path": "k.jpg"}\n')
    (tmp_path / "a" / "t.csv").write_text("path\nk.jpg\n")
    for reader, uris in (
        (tars(tmp_path / "*" / "*.tar"), ["a/00000.tar#k.jpg", "b/00000.tar#k.jpg"]),
        (table(tmp_path / "*" / "t.*"), ["a/t.csv#k.jpg", "a/t.jsonl#k.jpg", "b/t.jsonl#k.jpg"]),
        (tars(tmp_path / "a" / "*.tar"), ["00000.tar#k.jpg"]),
    ):
        names = [p.name for p in reader.parts()]
        assert len(names) == len(set(names))
        assert sorted(items(reader)) == uris
