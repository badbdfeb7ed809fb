"""mlcroissant loads the records of a release that lies on s3://, by the folder that ``described.croissant`` makes for it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import mlcroissant
import pytest
from etils import epath
from mlcroissant._src.operation_graph.operations import extract
from PIL import ImageChops
from support.spoil import image, manifest, rewrite

from dataengine.errors import RunError, UsageError
from dataengine.readers.loaders import croissant
from dataengine.release.publish import publish
from dataengine.shards.read import read_shards
from dataengine.storage.store import Store


@pytest.fixture
def far(small: Path, s3_conditional: str) -> str:
    target = f"{s3_conditional}/releases/small"
    publish(str(small), target)
    return target


@pytest.fixture(autouse=True)
def one_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """mlcroissant's cache, the same for all releases of a test."""
    monkeypatch.setattr(extract, "EXTRACT_PATH", epath.Path(tmp_path / "extracted"))
    return tmp_path / "extracted"


def by_text(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """In one order: files are read by their names, which are digests in a cache."""
    return sorted(records, key=lambda row: repr([v for v in row.values() if isinstance(v, bytes | str)]))


def test_records_of_s3_are_those_of_the_folder(small: Path, far: str, tmp_path: Path) -> None:
    dataset = mlcroissant.Dataset(croissant(far, tmp_path / "cache"))
    near = mlcroissant.Dataset(small / "croissant.json")
    for name in ("inputs", "image", "image-facts", "video", "video-facts"):
        rows, same = by_text(dataset.records(name)), by_text(near.records(name))
        assert len(rows) == len(same) > 0
        for row, other in zip(rows, same, strict=True):
            assert row.keys() == other.keys()
            for key, value in row.items():
                if hasattr(value, "getbbox"):
                    assert ImageChops.difference(value, other[key]).getbbox() is None
                else:
                    assert value == other[key] or (value != value and other[key] != other[key])


def test_only_what_the_records_need_is_fetched_and_only_once(small: Path, far: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    told = croissant(far, cache, "inputs")
    ledger = next(f for f in manifest(small)["files"] if f["path"] == "ledger.parquet")
    assert {p.name for p in cache.iterdir()} == {told.name, f"{ledger['sha256']}.parquet"}
    assert len(list(mlcroissant.Dataset(told).records("inputs"))) == sum(manifest(small)["ledger"]["outcome"].values())
    croissant(far, cache, "image-facts")
    before = {p.name: p.stat().st_mtime_ns for p in cache.iterdir() if p != told}
    shards = {s["sha256"] for s in manifest(small)["shards"] if s["family"] == "image"}
    assert before.keys() == {f"{ledger['sha256']}.parquet", *(f"{digest}.tar" for digest in shards)}
    croissant(far, cache, "image", "image-facts")
    assert {p.name: p.stat().st_mtime_ns for p in cache.iterdir() if p != told} == before


def test_two_releases_of_one_name_do_not_share_what_is_extracted(
    small: Path, far: str, copy: Path, tmp_path: Path
) -> None:
    """By the shards' names within the release they would: the second would show the first one's pictures."""
    first = min(small.glob("shards/train-image-*.tar"))
    gone = next(read_shards([first]))[0]
    rewrite(copy / "shards" / first.name, lambda m: [(n, d) for n, d in m if not n.startswith(gone)])
    about = json.loads((copy / "croissant.json").read_bytes())
    listed = {f["path"]: f for f in manifest(copy)["files"]}
    for file in about["distribution"]:
        if file["name"] in listed:
            file |= {"sha256": listed[file["name"]]["sha256"], "contentSize": f"{listed[file['name']]['bytes']} B"}
    (copy / "croissant.json").write_text(json.dumps(about))
    before, after = (_ids(croissant(where, tmp_path / "cache", "image-facts")) for where in (far, str(copy)))
    assert before - after == {gone}


def _ids(path: Path) -> set[str]:
    return {r["image-facts/id"].decode() for r in mlcroissant.Dataset(path).records("image-facts")}


def test_what_is_damaged_or_unknown_is_named(small: Path, far: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no record set `sounds`; it has image, image-facts, inputs"):
        croissant(far, tmp_path, "sounds")
    shard = image(small).name
    Store(far).put(f"shards/{shard}", image(small).read_bytes()[:-1] + b"x")
    with pytest.raises(RunError, match=rf"checksum mismatch reading .*shards/{shard}"):
        croissant(far, tmp_path, "image")
    assert not list(tmp_path.glob("*.json")) and not list(tmp_path.glob("*.part"))
