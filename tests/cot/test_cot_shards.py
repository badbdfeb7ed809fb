"""From the decode child to tars that trainers' readers take whole."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import datasets
import numpy as np
import pytest
import webdataset as wds
from PIL import Image
from support.cot_corpus import PAIRS, pictures, records, sample, videos

from dataengine.cot.core.outcomes import Outcome
from dataengine.cot.core.shard_files import decode_png, encode_png, record_members
from dataengine.cot.questions.build import candidates
from dataengine.cot.questions.encoded import Context, EncodedSample
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Failed, Ok, Sandbox
from dataengine.storage.tar import write_tar

FAMILIES = ("picture", "tools", "clip", "clips", "frames")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One tar a family."""
    folder = tmp_path_factory.mktemp("cot")
    paths = {family: folder / f"train-{family}-00000.tar" for family in FAMILIES}
    for family, path in paths.items():
        with path.open("wb") as out:
            write_tar(
                out, (m for k in records() if k.record.family == family for m in record_members(k.record, k.images))
            )
    return paths


@pytest.mark.slow
def test_the_child_makes_what_the_parent_would() -> None:
    media = pictures() | videos()
    ids = [sorted(pictures())[0], sorted(videos())[0]]
    others = [tuple((o, media[o], {}) for o in sample(i).partners) for i in ids]
    items = [
        EncodedSample(i, "image" if i in pictures() else "video", media[i], pairs=PAIRS, partners=o)
        for i, o in zip(ids, others, strict=True)
    ]
    broken = EncodedSample("0" * 32, "image", media[ids[0]][:500])
    with Sandbox(
        "dataengine.cot.questions.worker:compose_all",
        Context(Limits(), 3, 4, sample(ids[0]).samplings),
        workers=1,
        limits=Limits(),
        answer=list[Outcome],
    ) as sandbox:
        *made, failed = sandbox.map([*items, broken])
    assert isinstance(failed, Failed) and failed.failure == "truncated"
    for id_, outcome in zip(ids, made, strict=True):
        assert isinstance(outcome, Ok)
        assert outcome.value == candidates(sample(id_), 3, 4) != []


@pytest.mark.parametrize("family", FAMILIES)
def test_hugging_face_reads_every_field(shards: dict[str, Path], family: str, tmp_path: Path) -> None:
    mine = {k.record.id: k for k in records() if k.record.family == family}
    loaded = datasets.load_dataset(
        "webdataset", data_files={"train": str(shards[family])}, split="train", cache_dir=str(tmp_path)
    )
    assert set(loaded["__key__"]) == set(mine) and mine
    for row in loaded:
        kept = mine[row["__key__"]]
        told = json.loads(kept.record.to_bytes())
        found = row["json"]
        blocks = [[{k: v for k, v in b.items() if v is not None} for b in m["content"]] for m in found["messages"]]
        assert blocks == [m["content"] for m in told["messages"]]
        assert {k: v for k, v in found.items() if k != "messages"} == {k: v for k, v in told.items() if k != "messages"}
        for observation, data in zip(kept.record.observations, kept.images, strict=True):
            assert np.array_equal(decode_png(data), np.asarray(row[observation.name].convert("RGB")))


@pytest.mark.parametrize("family", FAMILIES)
def test_webdataset_and_tarfile(shards: dict[str, Path], family: str) -> None:
    mine = {k.record.id: k for k in records() if k.record.family == family}
    seen = {s["__key__"]: s for s in wds.WebDataset(str(shards[family]), shardshuffle=False)}
    assert set(seen) == set(mine) and mine
    for key, kept in mine.items():
        assert {f"{key}.{n}": d for n, d in seen[key].items() if not n.startswith("__")} == dict(
            record_members(kept.record, kept.images)
        )
    with tarfile.open(shards[family]) as archive:
        names = [m.name for m in archive]
    assert names == [name for kept in mine.values() for name, _ in record_members(kept.record, kept.images)]


def test_records_of_a_family_have_the_same_members() -> None:
    for family in FAMILIES:
        names = {tuple(o.name for o in k.record.observations) for k in records() if k.record.family == family}
        assert len(names) == 1


def test_pngs_hold_the_exact_pixels() -> None:
    picture = sample(sorted(pictures())[0]).picture()
    data = encode_png(picture)
    assert data == encode_png(picture.copy()) and (decode_png(data) == picture).all()
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "PNG" and not image.info
