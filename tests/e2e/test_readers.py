"""A release is read whole by the readers that trainers have: tarfile, webdataset and Hugging Face datasets."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import webdataset as wds
import yaml
from support.code_tokens import tokens_of
from support.small_corpus import Setup, ledger, manifest, members, read_npy

from dataengine.shards.sample import FAMILIES

KINDS = {"image": datasets.Image, "video": datasets.Video}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.fixture(scope="module")
def packed(base: Setup) -> dict[str, dict[str, bytes]]:
    """Members of each kept sample by field, as ``tarfile`` reads them."""
    found: dict[str, dict[str, bytes]] = {}
    for name, data in members(sorted((base.release / "shards").glob("*.tar"))).items():
        key, _, field = name.partition(".")
        found.setdefault(key, {})[field] = data
    return found


def header(release: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((release / "README.md").read_text().split("---\n")[1])
    return loaded


def kept(release: Path) -> Counter[str]:
    return Counter(r["id"] for r in ledger(release) if r["outcome"] == "kept")


def test_tarfile_finds_every_kept_sample_once(base: Setup, packed: dict[str, dict[str, bytes]]) -> None:
    assert Counter(packed.keys()) == kept(base.release)
    assert {tuple(sorted(fields)) for fields in packed.values()} == {
        ("codes.npy", "jpg", "json", "txt"),
        ("codes.npy", "json", "mp4", "txt"),
    }


def test_captions_and_codes_are_as_stored(packed: dict[str, dict[str, bytes]], base: Setup) -> None:
    sizes = manifest(base.release)["tokenizer"]["codebook_sizes"]
    captioned, tokens = 0, 0
    for fields in packed.values():
        told = json.loads(fields["json"])
        captioned += bool(fields["txt"])
        assert fields["txt"].decode() == told["captions"][0]["text"]
        codes = read_npy(fields["codes.npy"])
        assert codes.shape == (tokens_of(told["codes"]), len(sizes))
        assert (codes < np.array(sizes)).all()
        tokens += len(codes)
    assert captioned >= 8
    assert tokens == manifest(base.release)["tokenizer"]["tokens"]


def test_webdataset(base: Setup, packed: dict[str, dict[str, bytes]]) -> None:
    paths = [str(p) for p in sorted((base.release / "shards").glob("*.tar"))]
    found = {
        s["__key__"]: {k: v for k, v in s.items() if k[0] != "_"} for s in wds.WebDataset(paths, shardshuffle=False)
    }
    assert found == packed


@pytest.mark.parametrize("family", FAMILIES)
def test_huggingface_by_files(base: Setup, packed: dict[str, dict[str, bytes]], family: str, tmp_path: Path) -> None:
    files = {"train": [str(p) for p in sorted((base.release / "shards").glob(f"*-{family}-*.tar"))]}
    rows = datasets.load_dataset("webdataset", data_files=files, split="train", cache_dir=str(tmp_path))
    assert _same(rows, family, packed) == {k for k, fields in packed.items() if FAMILIES[family] in fields}


@pytest.mark.parametrize("family", FAMILIES)
def test_huggingface_by_folder_and_card(
    base: Setup, packed: dict[str, dict[str, bytes]], family: str, tmp_path: Path
) -> None:
    """As a user who has downloaded the repository: the card's configs name the files."""
    found = set()
    for split in {s["split"] for s in manifest(base.release)["shards"] if s["family"] == family}:
        rows = datasets.load_dataset(str(base.release), family, split=split, cache_dir=str(tmp_path))
        found |= _same(rows, family, packed)
    assert found == {k for k, fields in packed.items() if FAMILIES[family] in fields}


def _same(rows: Any, family: str, packed: dict[str, dict[str, bytes]]) -> set[str]:
    media = FAMILIES[family]
    seen = []
    for row in rows.cast_column(media, KINDS[family](decode=False)):
        fields = packed[row["__key__"]]
        seen.append(row["__key__"])
        assert row[media]["bytes"] == fields[media]
        assert row["txt"].encode() == fields["txt"]
        assert row["json"] == json.loads(fields["json"])
        assert np.array_equal(row["codes.npy"], read_npy(fields["codes.npy"]))
    assert len(seen) == len(set(seen))
    return set(seen)


