"""Elements of coordinates in XMP are blanked as a plain expression would, in time linear in the text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.media.image.exif import _without_gps_elements

_PLAIN = re.compile(rb"<([A-Za-z]\w*:GPS\w+)\b[^>]*?(?:/>|>.*?</\1\s*>)", re.DOTALL)
_PIECES = (
    *(
        b"<exif:GPSa",
        b"</exif:GPSa",
        b"<exif:GPSb",
        b"</exif:GPSb",
        b">",
        b"/>",
        b" ",
        b"x",
        b"<",
        b"/",
        b"</exif:GPSa>",
    ),
    *(b"<exif:GPSa>", b"<exif:GPSb/>", b"<a:GPS", b"<exif:GPSa1>"),
)


@given(st.lists(st.sampled_from(_PIECES), max_size=16).map(b"".join))
def test_as_a_plain_expression(text: bytes) -> None:
    assert _without_gps_elements(text) == _PLAIN.sub(lambda m: b" " * len(m[0]), text)


@pytest.mark.parametrize(
    "unit", [b"<a:GPSb>", b"<a:GPSb", b"</a:GPSb", b"<a:GPSb ", b"</a:GPSb>", b"<a:GPSb></a:GPSc>"]
)
def test_many_tags_without_an_end_are_left(unit: bytes) -> None:
    text = unit * (2_000_000 // len(unit))
    assert _without_gps_elements(text) == text
