"""Views: what is inside a picture's margins, and only where it has some."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_image

from dataengine.dedup.fingerprint_views import views
from dataengine.media.image.borders import bars, inside

CHINA = Image.fromarray(load_sample_image("china.jpg"))


def gray(picture: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(picture.convert("L"))


def test_a_photo_is_its_only_view() -> None:
    assert len(views(np.asarray(CHINA))) == 1


@pytest.mark.parametrize("colour", ["black", "white", "#3060a0"])
@pytest.mark.parametrize("width", [13, 64])
def test_the_second_view_is_without_margins(colour: str, width: int) -> None:
    whole, inner = views(np.asarray(ImageOps.expand(CHINA, width, colour)))
    assert whole.shape == (427 + 2 * width, 640 + 2 * width, 3)
    assert np.abs(np.array(inner.shape[:2]) - (427, 640)).max() <= 6


def test_a_frame_in_a_frame_is_cut_off() -> None:
    framed = ImageOps.expand(ImageOps.expand(CHINA, 40, "white"), 25, "black")
    top, bottom, left, right = inside(gray(framed)) or (0, 0, 0, 0)
    assert np.abs(np.array([top - 65, bottom - 492, left - 65, right - 705])).max() <= 6


def test_a_blank_picture_has_no_inside_and_one_view() -> None:
    blank = np.full((90, 120, 3), 200, np.uint8)
    assert inside(blank[..., 0]) is None
    assert len(views(blank)) == 1
    speck = blank.copy()
    speck[40:50, 50:60] = 0
    assert len(views(speck)) == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 2)])
def test_the_smallest_pictures_have_a_view(size: tuple[int, int]) -> None:
    assert len(views(np.asarray(CHINA.resize(size)))) == 1


def test_bars_are_black_all_the_time_at_both_sides() -> None:
    boxed = gray(ImageOps.expand(CHINA, (0, 60), "black"))
    dark = np.zeros_like(boxed)
    night = boxed.copy()
    night[:240] = 0
    assert bars([dark, boxed, night]) == (60, 487, 0, 640)
    assert bars([gray(ImageOps.expand(CHINA, (80, 0), "black"))]) == (0, 427, 80, 720)
    assert bars([dark]) is None
    assert bars([night[:487]]) is None  # dark above only
    assert bars([gray(ImageOps.expand(CHINA, (0, 60), "white"))]) is None
    assert bars([gray(CHINA)]) is None