def test_the_card_names_files_that_exist(base: Setup) -> None:
    told = header(base.release)
    assert told["license"] == "other" and told["size_categories"] == ["n<1K"]
    named = set()
    for config in told["configs"]:
        for files in config["data_files"]:
            found = set(base.release.glob(files["path"]))
            assert found and not found & named, files
            named |= found
    assert named == set(base.release.rglob("*.tar"))
    assert [c["config_name"] for c in told["configs"] if c.get("default")] == ["image"]


def _cot(release: Path) -> dict[str, dict[str, dict[str, bytes]]]:
    shards: dict[str, dict[str, dict[str, bytes]]] = {}
    for path in sorted((release / "cot").glob("*.tar")):
        for name, data in members([path]).items():
            key, _, field = name.partition(".")
            shards.setdefault(path.stem, {}).setdefault(key, {})[field] = data
    return shards


def test_cot_shards_hold_one_family_each_and_point_at_kept_samples(base: Setup) -> None:
    shards = _cot(base.release)
    told = {s["name"]: s for s in manifest(base.release)["cot"]["shards"]}
    assert shards.keys() == told.keys() and len(shards) >= 2
    samples = kept(base.release)
    modes: Counter[str] = Counter()
    for name, records in shards.items():
        assert told[name]["records"] == len(records)
        assert len({tuple(sorted(fields)) for fields in records.values()}) == 1, "one family, the same members"
        for key, fields in records.items():
            record = json.loads(fields.pop("json"))
            assert (record["id"], record["family"]) == (key, told[name]["family"])
            assert record["parents"] and all(parent in samples for parent in record["parents"])
            pictures = {field: data for field, data in fields.items() if field.endswith(".png")}
            assert {o["name"]: o["sha256"] for o in record["observations"]} == {
                field: hashlib.sha256(data).hexdigest() for field, data in pictures.items()
            }
            assert all(data[:8] == b"\x89PNG\r\n\x1a\n" for data in pictures.values())
            modes[record["mode"]] += 1
    assert {m: n for m, n in manifest(base.release)["cot"]["modes"].items() if n} == dict(modes)
    keys = [key for records in shards.values() for key in records]
    assert len(keys) == len(set(keys))


def test_each_picture_of_a_cot_record_has_its_codes(base: Setup) -> None:
    sizes, coded = manifest(base.release)["tokenizer"]["codebook_sizes"], 0
    for fields in (fields for shard in _cot(base.release).values() for fields in shard.values()):
        grids = {o["name"].replace(".png", ".codes.npy"): o["grid"] for o in json.loads(fields["json"])["observations"]}
        assert {field for field in fields if field.endswith(".npy")} == grids.keys()
        for name, (frames, rows, columns) in grids.items():
            codes = read_npy(fields[name])
            assert codes.shape == (frames * rows * columns, len(sizes)) and (codes < np.array(sizes)).all()
            coded += 1
    assert coded >= 2


def test_cot_by_webdataset(base: Setup) -> None:
    shards = _cot(base.release)
    assert len(shards) >= 2
    for name, records in shards.items():
        path = str(base.release / "cot" / f"{name}.tar")
        read = {s["__key__"]: s for s in wds.WebDataset(path, shardshuffle=False)}
        assert {k: {f: v for f, v in s.items() if f[0] != "_"} for k, s in read.items()} == records


def _given(value: Any) -> Any:
    """Without the None that Arrow puts where one part of a message lacks a field that another has."""
    if isinstance(value, dict):
        return {k: _given(v) for k, v in value.items() if v is not None}
    return [_given(v) for v in value] if isinstance(value, list) else value


def test_cot_by_huggingface(base: Setup, tmp_path: Path) -> None:
    records = {key: fields for shard in _cot(base.release).values() for key, fields in shard.items()}
    seen = set()
    for family, split in sorted({(s["family"], s["split"]) for s in manifest(base.release)["cot"]["shards"]}):
        rows = datasets.load_dataset(str(base.release), f"cot-{family}", split=split, cache_dir=str(tmp_path))
        for row in rows:
            fields = dict(records[row["__key__"]])
            assert _given(row["json"]) == json.loads(fields.pop("json"))
            assert {name for name in row if name.endswith((".png", ".npy"))} == set(fields)
            assert all(np.array_equal(row[name], read_npy(fields[name])) for name in fields if name.endswith(".npy"))
            seen.add(row["__key__"])
    assert seen == set(records)
