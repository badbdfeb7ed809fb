"""BRISQUE of real photographs, undistorted and distorted, lies where its authors' software puts it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from dataengine.media.image.pixels import Pixels
from dataengine.score.brisque import Brisque
from dataengine.testing import check_scorer


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return Image.open(out)


@pytest.fixture(scope="module")
def brisque() -> Brisque:
    scorer = Brisque()
    scorer.setup("cpu", 1)
    return scorer


@pytest.mark.parametrize("name", ["china", "rocket", "coffee", "flower", "chelsea", "astronaut"])
def test_distortions_raise_it(name: str, brisque: Brisque, photos: dict[str, Pixels]) -> None:
    photo = Image.fromarray(photos[name])
    noise = np.random.default_rng(0).normal(0, 30, photos[name].shape)
    noisy = np.clip(photos[name] + noise, 0, 255).astype(np.uint8)
    shown = [photo, jpeg(photo, 30), jpeg(photo, 10), photo.filter(ImageFilter.GaussianBlur(3)), Image.fromarray(noisy)]
    original, mild, strong, blurred, grainy = brisque.score(
        [brisque.prepare([np.asarray(p)]) for p in shown], [()] * len(shown)
    )["brisque"]
    assert -10 < original < 20 < mild < strong < 90
    assert 60 < blurred < 80 and 45 < grainy < 75


def test_flat_and_tiny_pictures_have_a_number(brisque: Brisque) -> None:
    pictures = [np.full((64, 64, 3), 90, np.uint8), np.zeros((9, 12, 3), np.uint8), np.zeros((1, 1, 3), np.uint8)]
    assert np.isfinite(brisque.score([brisque.prepare([p]) for p in pictures], [()] * 3)["brisque"]).all()


def test_it_holds_to_the_contract() -> None:
    check_scorer(Brisque())
