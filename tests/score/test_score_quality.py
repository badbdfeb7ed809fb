"""Quality measures follow edits of real photographs in the way that they are meant to."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from dataengine.media.image.pixels import Pixels
from dataengine.media.image.quality import blocking, measure
from dataengine.score.factory import build
from dataengine.score.quality import Quality
from dataengine.testing import check_scorer

NAMES = ("china", "rocket", "coffee", "flower", "chelsea")
TEXT = "The quick brown fox jumps over a lazy dog"


def jpeg(picture: Pixels, quality: int) -> Pixels:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=quality)
    return np.asarray(Image.open(out))


def graded(gain: float, offset: float) -> Callable[[Pixels], Pixels]:
    return lambda p: np.clip(p.astype(np.float32) * gain + offset, 0, 255).astype(np.uint8)


def captioned(picture: Pixels) -> Pixels:
    """With a line of white text on a black bar that covers a tenth."""
    image = Image.fromarray(picture).resize((500, 340))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 300, 500, 340), fill="black")
    draw.text((10, 304), TEXT, font=ImageFont.load_default(size=24), fill="white")
    return np.asarray(image)


def with_code(picture: Pixels) -> Pixels:
    code = cv2.QRCodeEncoder.create().encode("https://example.org/a")
    large = np.kron(code, np.ones((5, 5), np.uint8))
    marked, side = picture.copy(), len(large)
    marked[30 : 30 + side, 30 : 30 + side] = large[:, :, None]
    return marked


@pytest.mark.parametrize(
    ("column", "edit", "holds"),
    [
        ("over_exposure", graded(4, 0), lambda before, after: after > before + 0.1),
        ("under_exposure", graded(0.6, -60), lambda before, after: after > before + 0.1),
        ("rms_contrast", graded(0.25, 96), lambda before, after: after == pytest.approx(before / 4, rel=0.05)),
        (
            "colourfulness",
            lambda p: p.mean(2, keepdims=True).repeat(3, 2).astype(np.uint8),
            lambda _, after: after == 0,
        ),
        ("blocking", lambda p: jpeg(p, 15), lambda before, after: after > 0.7 > before),
        ("text_area", captioned, lambda before, after: before < 0.02 and 0.05 < after < 0.09),
        ("qr_codes", with_code, lambda before, after: (before, after) == (0, 1)),
        (
            "detail",
            lambda p: np.asarray(Image.fromarray(p).reduce(2).resize(p.shape[1::-1])),
            lambda b, a: a < 0.7 * b,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_measure_follows_its_edit(column: str, edit: Any, holds: Any, photos: dict[str, Pixels]) -> None:
    for name in NAMES:
        before, after = (getattr(measure(p), column) for p in (photos[name], edit(photos[name])))
        assert holds(before, after), (name, before, after)


@pytest.mark.parametrize("name", NAMES)
def test_blocking_rises_as_quality_falls_whatever_the_offset(name: str, photos: dict[str, Pixels]) -> None:
    for offset in (0, 3):
        gray = [jpeg(photos[name], q)[offset:, offset:].mean(2).astype(np.uint8) for q in (95, 50, 20, 8)]
        values = [blocking(g) for g in gray]
        assert values == sorted(values) and values[-1] > 1


def test_colourfulness_is_that_of_the_paper() -> None:
    """Of half red, half green pixels: rg is ±255, yb 127.5 throughout."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32, :, 0], picture[32:, :, 1] = 255, 255
    assert measure(picture).colourfulness == pytest.approx(255 + 0.3 * 127.5, abs=0.5)


@pytest.mark.parametrize("size", [10, 14, 20, 32])
def test_text_area_of_a_page_is_that_of_its_lines(size: int) -> None:
    page = Image.new("RGB", (500, 400), "white")
    draw, font, covered = ImageDraw.Draw(page), ImageFont.load_default(size=size), 0.0
    for top in range(10, 390 - 2 * size, 2 * size):
        draw.text((10, top), TEXT, font=font, fill="black")
        left, above, right, below = draw.textbbox((10, top), TEXT, font=font)
        covered += (min(right, 500) - left) * (below - above) / 200_000
    assert measure(np.asarray(page)).text_area == pytest.approx(covered, rel=0.3)


def test_values_do_not_depend_on_the_size_of_the_file(photos: dict[str, Pixels]) -> None:
    large = np.asarray(Image.fromarray(photos["china"]).resize((1920, 1281), Image.Resampling.LANCZOS))
    ours, theirs = measure(photos["china"]), measure(large)
    for column, tolerance in (("rms_contrast", 1), ("colourfulness", 1), ("over_exposure", 0.01)):
        assert getattr(ours, column) == pytest.approx(getattr(theirs, column), abs=tolerance), column


def test_the_scorer_holds_to_its_contract_and_a_video_has_means(photos: dict[str, Pixels]) -> None:
    [scorer] = build([{"name": "quality"}])
    assert isinstance(scorer, Quality)
    check_scorer(scorer)
    bright, dark = np.full((120, 160, 3), 255, np.uint8), np.zeros((120, 160, 3), np.uint8)
    [row] = [scorer.prepare([bright, dark])]
    assert (row["over_exposure"], row["under_exposure"], row["detail"], row["qr_codes"]) == (0.5, 0.5, None, 0)


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1)])
def test_a_picture_of_one_pixel_a_side_is_measured(size: tuple[int, int]) -> None:
    assert measure(np.full((*size, 3), 77, np.uint8)).blocking == 0
