"""A release is read whole by tarfile, webdataset, Hugging Face datasets and our own reader."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import tarfile
from pathlib import Path
from typing import Any

import av
import datasets
import numpy as np
import pytest
import webdataset as wds
from PIL import Image
from support.code_tokens import tokens_of
from support.shard_release import Release

from dataengine.shards.read import read_shards
from dataengine.shards.sample import FAMILIES, flatten, sample_members
from dataengine.storage.tar import write_tar

PLACES = list(itertools.product(("train", "validation"), FAMILIES))
FIELDS = ["txt", "json", "codes.npy"]


def _fields(release: Release, key: str) -> dict[str, bytes]:
    return {name.partition(".")[2]: data for name, data in release.members[key]}


def test_the_corpus_is_worth_reading(release: Release) -> None:
    assert all(release.paths(split, family) for split, family in PLACES)
    assert len(release.paths("train", "image")) > 1
    assert len({s.row["format"] for s in release.sources.values()}) == 13
    assert {split for split, _ in PLACES} == set(release.split.values())


def test_shards_are_as_the_manifest_says(release: Release) -> None:
    assert sum(s.samples for s in release.shards) == len(release.sources)
    assert len(release.shards) >= 4
    for shard in release.shards:
        data = (release.folder / f"{shard.name}.tar").read_bytes()
        assert (shard.sha256, shard.bytes) == (hashlib.sha256(data).hexdigest(), len(data))


def test_two_writes_give_the_same_bytes(release: Release) -> None:
    for shard in release.shards:
        data = (release.folder / f"{shard.name}.tar").read_bytes()
        keys = [key for key, _ in read_shards([data])]
        out = io.BytesIO()
        assert write_tar(out, flatten(release.members[k] for k in keys)).sha256 == shard.sha256
        assert out.getvalue() == data


def test_our_reader(release: Release) -> None:
    found = dict(read_shards(sorted(release.folder.glob("*.tar"))))
    assert found == {key: _fields(release, key) for key in release.sources}


def test_tarfile(release: Release) -> None:
    found: list[tuple[str, bytes]] = []
    for path in sorted(release.folder.glob("*.tar")):
        with tarfile.open(path) as archive:
            found += [(m.name, archive.extractfile(m).read()) for m in archive]  # type: ignore[union-attr]
            assert {(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in archive} == {(0, 0, 0, "", 0o644)}
    assert sorted(found) == sorted(itertools.chain.from_iterable(release.members.values()))


@pytest.mark.parametrize(("split", "family"), PLACES)
def test_webdataset(release: Release, split: str, family: str) -> None:
    paths = release.paths(split, family)
    seen = []
    for sample in wds.WebDataset(paths, shardshuffle=False).decode("pil"):
        key, source = sample["__key__"], release.sources[sample["__key__"]]
        seen.append(key)
        assert sample["json"]["sha256"] == source.row["sha256"]
        assert sample["txt"] == sample["json"]["captions"][0]["text"]
        assert sample["codes.npy"].shape == (tokens_of(sample["json"]["codes"]), 8)
        if family == "image":
            assert sample["jpg"].size == (source.row["width"], source.row["height"])
        else:
            assert sample["mp4"] == source.media
    assert len(seen) == len(set(seen)) and set(seen) == release.keys(split, family)


def _huggingface(release: Release, split: str, family: str, cache: Path) -> Any:
    files = {split: release.paths(split, family)}
    return datasets.load_dataset("webdataset", data_files=files, split=split, cache_dir=str(cache))


@pytest.mark.parametrize(("split", "family"), PLACES)
def test_huggingface_datasets(release: Release, split: str, family: str, tmp_path: Path) -> None:
    found = _huggingface(release, split, family, tmp_path)
    media = FAMILIES[family]
    kind = datasets.Image if family == "image" else datasets.Video
    assert isinstance(found.features[media], kind)
    seen = []
    for row in found.cast_column(media, kind(decode=False)):
        key = row["__key__"]
        seen.append(key)
        ours = _fields(release, key)
        assert row[media]["bytes"] == ours[media] == release.sources[key].media
        assert row["json"] == json.loads(ours["json"])
        assert row["txt"].encode() == ours["txt"]
        assert np.array_equal(row["codes.npy"], np.load(io.BytesIO(ours["codes.npy"])))
    assert len(seen) == len(set(seen)) and set(seen) == release.keys(split, family)


def test_huggingface_decodes_every_picture(release: Release, tmp_path: Path) -> None:
    rows = list(_huggingface(release, "train", "image", tmp_path))
    assert len(rows) > 20
    for row in rows:
        frame = release.sources[row["__key__"]].frames[0]
        assert isinstance(row["jpg"], Image.Image)
        difference = np.asarray(row["jpg"].convert("RGB")).astype(int) - frame
        assert np.abs(difference).mean() < 12  # lossy formats and GIF's palette


def test_clips_decode_whatever_their_container(release: Release) -> None:
    """From the bytes alone, as torchcodec, decord and PyAV readers of ``.mp4`` fields do."""
    clips = [dict(release.members[k])[f"{k}.mp4"] for k, s in release.sources.items() if s.row["kind"] == "video"]
    assert len(clips) == 14
    for data in clips:
        with av.open(io.BytesIO(data)) as container:
            assert sum(1 for _ in container.decode(video=0)) >= 11


def test_types_inferred_from_bare_samples_hold_for_full_ones(release: Release, tmp_path: Path) -> None:
    """Hugging Face infers types from five samples; null or an empty list there would refuse all that follow."""
    source = next(s for s in release.sources.values() if s.row["kind"] == "video")
    bare = source.row | {"captions": [], "fps": None, "duration": None, "codec": None, "phash": None, "license": None}
    full = source.row | {"captions": [{"text": "x", "source": "y", "uri": "z"}], "codec": "h264", "license": "mit"}
    samples = [sample_members(bare | {"id": f"{n:032x}"}, b"", scores={"a": None, "b": 1}) for n in range(6)]
    samples += [sample_members(full | {"id": f"{n:032x}"}, b"", scores={"a": 0.5, "b": 2}) for n in range(6, 9)]
    path = tmp_path / "x.tar"
    with path.open("wb") as out:
        write_tar(out, flatten(samples))
    rows = datasets.load_dataset("webdataset", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    found = rows.select_columns(["__key__", "json"]).to_list()
    assert [(r["__key__"], r["json"]) for r in found] == [
        (members[0][0].partition(".")[0], json.loads(members[2][1])) for members in samples
    ]
