"""The readers of trainers on a published release over s3://: webdataset, Hugging Face datasets, Megatron-Energon, DataLoader."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset as wds
import yaml
from fsspec.callbacks import Callback
from support.spoil import manifest

from dataengine.browse.explain import explain
from dataengine.browse.session import opened
from dataengine.errors import RunError, UsageError
from dataengine.readers import s3_filesystem
from dataengine.readers.fsspec_s3 import Stream, open_url, register, shards
from dataengine.readers.loaders import load_dataset
from dataengine.release.publish import publish
from dataengine.shards.read import read_shards
from dataengine.storage.store import Store
from dataengine.verify.verify import verify

ROOT = Path(__file__).parents[2]


@pytest.fixture
def release(small: Path, s3_conditional: str) -> str:
    target = f"{s3_conditional}/releases/small"
    publish(str(small), target)
    register()
    return target


def packed(folder: Path, family: str = "image") -> dict[str, dict[str, bytes]]:
    return dict(read_shards(sorted((folder / "shards").glob(f"*-{family}-*.tar"))))


@pytest.mark.parametrize("family", ["image", "video"])
def test_webdataset(small: Path, release: str, family: str) -> None:
    urls = shards(release, family=family)
    assert urls == [f"{release}/shards/{p.name}" for p in sorted((small / "shards").glob(f"train-{family}-*.tar"))]
    found = {
        s["__key__"]: {k: v for k, v in s.items() if k[0] != "_"} for s in wds.WebDataset(urls, shardshuffle=False)
    }
    assert found == packed(small, family)


@pytest.mark.parametrize("streaming", [False, True])
def test_huggingface(
    small: Path, release: str, streaming: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)  # other tests keep it from the hub, and so from S3
    files = {"train": f"{release}/shards/train-image-*.tar"}
    rows = datasets.load_dataset(
        "webdataset", data_files=files, split="train", cache_dir=str(tmp_path), streaming=streaming
    ).cast_column("jpg", datasets.Image(decode=False))
    found = {row["__key__"]: (row["jpg"]["bytes"], row["txt"], row["json"]) for row in rows}
    assert found == {k: (f["jpg"], f["txt"].decode(), json.loads(f["json"])) for k, f in packed(small).items()}


def energon(*arguments: str, config: Path) -> str:
    command = [str(Path(sys.executable).with_name("energon")), *arguments]
    env = {**os.environ, "MSC_CONFIG": str(config)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_energon_prepares_lints_and_reads(
    small: Path, release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docs/s3.md says it; what it writes beside the shards changes nothing for others."""
    bucket, _, prefix = release.removeprefix("s3://").partition("/")
    options = {"base_path": bucket, "region_name": "us-east-1", "endpoint_url": os.environ["AWS_ENDPOINT_URL"]}
    config = tmp_path / "msc.yaml"
    config.write_text(yaml.safe_dump({"profiles": {"store": {"storage_provider": {"type": "s3", "options": options}}}}))
    place = f"msc://store/{prefix}"
    fields = '{"image": "jpg", "caption": "txt"}'
    energon(
        *("prepare", place, "--non-interactive", "--split-parts", "train:shards/train-image-.*"),
        *("--exclude", ".*(cot|video).*", "--sample-type", "CaptioningSample", "--field-map", fields),
        *("--num-workers", "1"),
        config=config,
    )
    energon("lint", place, "--split-parts", "train", config=config)
    assert f"({len(packed(small))} samples" in re.sub(r"\s+", " ", energon("info", place, config=config))
    monkeypatch.setenv("MSC_CONFIG", str(config))
    from megatron.energon import WorkerConfig, get_loader, get_train_dataset

    alone = WorkerConfig(rank=0, world_size=1, num_workers=0)
    dataset = get_train_dataset(
        place, worker_config=alone, batch_size=1, shuffle_buffer_size=None, max_samples_per_sequence=None, repeat=False
    )
    captions = sorted(caption for batch in get_loader(dataset) for caption in batch.caption)
    assert captions == sorted(f["txt"].decode() for f in packed(small).values())
    found = verify(release)
    assert (found.errors, found.warnings) == ([], [])
    assert publish(str(small), release).already


