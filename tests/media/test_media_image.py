from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.media_samples import PHOTOS, animation, bits, bomb, photo, save

from dataengine.contracts import FACTS
from dataengine.errors import InputError
from dataengine.media.image.decode import decode_gray, decode_rgb, sniff
from dataengine.media.inspect import inspect
from dataengine.media.limits import Limits

LIMITS = Limits()
JPEG = (PHOTOS / "china.jpg").read_bytes()
ORIENTATION = 0x0112


def failure(data: bytes, limits: Limits = LIMITS) -> tuple[str, str]:
    with pytest.raises(InputError) as raised:
        inspect(limits, data)
    return raised.value.failure, raised.value.message


def apart(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    """Mean difference of two pictures, in gray levels."""
    assert a.shape == b.shape
    return float(np.abs(a.astype(float) - b).mean())


def test_facts_of_a_photo() -> None:
    facts = inspect(LIMITS, JPEG)
    assert list(facts) == [field.name for field in FACTS]
    assert facts.pop("phash") is not None
    assert facts == {
        "kind": "image",
        "format": "jpeg",
        "ext": "jpg",
        "width": 640,
        "height": 427,
        "orientation": 1,
        "mode": "RGB",
        "frames": 1,
        "fps": None,
        "duration": None,
        "codec": None,
        "audio": False,
        "frame_hashes": [],
        "hash_version": "phash-dct-3",
    }


@pytest.mark.parametrize(
    ("format_", "options", "name", "ext"),
    [
        ("PNG", {}, "png", "png"),
        ("JPEG", {"quality": 85, "progressive": True}, "jpeg", "jpg"),
        ("WEBP", {"quality": 70}, "webp", "webp"),
        ("AVIF", {"quality": 70}, "avif", "avif"),
        ("JPEG2000", {}, "jpeg2000", "jp2"),
        ("BMP", {}, "bmp", "bmp"),
        ("TIFF", {"compression": "tiff_lzw"}, "tiff", "tif"),
        ("PPM", {}, "ppm", "ppm"),
        ("TGA", {}, "tga", "tga"),
        ("PCX", {}, "pcx", "pcx"),
    ],
)
def test_one_photo_in_many_formats_has_one_hash(format_: str, options: dict[str, Any], name: str, ext: str) -> None:
    image = photo(size=(640, 427))
    facts = inspect(LIMITS, save(image, format_, **options))
    assert (facts["format"], facts["ext"], facts["width"], facts["height"]) == (name, ext, 640, 427)
    assert bits(facts["phash"], inspect(LIMITS, JPEG)["phash"]) <= 2
    decoded = decode_rgb(save(image, format_, **options), LIMITS)
    assert apart(decoded, np.asarray(image)) < 6


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_turns_the_picture(format_: str, orientation: int) -> None:
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    upright = photo()
    stored = upright.transpose(Image.Transpose(back[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = save(stored, format_, exif=exif, **({"quality": 95} if format_ in ("JPEG", "WEBP") else {}))
    facts = inspect(LIMITS, data)
    assert (facts["width"], facts["height"], facts["orientation"]) == (*upright.size, orientation)
    assert apart(decode_rgb(data, LIMITS), np.asarray(upright)) < 4
    assert bits(facts["phash"], inspect(LIMITS, save(upright, "PNG"))["phash"]) <= 2


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_nonsense_in_exif_is_no_orientation() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 77
    assert inspect(LIMITS, save(photo(), "JPEG", exif=exif))["orientation"] == 1
    assert inspect(LIMITS, save(photo(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"))["orientation"] == 1


def test_transparency_lies_over_white() -> None:
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    image.putpixel((3, 3), (0, 0, 200, 255))
    image.putpixel((4, 4), (0, 0, 0, 128))
    for data in (save(image, "PNG"), save(image, "WEBP", lossless=True, exact=True)):
        pixels = decode_rgb(data, LIMITS)
        assert pixels[0, 0].tolist() == [255, 255, 255] and pixels[3, 3].tolist() == [0, 0, 200]
        assert pixels[4, 4].tolist() == [127, 127, 127]
        assert decode_gray(data, LIMITS, 8)[0, 0] == 255


@pytest.mark.parametrize("mode", ["LA", "P", "1", "L", "CMYK"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = photo().convert(mode)
    expected = np.asarray(image.convert("RGB"))
    data = save(image, "TIFF" if mode == "CMYK" else "PNG")
    assert apart(decode_rgb(data, LIMITS), expected) == 0
    assert inspect(LIMITS, data)["mode"] == mode


def test_a_transparent_palette_colour_is_white() -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([10, 20, 30, 200, 0, 0])
    image.putpixel((1, 1), 1)
    for format_ in ("PNG", "GIF"):
        pixels = decode_rgb(save(image, format_, transparency=0), LIMITS)
        assert pixels[0, 0].tolist() == [255, 255, 255] and pixels[1, 1].tolist() == [200, 0, 0]


def test_deep_pixels_are_scaled_and_not_clipped() -> None:
    gray = np.asarray(photo().convert("L"))
    deep = Image.fromarray(gray.astype(np.uint16) * 257)
    for data in (save(deep, "PNG"), save(deep, "TIFF")):
        assert apart(decode_rgb(data, LIMITS)[:, :, 0], gray) == 0
    for ceiling in (1.0, 255.0, 65535.0):
        data = save(Image.fromarray((gray / gray.max() * ceiling).astype(np.float32)), "TIFF")
        assert apart(decode_rgb(data, LIMITS)[:, :, 0], gray * (255 / gray.max())) < 0.6


def test_cmyk_jpeg() -> None:
    data = save(photo().convert("CMYK"), "JPEG", quality=95)
    assert apart(decode_rgb(data, LIMITS), np.asarray(photo())) < 4
    assert inspect(LIMITS, data)["mode"] == "CMYK"
    assert bits(inspect(LIMITS, data)["phash"], inspect(LIMITS, JPEG)["phash"]) <= 4


def test_min_side_shrinks_jpegs_by_powers_of_two() -> None:
    full, half = decode_rgb(JPEG, LIMITS), decode_rgb(JPEG, LIMITS, min_side=200)
    assert full.shape == (427, 640, 3) and half.shape == (214, 320, 3)
    assert decode_rgb(JPEG, LIMITS, min_side=213).shape == half.shape
    assert decode_rgb(JPEG, LIMITS, min_side=214).shape == full.shape
    assert decode_rgb(JPEG, LIMITS, min_side=1000).shape == full.shape
    assert apart(half, np.asarray(Image.fromarray(full).reduce(2))) < 4


def test_gray_has_the_same_size_from_every_format() -> None:
    for data in (JPEG, save(photo(size=(640, 427)), "PNG")):
        assert decode_gray(data, LIMITS, 128).shape == (214, 320)
        assert decode_gray(data, LIMITS, 50).shape == (54, 80)
        assert decode_gray(data, LIMITS, 20).shape == (27, 40)


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animation_is_counted_and_timed(format_: str) -> None:
    facts = inspect(LIMITS, animation(format_))
    assert (facts["kind"], facts["frames"], facts["duration"], facts["fps"]) == ("image", 6, 0.6, 10.0)
    assert bits(facts["phash"], inspect(LIMITS, save(photo().crop((0, 0, 200, 150)), "PNG"))["phash"]) <= 6
    assert failure(animation(format_), Limits(frames=5)) == ("too_many_frames", "6 frames, limit 5")


def test_pages_are_frames_without_time() -> None:
    facts = inspect(LIMITS, animation("TIFF"))
    assert (facts["frames"], facts["duration"], facts["fps"]) == (6, None, None)


def test_a_flat_picture_has_no_hash() -> None:
    assert inspect(LIMITS, save(Image.new("RGB", (300, 200), "navy"), "JPEG"))["phash"] is None


def test_bounds_are_told_in_numbers() -> None:
    assert failure(b"") == ("empty", "the file has no bytes")
    assert failure(JPEG, Limits(bytes=100_000)) == ("too_many_bytes", f"{len(JPEG):,} bytes, limit 100,000")
    assert failure(JPEG, Limits(pixels=99_999)) == ("too_many_pixels", "640 × 427 pixels, limit 99,999")
    assert failure(bomb()) == ("too_many_pixels", "30,000 × 30,000 pixels, limit 100,000,000")


def test_a_raised_bound_lets_large_pictures_in() -> None:
    """Pillow's own bound of 179 million pixels must not stand in the way."""
    with pytest.raises(InputError, match="too_many_pixels"):
        decode_gray(bomb(16_000), LIMITS, 64)
    gray = decode_gray(bomb(16_000), Limits(pixels=300_000_000), 64)
    assert gray.shape == (125, 125) and not gray.any()


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        b"just some words\n" * 50,
        np.random.default_rng(0).bytes(5000),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n",
        b"\xd7\xcd\xc6\x9a\0\0" + bytes(200),
        b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"RIFF\x24\0\0\0WAVEfmt " + bytes(28),
        b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(100),
        b"\0",
        b"\xff\xd8",
    ],
)
def test_what_is_no_media_is_said_to_be_none(data: bytes) -> None:
    assert failure(data)[0] == "not_media"
    with pytest.raises(InputError, match="not_media"):
        sniff(data)


def test_content_decides_and_not_the_name() -> None:
    assert (sniff(JPEG).kind, sniff(JPEG).format, sniff(JPEG).ext) == ("image", "jpeg", "jpg")
    assert sniff(animation("WEBP")).ext == "webp"


def test_padding_before_the_end_marker_is_harmless() -> None:
    for padding in (b"\0" * 500, b"\x12\x34" * 4):
        data = JPEG[:-2] + padding + b"\xff\xd9"
        assert apart(decode_rgb(data, LIMITS), decode_rgb(JPEG, LIMITS)) == 0
        assert inspect(LIMITS, data) == inspect(LIMITS, JPEG)


def test_bytes_after_the_end_marker_are_harmless() -> None:
    assert inspect(LIMITS, JPEG + b"appended by a camera" * 50) == inspect(LIMITS, JPEG)


def test_bytes_between_header_segments_are_harmless() -> None:
    table = JPEG.index(b"\xff\xdb")
    data = JPEG[:table] + b"\0\0" + JPEG[table:]
    assert apart(decode_rgb(data, LIMITS), decode_rgb(JPEG, LIMITS)) < 2
    assert bits(inspect(LIMITS, data)["phash"], inspect(LIMITS, JPEG)["phash"]) <= 4


def test_damage_that_pillow_passes_over_is_found() -> None:
    damaged = bytearray(JPEG)
    middle = len(damaged) // 2
    damaged[middle : middle + 64] = bytes(b ^ 0x55 for b in damaged[middle : middle + 64]).replace(b"\xff", b"\xfe")
    Image.open(io.BytesIO(bytes(damaged))).load()
    assert failure(bytes(damaged))[0] == "corrupt"
