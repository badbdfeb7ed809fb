"""Metadata leave, pixels stay: pictures that phones and editors could have written, in three formats."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from dataengine.media.image.decode import decode_rgb, orientation
from dataengine.media.image.exif import Policy, clean
from dataengine.media.limits import Limits

PHOTO = Path(sklearn.__file__).parent / "datasets" / "images" / "china.jpg"
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LATITUDE, MAKER = ((52.0, 31.0, 12.5), "Canon of test")
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description exif:GPSLatitude="52,31.2N" dc:creator="Jane Doe">'
    b"<exif:GPSLongitude>13,24.5E</exif:GPSLongitude></rdf:Description></x:xmpmeta>"
)


def exif(turned: int) -> Any:
    tags = Image.Exif()
    tags[0x010F], tags[0x0112], tags[0x013B] = MAKER, turned, "Jane Doe"
    tags.get_ifd(0x8825).update({1: "N", 2: LATITUDE, 3: "E", 4: (13.0, 24.0, 30.0), 29: "2026:01:02"})
    return tags


def picture(kind: str, turned: int = 6, **changes: Any) -> bytes:
    out = io.BytesIO()
    given: dict[str, Any] = {"exif": exif(turned), "icc_profile": ICC, "xmp": XMP}
    if kind == "png":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", given.pop("xmp").decode())
        text.add_text("Author", "Jane Doe")
        text.add_text("exif:GPSLatitude", "52/1, 31/1")
        text.add_text("Comment", "x" * 2000 + "Jane Doe", zip=True)
        given["pnginfo"] = text
    if kind == "jpeg":
        given["comment"] = b"Jane Doe was here"
    with Image.open(PHOTO) as image:
        image.reduce(4).save(out, kind, **given | changes)
    return out.getvalue()


def shown(data: bytes) -> tuple[Any, int, Any, Any]:
    """Pixels as they are shown, orientation, profile and frames."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        said = orientation(image), image.info.get("icc_profile"), getattr(image, "n_frames", 1)
    return (decode_rgb(data, Limits()).tobytes(), *said)


def coordinates(data: bytes) -> dict[int, Any]:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return dict(image.getexif().get_ifd(0x8825))


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("turned", [1, 3, 6, 8])
def test_strip_leaves_what_is_shown(kind: str, turned: int) -> None:
    data = picture(kind, turned)
    assert b"Jane Doe" in data and coordinates(data)[2] == LATITUDE
    found = clean(data, kind, turned, "strip")
    assert found.changed and found.gps and found.handled and len(found.data) < len(data)
    assert shown(found.data) == shown(data) and shown(data)[1] == turned and shown(data)[2] == ICC
    for word in (b"Jane", b"Canon", b"GPS", b"rdf", b"2026:01"):
        assert word not in found.data
    assert coordinates(found.data) == {}
    assert clean(found.data, kind, turned, "strip").data == found.data


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("order", ["big", "little"])
def test_strip_gps_leaves_the_rest(kind: str, order: str) -> None:
    tags = exif(6)
    tags.endian = "<" if order == "little" else ">"
    data = picture(kind, exif=tags)
    found = clean(data, kind, 6, "strip_gps")
    assert found.changed and found.gps and shown(found.data) == shown(data)
    assert coordinates(found.data) == {} and b"2026:01" not in found.data
    assert b"52,31" not in found.data and b"13,24" not in found.data and b"52/1" not in found.data
    assert b"Jane Doe" in found.data and b"dc:creator" in found.data
    with Image.open(io.BytesIO(found.data)) as image:
        assert image.getexif()[0x010F] == MAKER and image.getexif()[0x013B] == "Jane Doe"
    again = clean(found.data, kind, 6, "strip_gps")
    assert again.data == found.data and not again.gps and not again.changed


@pytest.mark.parametrize("policy", ["strip", "strip_gps"])
def test_a_turn_told_by_xmp_alone_stays(policy: Policy) -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="8" note="GPS somewhere"/></x:xmpmeta>'
    for kind in ("jpeg", "webp"):
        data = picture(kind, exif=Image.Exif(), xmp=xmp)
        assert shown(data)[1] == 8
        found = clean(data, kind, 8, policy)
        assert shown(found.data) == shown(data) and b"GPS" not in found.data


@pytest.mark.parametrize("policy", ["strip", "strip_gps"])
def test_what_follows_a_jpeg_goes(policy: Policy) -> None:
    data = picture("jpeg")
    found = clean(data + data + b"a film with its own place", "jpeg", 6, policy)
    assert found.data == clean(data, "jpeg", 6, policy).data and found.changed


def test_animations_and_transparency_stay() -> None:
    frames = [Image.new("RGBA", (40, 30), (200, n * 60, 10, 90)) for n in range(4)]
    for kind in ("webp", "png"):
        out = io.BytesIO()
        frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=70, exif=exif(1), lossless=True)
        found = clean(out.getvalue(), kind, 1, "strip")
        assert shown(found.data) == shown(out.getvalue()) and shown(found.data)[3] == 4 and found.gps
        with Image.open(io.BytesIO(found.data)) as image, Image.open(out) as before:
            assert image.mode == before.mode and image.info.get("duration") == before.info.get("duration")


def test_keep_and_formats_that_cannot_be_cleaned() -> None:
    data = picture("jpeg")
    assert clean(data, "jpeg", 6, "keep").data is data
    found = clean(data, "tiff", 1, "strip")
    assert found.data is data and not found.handled and not found.changed


@pytest.mark.parametrize("path", sorted(PHOTO.parent.glob("*.jpg")), ids=lambda p: p.name)
def test_real_photos_are_shown_as_before(path: Path) -> None:
    data = path.read_bytes()
    for policy in ("strip", "strip_gps"):
        assert shown(clean(data, "jpeg", 1, policy).data) == shown(data)


@given(
    st.sampled_from(["jpeg", "png", "webp"]), st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), max_size=8)
)
def test_damage_raises_nothing(kind: str, flips: list[tuple[int, int]]) -> None:
    data = bytearray(_SMALL[kind])
    for at, value in flips:
        data[at % len(data)] = value
    for policy in ("strip", "strip_gps"):
        assert isinstance(clean(bytes(data), kind, 6, policy).data, bytes)


_SMALL = {kind: picture(kind) for kind in ("jpeg", "png", "webp")}


def test_the_corpus_is_not_flat() -> None:
    assert np.frombuffer(shown(_SMALL["png"])[0], np.uint8).std() > 20


def test_thumbnails_in_the_first_segment_go() -> None:
    """JFIF and JFXX may hold a small picture of what was there before somebody cropped it."""
    given = picture("jpeg", 1)
    assert given[2:4] == b"\xff\xe0"
    end = 4 + int.from_bytes(given[4:6])
    thumbnail = bytes(range(75))
    jfif = given[6 : end - 2] + b"\x05\x05" + thumbnail
    jfxx = b"JFXX\0\x13\x05\x05" + thumbnail
    segments = b"".join(b"\xff\xe0" + (len(body) + 2).to_bytes(2) + body for body in (jfif, jfxx))
    data = given[:2] + segments + given[end:]
    assert shown(data) == shown(given) and data.count(thumbnail) == 2
    found = clean(data, "jpeg", 1, "strip").data
    assert thumbnail not in found and found == clean(given, "jpeg", 1, "strip").data
    assert clean(data, "jpeg", 1, "strip_gps").data.count(thumbnail) == 2
