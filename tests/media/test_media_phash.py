from __future__ import annotations

import itertools

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageEnhance
from support.media_samples import bits, photo, save

from dataengine.media.image.phash import phash
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
