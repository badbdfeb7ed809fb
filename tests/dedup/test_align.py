"""Template matching in batches gives what the plain function gave, pair by pair."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps
from sklearn.datasets import load_sample_image
from support import old_align

from dataengine.dedup.confirm import areas, compared, confirm
from dataengine.media.image.fingerprint import thumbnail

Int64 = NDArray[np.int64]
BOUNDS = {"all over": (0.7, 0.7), "in parts": (0.5, 0.8), "close": (0.6, 0.6), "faint": (0.4, 0.4)}


def edited(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """One of what people do to pictures, more or less of it."""
    amount, kind = rng.random(), int(rng.integers(0, 9))
    width, height = picture.size
    if kind == 0:
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=int(3 + 40 * amount))
        return Image.open(out).convert("RGB")
    if kind == 1:
        across, down = int(amount * 0.3 * width), int(amount * 0.2 * height)
        return picture.crop((across, down, width - 1, height - down // 2 - 1))
    if kind == 2:
        return ImageOps.expand(picture, (int(amount * 60), 10, 0, int(amount * 40)), "black")
    if kind == 3:
        return picture.rotate(16 * amount - 8, Image.Resampling.BICUBIC)
    if kind == 4:
        return picture.transpose(Image.Transpose(int(rng.integers(0, 7))))
    if kind == 5:
        return picture.filter(ImageFilter.GaussianBlur(8 * amount))
    if kind == 6:
        return picture.resize((max(2, int(amount * 40)), max(2, int(amount * 30))))
    if kind == 7:
        return picture.resize((width, max(1, int(height * (0.7 + 0.6 * amount)))))
    made = picture.copy()
    made.paste("white", (0, int((1 - 0.6 * amount) * height), width, height))
    return made


def pictures(rng: np.random.Generator, count: int) -> list[Image.Image]:
    """``count`` crops of two photographs, each followed by two edited copies, and a blank one."""
    photos = [Image.fromarray(load_sample_image(f"{name}.jpg")) for name in ("china", "flower")]
    made = []
    for k in range(count):
        left, top = rng.integers(0, 300), rng.integers(0, 200)
        own = photos[k % 2].crop((left, top, left + rng.integers(60, 340), top + rng.integers(60, 220)))
        made += [own, edited(rng, own), edited(rng, own)]
    return [*made, Image.new("RGB", (60, 50), "gray")]


def old_compared(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> tuple[float, float]:
    pair = np.stack([left, right])
    pair = pair[:, :1] if (pair[:, 0] == pair[:, 1]).all() else pair
    aspects = pair[:, :, -1, 1].astype(np.float64) / pair[:, :, -1, 0]
    shown = pair[:, :, :-1].astype(np.float64)
    likeness, agreement = old_align.best(shown[0], shown[1], aspects, old_align.PLACINGS)
    return round(float(likeness), 6), round(float(agreement), 6)


@pytest.mark.slow
def test_likeness_agreement_and_verdict_are_those_of_the_plain_function() -> None:
    rng = np.random.default_rng(7)
    every = np.stack([thumbnail(np.asarray(p)) for p in pictures(rng, 80)])
    n = len(every)
    own = [(k + a, k + b) for k in range(0, n - 1, 3) for a, b in ((0, 1), (0, 2), (2, 1))]
    pairs: Int64 = np.concatenate([own, [(n - 1, n - 1), (4, 4)], rng.integers(0, n, (900, 2))])
    bits = rng.choice([4.0, 10.0, 12.0, 13.0, np.nan], len(pairs))
    old = np.array([old_compared(every[i], every[j]) for i, j in pairs])
    assert np.array_equal(compared(every, pairs), old)

    def reach(name: str) -> NDArray[np.bool_]:
        return np.asarray((old >= BOUNDS[name]).all(axis=1))

    tiny = np.minimum(every[pairs[:, 0], 0, -1, 2], every[pairs[:, 1], 0, -1, 2]) <= 20
    faint = (tiny | reach("faint")) & (areas(every[pairs[:, 0]], every[pairs[:, 1]]) >= 0.98)
    expected = reach("all over") | reach("in parts") | (bits <= 10) & reach("close") | (bits <= 12) & faint
    assert np.array_equal(confirm(every, pairs, bits), expected)
    assert 100 < expected.sum() < len(pairs) - 600
    borderline = np.abs(old[:, 0][:, None] - [bound for bound, _ in BOUNDS.values()]).min(axis=1) < 0.03
    assert borderline.sum() > 30 and 0 < expected[borderline].sum() < borderline.sum()


def test_the_order_and_the_company_of_pairs_change_nothing() -> None:
    rng = np.random.default_rng(3)
    every = np.stack([thumbnail(np.asarray(p)) for p in pictures(rng, 5)])
    pairs: Int64 = rng.integers(0, len(every), (40, 2))
    together, order = compared(every, pairs), rng.permutation(40)
    assert np.array_equal(compared(every, pairs[order]), together[order])
    assert np.array_equal(np.concatenate([compared(every, pairs[k : k + 1]) for k in range(5)]), together[:5])