@pytest.mark.parametrize("workers", [0, 2])
def test_the_dataloader_example(small: Path, release: str, workers: int) -> None:
    command = [sys.executable, str(ROOT / "examples" / "dataloader.py"), release, "--workers", str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    number = len(packed(small))
    assert re.search(rf"^{number} samples, [\d.]+ samples/s$", done.stdout, re.MULTILINE), done.stdout
    few = len(list((small / "shards").glob("train-image-*.tar"))) < workers
    assert ("warning: " in done.stdout) == few


def test_shards_are_those_of_the_manifest(small: Path, release: str) -> None:
    made = manifest(small)["shards"]
    assert len(shards(str(small))) == len([s for s in made if s["family"] == "image"])
    with pytest.raises(UsageError, match="no shards of test image; it has train image, train video"):
        shards(release, "test")


def test_a_stream_reads_forward_and_only_reads(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataengine.readers.fsspec_s3 as module

    monkeypatch.setattr(module, "CHUNK", 1000)
    data = np.random.default_rng(0).bytes(4321)
    Store(s3).put("a/b", data)
    Store(s3).put("a/empty", b"")
    with open_url(f"{s3}/a/b") as file:
        assert file.read(10) + file.read(3000) + file.read() == data
    with Stream(f"{s3}/a/empty") as empty:
        assert empty.read() == b""
    with pytest.raises(ValueError, match="only be read"):
        open_url(f"{s3}/a/b", "wb")
    with pytest.raises(FileNotFoundError, match="nothing"):
        Stream(f"{s3}/a/nothing")


def test_fsspec_lists_and_reads_what_is_there(s3: str) -> None:
    register()
    for key in ("d/one", "d/two", "d/e/three"):
        Store(s3).put(key, key.encode())
    files, bucket = fsspec.filesystem("s3"), s3.removeprefix("s3://")
    assert sorted(files.ls(f"{bucket}/d", detail=False)) == [f"{bucket}/d/e", f"{bucket}/d/one", f"{bucket}/d/two"]
    assert files.glob(f"{s3}/d/**/t*") == [f"{bucket}/d/e/three", f"{bucket}/d/two"]
    assert files.cat(f"{s3}/d/e/three") == b"d/e/three"
    assert files.isdir(f"{s3}/d") and files.isfile(f"{s3}/d/one") and not files.exists(f"{s3}/x")
    with files.open(f"{s3}/d/one") as file:
        assert (file.read(2), file.seek(1), file.read()) == (b"d/", 1, b"/one")
    assert pickle.loads(pickle.dumps(files)).cat(f"{s3}/d/two") == b"d/two"
    with pytest.raises(ValueError, match="only be read"):
        files.open(f"{s3}/d/new", "wb")
    with pytest.raises(
        RunError, match=r"s3://no-such-bucket: 404 NoSuchBucket: .*\nThe bucket does not exist: check its name"
    ):
        files.ls("no-such-bucket")


def test_fsspec_tells_when_an_object_has_changed(s3: str) -> None:
    """Hugging Face's datasets name their cache by it."""
    register()
    files, path = fsspec.filesystem("s3"), f"{s3.removeprefix('s3://')}/d/one"
    tags = []
    for data in (b"one", b"two"):
        Store(s3).put("d/one", data)
        info = files.info(f"s3://{path}")
        assert (info["name"], info["size"], info["type"]) == (path, 3, "file")
        tags.append(info["ETag"])
    assert all(tags) and tags[0] != tags[1]


def test_fsspec_fetches_a_file_in_pieces(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    monkeypatch.setattr(s3_filesystem, "CHUNK", 1000)
    data = np.random.default_rng(1).bytes(4321)
    Store(s3).put("d/large", data)
    Store(s3).put("d/empty", b"")
    progress = Callback()
    fsspec.filesystem("s3").get_file(f"{s3}/d/large", str(tmp_path / "new" / "large"), callback=progress)
    fsspec.filesystem("s3").get_file(f"{s3}/d/empty", str(tmp_path / "empty"))
    assert (tmp_path / "new" / "large").read_bytes() == data and (tmp_path / "empty").read_bytes() == b""
    assert (progress.size, progress.value) == (4321, 4321)


@pytest.mark.parametrize("name", ["image", "video", None, "cot-made"])
def test_huggingface_by_the_card(
    small: Path, release: str, name: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line on s3:// gives the rows that the same card gives a user of the folder."""
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    far = load_dataset(release, name, split="train", cache_dir=str(tmp_path))
    near = datasets.load_dataset(str(small), name, split="train", cache_dir=str(tmp_path))
    assert far.features.keys() == near.features.keys()
    media = [c for c, kind in far.features.items() if isinstance(kind, datasets.Image | datasets.Video)]
    assert media or name == "cot-made"
    for column in media:
        far, near = (rows.cast_column(column, rows.features[column].__class__(decode=False)) for rows in (far, near))
    lost = {"__url__"}
    found, told = ([_bytes_only(row, media, lost) for row in rows] for rows in (far, near))
    assert found and sorted(found, key=lambda r: r["__key__"]) == sorted(told, key=lambda r: r["__key__"])


def _bytes_only(row: dict[str, Any], media: list[str], lost: set[str]) -> dict[str, Any]:
    """Without the paths, which differ."""
    return {k: v["bytes"] if k in media else v for k, v in row.items() if k not in lost}


def test_a_configuration_that_the_card_lacks_is_named(release: str) -> None:
    with pytest.raises(UsageError, match=r"no configuration `audio`; its card has .*image, video"):
        load_dataset(release, "audio")
    Store(release).delete(["README.md"])
    with pytest.raises(RunError, match=r"README\.md does not exist"):
        load_dataset(release, "image")
    with pytest.raises(UsageError, match=r"no manifest\.json"):
        load_dataset(f"{release}/nowhere", "image")


def test_explain_asks_a_release_on_s3(small: Path, release: str) -> None:
    row = pq.read_table(small / "ledger.parquet").to_pylist()[0]
    with opened(release) as session:
        [lines] = explain(session, row["uri"]).inputs
    told = dict(lines)
    assert told["outcome"] == row["outcome"] == "kept" and told["sample"] == row["id"]
    assert told["shard"].startswith("shards/") and f"{row['id']}.json" in told["members"].split(", ")
