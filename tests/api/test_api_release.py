"""A release opened from Python: members by id, by as few bytes as that takes, from a folder and from s3://."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dataengine
from dataengine.api.member_index import MemberIndex, headers, starts, written_shards
from dataengine.cot.core import record as cot_record
from dataengine.errors import RunError
from dataengine.release.publish import publish
from dataengine.release.reader import Tar
from dataengine.shards.codes import codes_of_sample
from dataengine.shards.places import write_places
from dataengine.shards.read import read_shards
from dataengine.storage.store import CHUNK, Store
from dataengine.storage.tar import write_tar
from dataengine.storage.workspace import File, Output, Record, Workspace

ABSENT = "0" * 32


def members(release: Path, pattern: str) -> dict[str, dict[str, bytes]]:
    return dict(read_shards(sorted(release.glob(pattern))))


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, small: Path) -> str:
    if request.param == "folder":
        return str(small)
    target = f"{request.getfixturevalue('s3_conditional')}/releases/small"
    publish(str(small), target)
    return target


def test_samples_and_records_by_id(place: str, small: Path) -> None:
    release = dataengine.open(place)
    expected, cot = members(small, "shards/*.tar"), members(small, "cot/*.tar")
    assert len(release) == len(expected) > 4 and len(cot) > 4
    for id_, fields in expected.items():
        sample = release.sample(id_)
        assert sample.media == fields.get("jpg", fields.get("mp4")) and sample.caption == fields["txt"].decode()
        assert sample.metadata == json.loads(fields["json"]) and sample.codes == codes_of_sample(fields)
    for id_, fields in cot.items():
        record = release.record(id_)
        assert (
            record.data
            == json.loads(fields["json"])
            == json.loads(cot_record.Record.from_bytes(fields["json"]).to_bytes())
        )
        assert record.pictures == {name: data for name, data in fields.items() if name.endswith(".png")}
        assert {*record.samples} <= {*expected}
        assert {f"{name.removesuffix('.png')}.codes.npy" for name in record.codes} == {
            name for name in fields if name.endswith(".npy")
        }
    assert {sample.id for sample in release.samples()} == {*expected}
    assert {record.id for record in release.records("train")} == {*cot}
    assert pickle.loads(pickle.dumps(release)).sample(next(iter(expected))).id == next(iter(expected))
    assert release.manifest["name"] == "small" and set(release.tables()) >= {"ledger", "assignment"}
    assert release.scan("assignment").aggregate("count(*)").fetchall() == [(len(expected),)]


def test_what_is_not_there_is_said(small: Path, tmp_path: Path) -> None:
    release = dataengine.open(small)
    id_ = next(iter(members(small, "shards/*.tar")))
    for call, message in (
        (lambda: release.sample(ABSENT), f"has no sample {ABSENT}; its ledger says"),
        (lambda: release.record(id_), f"has no CoT record {id_}"),
        (lambda: release.sample("cat.jpg"), "'cat.jpg' is no id"),
        (lambda: release.sample(id_).read("wav"), "has no wav; it has "),
        (lambda: dataengine.open(tmp_path / "none"), "no such folder"),
    ):
        with pytest.raises(dataengine.UsageError, match=message):
            call()


def test_a_changed_member_is_refused(copy: Path) -> None:
    path = next((copy / "shards").glob("train-image-*.tar"))
    [(id_, fields), *_] = read_shards([path])
    data = path.read_bytes()
    at = data.index(fields["jpg"]) + len(fields["jpg"]) // 2
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    with pytest.raises(RunError, match=f"checksum mismatch reading {id_}.jpg"):
        _ = dataengine.open(copy).sample(id_).media


@pytest.mark.parametrize("tables", ["split", "none"])
def test_places_in_several_files_or_none(tables: str, copy: Path) -> None:
    """As of a large release, whose table is cut by the first digits of ids, and of one of before there was a table."""
    expected = members(copy, "shards/*.tar")
    table = pq.read_table(copy / "assignment.parquet")
    (copy / "assignment.parquet").unlink()
    manifest = json.loads((copy / "manifest.json").read_bytes())
    manifest["files"] = [one for one in manifest["files"] if one["path"] != "assignment.parquet"]
    if tables == "split":
        (copy / "assignment").mkdir()
        for digit in "0123456789abcdef":
            rows = table.filter(pa.array([id_.startswith(digit) for id_ in table["id"].to_pylist()]))
            pq.write_table(rows, copy / "assignment" / f"{digit}.parquet")
            size = (copy / "assignment" / f"{digit}.parquet").stat().st_size
            manifest["files"].append({"path": f"assignment/{digit}.parquet", "sha256": "0" * 64, "bytes": size})
    (copy / "manifest.json").write_text(json.dumps(manifest))
    release = dataengine.open(copy)
    id_ = next(iter(expected))
    for path in (copy / "assignment").glob("*.parquet"):
        if not id_.startswith(path.stem):
            path.write_bytes(b"not read")
    assert release.sample(id_).caption == expected[id_]["txt"].decode()
    with pytest.raises(dataengine.UsageError, match="has no sample"):
        release.sample(id_[:-1] + ("1" if id_[-1] == "0" else "0"))


def entries(count: int, size: int) -> Iterator[tuple[str, bytes]]:
    rng = np.random.default_rng(0)
    for number in range(count):
        yield f"{number:032x}.jpg", rng.bytes(size + number)
        yield f"{number:032x}.json", b"{}"


@pytest.mark.parametrize("count, size, share", [(12, 2 << 20, 0.1), (2000, 5_000, 1.01)])
def test_a_lookup_reads_headers_and_not_the_shard(
    count: int, size: int, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "a.tar").open("wb") as out:
        info = write_tar(out, entries(count, size))
    tar, store = Tar("a.tar", info.sha256, info.bytes, count), Store(tmp_path)
    requests: list[int] = []
    get_range = Store.get_range

    def counted(self: Store, key: str, start: int, length: int) -> bytes:
        requests.append(length)
        return get_range(self, key, start, length)

    monkeypatch.setattr(Store, "get_range", counted)
    assert tuple(headers(store, tar)) == info.members
    assert sum(requests) < share * info.bytes and max(requests) <= CHUNK
    requests.clear()
    index = MemberIndex(store, tar)
    assert index.of(f"{1:032x}") == {"jpg": (info.members[2].offset, size + 1), "json": (info.members[3].offset, 2)}
    first = len(requests)
    assert first <= 4
    assert index.of(f"{0:032x}") is not None and len(requests) == first, "what was read is remembered"
    assert index.of("f" * 32) is None


def test_a_tar_that_others_were_read_after_is_gone_on_with_where_it_was_left(tmp_path: Path) -> None:
    with (tmp_path / "a.tar").open("wb") as out:
        info = write_tar(out, entries(40, 5000))
    whole = dict(zip(*[iter(info.members)] * 2, strict=True))
    expected = {m.name[:32]: {"jpg": (m.offset, m.size), "json": (n.offset, n.size)} for m, n in whole.items()}
    index = MemberIndex(Store(tmp_path), Tar("a.tar", info.sha256, info.bytes, 40))
    for id_, extents in expected.items():
        assert index.of(id_) == extents
        index.pause()
    assert index.of(ABSENT[:-2] + "ff") is None


def test_a_damaged_tar_is_an_error_each_time(tmp_path: Path) -> None:
    with (tmp_path / "a.tar").open("wb") as out:
        info = write_tar(out, entries(20, 5000))
    whole = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[: info.members[10].offset + 100])
    index = MemberIndex(Store(tmp_path), Tar("a.tar", info.sha256, info.members[10].offset + 100, 20))
    for _ in range(2):
        with pytest.raises(RunError, match="without its closing blocks"):
            index.of(ABSENT[:-2] + "ff")
    assert index.of(ABSENT) is not None


def test_where_the_workspace_knows_the_places_no_headers_are_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a release with an index of its own; one that was made anew, or lies elsewhere, is searched as any other."""
    workspace, store = Workspace(str(tmp_path)), Store(tmp_path / "releases" / "x")
    (tmp_path / "releases" / "x" / "shards").mkdir(parents=True)
    with (tmp_path / "releases" / "x" / "shards" / "a.tar").open("wb") as out:
        info = write_tar(out, entries(400, 30_000))
    tar = Tar("shards/a.tar", info.sha256, info.bytes, 400)
    places = write_places(workspace, "a", "0" * 32, info.members)
    files = {"tar": File("releases/x/shards/a.tar", info.sha256, info.bytes), "places": places}
    record = Record("shard.write", "0", {"a": Output(files)})
    workspace.store.put("stages/shard.write/x.json", record.to_bytes())
    known = starts(store, tar, written_shards(store))
    assert len(known) == 400 and starts(store, replace(tar, sha256="other"), written_shards(store)) == {}
    assert written_shards(Store(tmp_path / "copy")) == {}
    expected = MemberIndex(store, tar).of(f"{399:032x}")
    requests: list[int] = []
    get_range = Store.get_range

    def counted(self: Store, key: str, start: int, length: int) -> bytes:
        requests.append(length)
        return get_range(self, key, start, length)

    monkeypatch.setattr(Store, "get_range", counted)
    index = MemberIndex(store, tar, known)
    assert index.of(f"{399:032x}") == expected and sum(requests) <= 2 << 16
    wrong = MemberIndex(store, tar, {ABSENT: known[f"{1:032x}"]})
    with pytest.raises(RunError, match="is not as its workspace has it"):
        wrong.of(ABSENT)
