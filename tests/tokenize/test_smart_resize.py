from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.errors import InputError
from dataengine.media.image.resize import smart_resize

sides = st.integers(1, 5000)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (427, 640, (420, 644)),  # nearest multiples of 28
        (1080, 1920, (728, 1316)),  # 26 × 47 = 1222 of 1280 tokens
        (10, 10, (56, 56)),  # up to four tokens
        (42, 98, (56, 112)),  # halves are rounded to even, as Python and the processors do
        (28, 5600, (28, 5600)),  # aspect 200 is the last
    ],
)
def test_known_sizes(height: int, width: int, expected: tuple[int, int]) -> None:
    assert smart_resize(height, width, min_tokens=4, max_tokens=1280) == expected


@given(sides, sides, st.integers(1, 60), st.integers(200, 3000))
def test_bounds_multiples_and_aspect(height: int, width: int, least: int, most: int) -> None:
    if max(height, width) > 200 * min(height, width):
        with pytest.raises(InputError):
            smart_resize(height, width, min_tokens=least, max_tokens=most)
        return
    h, w = smart_resize(height, width, min_tokens=least, max_tokens=most)
    assert h % 28 == 0 and w % 28 == 0
    assert least <= h // 28 * (w // 28) <= most
    if min(h, w) > 10 * 28:
        assert 0.8 < (h / w) / (height / width) < 1.25


@given(sides, sides)
def test_turning_a_picture_turns_the_size(height: int, width: int) -> None:
    if max(height, width) <= 200 * min(height, width):
        h, w = smart_resize(height, width, min_tokens=4, max_tokens=1280)
        assert smart_resize(width, height, min_tokens=4, max_tokens=1280) == (w, h)
