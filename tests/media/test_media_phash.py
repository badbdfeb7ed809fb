from __future__ import annotations

import itertools

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageEnhance
from support.media_samples import bits, photo, save

from dataengine.media.image.decode import decode_rgb
from dataengine.media.image.lanczos import squeezed
from dataengine.media.image.phash import phash
from dataengine.media.image.shrunk import small_gray
from dataengine.media.inspect import inspect
from dataengine.media.limits import Limits

LIMITS = Limits()
#: Different pictures: photos, and parts of photos that have nothing in common.
PICTURES = {
    "china": photo("china", (640, 427)),
    "flower": photo("flower", (640, 427)),
    "roof": photo("china", (640, 427)).crop((0, 0, 330, 220)),
    "trees": photo("china", (640, 427)).crop((320, 200, 640, 427)),
    "petals": photo("flower", (640, 427)).crop((200, 60, 420, 300)),
}


def hash_of(image: Image.Image, format_: str = "PNG", **options: int) -> int | None:
    found: int | None = inspect(LIMITS, save(image, format_, **options))["phash"]
    return found


def edited(image: Image.Image, edit: str) -> Image.Image:
    if edit == "brighter":
        return ImageEnhance.Brightness(image).enhance(1.08)
    return image.resize((int(image.width * float(edit)), int(image.height * float(edit))), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("size", [(640, 427), (100, 75), (33, 31), (32, 32), (20, 20)])
@pytest.mark.parametrize("name", PICTURES)
def test_equal_to_imagehash_on_the_same_pixels(name: str, size: tuple[int, int]) -> None:
    gray = PICTURES[name].convert("L").resize(size)
    ours = phash(np.asarray(gray))
    assert ours is not None and -(2**63) <= ours < 2**63
    assert ours % 2**64 == int(str(imagehash.phash(gray)), 16)


@pytest.mark.parametrize("extremes", [False, True])
def test_resampling_is_that_of_pillow(extremes: bool) -> None:
    """Of pictures that are not tall, which it resamples by width first, too."""
    rng = np.random.default_rng(1)
    for width in (1, 2, 20, 31, 32, 33, 64, 100, 187, 250, 256, 399):
        for height in {1, 32, width // 2 or 1, width}:
            gray = rng.integers(0, 256, (min(height, width), width)).astype(np.uint8)
            gray = (gray > 127).astype(np.uint8) * 255 if extremes else gray
            theirs = np.asarray(Image.fromarray(gray).resize((32, 32), Image.Resampling.LANCZOS))
            assert np.array_equal(squeezed(gray, 32), theirs), gray.shape


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (301, 257), (127, 90), (1, 1), (1, 999)])
def test_copies_in_other_containers_have_the_very_hash(size: tuple[int, int]) -> None:
    """A JPEG's pixels, stored without loss."""
    original = save(PICTURES["china"].resize(size), "JPEG", quality=80)
    decoded = Image.fromarray(decode_rgb(original, LIMITS))
    hashes = {inspect(LIMITS, data)["phash"] for data in (original, *(save(decoded, f) for f in ("PNG", "BMP")))}
    assert len(hashes) == 1


def test_a_small_gray_copy_is_made_of_averages_of_whole_squares() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (517, 700, 3)).astype(np.uint8)
    small = small_gray(colours, 128)
    assert small.shape == (129, 175)
    means = small_gray(colours, 517)[:516].astype(float).reshape(129, 4, 175, 4).mean(axis=(1, 3))
    assert np.abs(small - means).max() <= 0.5
    assert np.array_equal(small_gray(colours[:200, :200], 128), small_gray(colours[:200, :200], 200))


@pytest.mark.parametrize("quality", [30, 60, 90])
@pytest.mark.parametrize("edit", ["1", "0.5", "0.75", "1.5", "brighter"])
@pytest.mark.parametrize("name", PICTURES)
def test_edited_copies_stay_near(name: str, edit: str, quality: int) -> None:
    original = hash_of(PICTURES[name])
    for format_ in ("JPEG", "WEBP"):
        assert bits(original, hash_of(edited(PICTURES[name], edit), format_, quality=quality)) <= 6


def test_different_pictures_are_far() -> None:
    hashes = {name: hash_of(image) for name, image in PICTURES.items()}
    assert min(bits(a, b) for a, b in itertools.combinations(hashes.values(), 2)) > 16


def test_what_has_no_structure_has_no_hash() -> None:
    flat = np.full((200, 300), 90, np.uint8)
    noise = np.random.default_rng(0).normal(128, 4, (384, 512)).clip(0, 255).astype(np.uint8)
    chessboard = np.kron(np.indices((8, 8)).sum(axis=0) % 2, np.ones((25, 25))).astype(np.uint8) * 255
    assert phash(flat) is None and phash(noise) is None and phash(chessboard) is None


def test_a_faint_picture_has_a_hash_until_it_drowns() -> None:
    gray = np.asarray(PICTURES["china"].convert("L"), float)
    faint = [phash((128 + (gray - 128) * contrast).round().astype(np.uint8)) for contrast in (1, 0.2, 0.005)]
    assert bits(faint[0], faint[1]) <= 4 and faint[2] is None
