"""Views: what is inside a picture's margins, and only where it has some; fingerprints of both."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_image

from dataengine.media.image.borders import inside, trimmed
from dataengine.media.image.fingerprint import fingerprint_of, pixel_digest, thumbnail
from dataengine.media.image.letterbox import bars
from dataengine.media.image.luma import luma
from dataengine.media.image.pixels import Pixels
from dataengine.media.measures import SIDE

CHINA = Image.fromarray(load_sample_image("china.jpg"))


def views(rgb: Pixels) -> list[Pixels]:
    inner = trimmed(rgb)
    return [rgb] if inner is rgb else [rgb, inner]


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


def plain_view(rgb: Pixels) -> Pixels:
    height, width = rgb.shape[:2]
    sides = [max(1, round(255 * side / max(height, width))) for side in (height, width)]
    squeezed = np.asarray(Image.fromarray(rgb).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))
    last = np.array([*sides, min(255, height, width), *[0] * (SIDE - 3)], np.uint8)
    return np.concatenate([squeezed, last[None]])


@pytest.mark.parametrize("edit", ["none", "framed", "blank", "tiny", "wide", "large"])
def test_a_thumbnail_shows_the_gray_views(edit: str) -> None:
    pictures = {
        "none": CHINA,
        "framed": ImageOps.expand(CHINA.resize((300, 200)), (20, 45), "#204010"),
        "blank": Image.new("RGB", (90, 50), "red"),
        "tiny": CHINA.resize((3, 9)),
        "wide": CHINA.resize((2000, 30)),
        "large": CHINA.resize((1281, 855)),
    }
    rgb = np.asarray(pictures[edit])
    shown = views(rgb)
    assert (len(shown) == 2) == (edit == "framed")
    assert np.array_equal(thumbnail(rgb), np.stack([plain_view(shown[0]), plain_view(shown[-1])]))


def test_gray_is_that_of_pillow() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (300, 401, 3)).astype(np.uint8)
    for picture in (rgb, rgb[::2, ::-1], rgb[:0], np.full((2, 3, 3), 255, np.uint8)):
        theirs = (
            np.asarray(Image.fromarray(np.ascontiguousarray(picture)).convert("L")) if picture.size else picture[..., 0]
        )
        assert np.array_equal(luma(picture), theirs)


def test_an_animation_has_no_digest_of_pixels() -> None:
    rgb = np.asarray(CHINA.resize((40, 30)))
    assert fingerprint_of(rgb, 2) == {"pixels": None, "thumbnail": thumbnail(rgb).tobytes()}
    assert fingerprint_of(rgb, 1)["pixels"] == pixel_digest(rgb) != pixel_digest(rgb.reshape(40, 30, 3))
