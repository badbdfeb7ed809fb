"""Confirmation: edited copies of real photos pass, other photos do not."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from sklearn.datasets import load_sample_image

from dataengine.dedup import confirm as confirmation
from dataengine.media.image.fingerprint import thumbnail
from dataengine.media.measures import SHAPE

_CHINA, _FLOWER = (Image.fromarray(load_sample_image(f"{name}.jpg")) for name in ("china", "flower"))
PHOTOS = {
    "china": _CHINA,
    "flower": _FLOWER,
    "petals": _FLOWER.crop((200, 60, 420, 300)),
    "roof": _CHINA.crop((0, 0, 330, 220)),
    "trees": _CHINA.crop((320, 200, 640, 427)),
}


def jpeg(picture: Image.Image, quality: int = 90) -> Image.Image:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return Image.open(out).convert("RGB")


def crop(picture: Image.Image, left: float, top: float, keep: float) -> Image.Image:
    width, height = picture.size
    box = (left * width, top * height, (left + keep) * width, (top + keep) * height)
    return picture.crop(tuple(round(side) for side in box))  # type: ignore[arg-type]


def note(picture: Image.Image) -> Image.Image:
    made = picture.copy()
    made.paste("white", (0, round(0.85 * picture.height), round(0.5 * picture.width), picture.height))
    return made


EDITS = {
    "same": lambda p: p,
    "JPEG 20": lambda p: jpeg(p, 20),
    "half": lambda p: p.resize((p.width // 2, p.height // 2)),
    "crop": lambda p: crop(p, 0.02, 0.09, 0.89),
    "crop in a corner": lambda p: crop(p, 0.2, 0.2, 0.8),
    "border": lambda p: ImageOps.expand(p, 30, "black"),
    "frame on one side": lambda p: ImageOps.expand(p, (0, 0, p.width // 5, 0), "#808080"),
    "mirror": ImageOps.mirror,
    "upside down": lambda p: p.rotate(180),
    "quarter turn": lambda p: p.rotate(90, expand=True),
    "5 degrees": lambda p: p.rotate(5, Image.Resampling.BICUBIC),
    "bright": lambda p: ImageEnhance.Brightness(p).enhance(1.25),
    "pale": lambda p: ImageEnhance.Contrast(p).enhance(0.7),
    "gray": lambda p: p.convert("L").convert("RGB"),
    "blur": lambda p: p.filter(ImageFilter.GaussianBlur(min(p.size) / 150)),
    "note": note,
}


def confirm(
    left: NDArray[np.uint8], right: NDArray[np.uint8], bits: NDArray[np.int64] | None = None
) -> NDArray[np.bool_]:
    return confirmation.confirm(np.concatenate([left, right]), beside(len(left)), bits)


def compared(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.float64]:
    return confirmation.compared(np.concatenate([left, right]), beside(len(left)))


def beside(n: int) -> NDArray[np.int64]:
    return np.stack([np.arange(n), n + np.arange(n)], axis=1)


def thumbnails(pictures: list[Image.Image]) -> NDArray[np.uint8]:
    return np.stack([thumbnail(np.asarray(p)) for p in pictures])


@pytest.mark.parametrize("edit", EDITS)
def test_edited_copies_are_confirmed(edit: str) -> None:
    originals = thumbnails(list(PHOTOS.values()))
    copies = thumbnails([jpeg(EDITS[edit](p)) for p in PHOTOS.values()])
    assert confirm(originals, copies).all()
    assert confirm(copies, originals).all()


def test_other_photos_are_not() -> None:
    parts = ({"china", "roof"}, {"china", "trees"}, {"flower", "petals"})
    names = [pair for pair in itertools.combinations(PHOTOS, 2) if set(pair) not in parts]
    left, right = (thumbnails([PHOTOS[pair[side]] for pair in names]) for side in (0, 1))
    assert not confirm(left, right).any()
    assert compared(left, right).max() < 0.6


FAINT = {
    "tiny": lambda p: p.resize((12, 9)),
    "JPEG 3 of a small one": lambda p: jpeg(p.resize((100, 75)), 3),
}


@pytest.mark.parametrize("edit", FAINT)
def test_copies_without_detail_are_confirmed_only_where_hashes_are_near(edit: str) -> None:
    originals = thumbnails(list(PHOTOS.values()))
    copies = thumbnails([FAINT[edit](p) for p in PHOTOS.values()])
    near, far = np.full(len(PHOTOS), 12), np.full(len(PHOTOS), 14)
    assert confirm(originals, copies, near).all() and confirm(copies, originals, near).all()
    assert not confirm(originals, copies, far).all()
    assert not confirm(originals, np.roll(copies, 1, axis=0), near).any()


def test_blank_pictures_confirm_nothing() -> None:
    blank = thumbnail(np.full((50, 60, 3), 128, np.uint8))[None]
    photo = thumbnails([PHOTOS["petals"]])
    for near in (None, np.zeros(1)):
        assert not any(confirm(a, b, near).any() for a, b in ((blank, photo), (photo, blank), (blank, blank)))


def test_no_pairs_no_answers() -> None:
    none = np.zeros((0, *SHAPE), np.uint8)
    assert confirm(none, none).shape == (0,) and confirm(none, none).dtype == np.bool_


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (3, 2)])
def test_pictures_of_any_size_have_a_thumbnail(size: tuple[int, int]) -> None:
    small = thumbnail(np.asarray(PHOTOS["petals"].resize(size)))
    assert small.shape == SHAPE and small[:, -1, :2].min() >= 1
    assert not confirm(small[None], thumbnails([PHOTOS["china"]])).any()


def test_a_pair_is_judged_alike_alone_and_in_company() -> None:
    left = thumbnails(list(PHOTOS.values()))
    right = thumbnails([crop(p, 0, 0.1, 0.9) for p in reversed(PHOTOS.values())])
    together = compared(left, right)
    assert np.array_equal(together, np.concatenate([compared(left[k : k + 1], right[k : k + 1]) for k in range(5)]))
