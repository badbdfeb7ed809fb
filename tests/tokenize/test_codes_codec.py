from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.contracts import CODES
from dataengine.errors import RunError
from dataengine.tokenize import codec
from dataengine.tokenize.base import FAST, SLOW, Codes, Timeline, code_dtype


def timelines(frames: int) -> st.SearchStrategy[Timeline]:
    kinds = st.tuples(*[st.sampled_from([SLOW, FAST])] * frames)
    times = st.tuples(*[st.floats(0, 1e5)] * frames)
    return st.builds(Timeline, kinds, times, st.tuples(st.integers(1, 4), st.integers(1, 4)))


@st.composite
def any_codes(draw: st.DrawFn) -> Codes:
    grid = draw(st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)))
    dtype = draw(st.sampled_from([np.uint8, np.uint16, np.uint32]))
    books = draw(st.integers(1, 9))
    timeline = draw(st.none() | timelines(grid[0]))
    frames = timeline.grids(grid) if timeline else [grid[1:]] * grid[0]
    tokens = np.random.default_rng(draw(st.integers(0, 2**32))).integers(
        0, np.iinfo(dtype).max, (sum(h * w for h, w in frames), books), dtype, endpoint=True
    )
    return Codes(tokens, grid, timeline)


@given(any_codes())
def test_row_and_npy_give_back_the_same_codes(codes: Codes) -> None:
    row = codec.to_row("a" * 32, "t", codes)
    assert pa.Table.from_pylist([row], CODES).to_pylist() == [row]
    assert codec.from_row(row) == codes
    assert codec.row_to_npy(row) == codec.to_npy(codes)
    assert codec.from_npy(codec.to_npy(codes), codes.grid, codes.timeline) == codes


def test_npy_is_read_by_numpy_and_is_little_endian() -> None:
    codes = Codes(np.array([[1, 258]], np.uint16), (1, 1, 1))
    data = codec.to_npy(codes)
    assert np.load(io.BytesIO(data)).tolist() == [[1, 258]]
    assert data.endswith(b"\x01\x00\x02\x01")


def test_a_sliced_array_is_stored_in_c_order() -> None:
    tokens = np.arange(12, dtype=np.uint16).reshape(3, 4).T
    codes = Codes(tokens, (1, 2, 2))
    assert codec.from_row(codec.to_row("a", "t", codes)).tokens.tolist() == tokens.tolist()


@pytest.mark.parametrize("change", [{"tokens": 3}, {"codes": b"\0"}, {"dtype": "int64"}, {"grid_h": 2}])
def test_a_row_that_contradicts_itself_is_refused(change: dict[str, object]) -> None:
    row = codec.to_row("a", "t", Codes(np.zeros((4, 2), np.uint16), (1, 1, 4)))
    with pytest.raises(RunError):
        codec.from_row({**row, **change})


@pytest.mark.parametrize("data", [b"", b"\x93NUMPY", codec.to_npy(Codes(np.zeros((4, 2), np.uint16), (1, 1, 4)))[:-1]])
def test_damaged_npy_is_refused(data: bytes) -> None:
    with pytest.raises(RunError):
        codec.from_npy(data, (1, 1, 4))


def test_pickled_objects_are_refused() -> None:
    out = io.BytesIO()
    np.save(out, np.array([[{}]]), allow_pickle=True)
    with pytest.raises(RunError):
        codec.from_npy(out.getvalue(), (1, 1, 1))


@pytest.mark.parametrize(
    "parts",
    [
        (np.zeros((4, 2), np.uint16), (1, 1, 3)),
        (np.zeros((4, 2), np.int64), (1, 1, 4)),
        (np.zeros(4, np.uint16), (1, 1, 4)),
        (np.zeros((0, 2), np.uint16), (0, 1, 1)),
        (np.zeros((8, 2), np.uint16), (2, 2, 2), Timeline((SLOW, FAST), (0.0, 0.5), (1, 2))),
        (np.zeros((8, 2), np.uint16), (2, 2, 2), Timeline((SLOW, SLOW), (0.0,), (1, 2))),
        (np.zeros((8, 2), np.uint16), (2, 2, 2), Timeline((SLOW, 2), (0.0, 0.5), (2, 2))),
    ],
)
def test_codes_must_fill_their_grid(parts: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"codes are|do not fill|do not have"):
        Codes(*parts)


def test_the_type_is_the_smallest_that_holds_the_largest_codebook() -> None:
    assert code_dtype((2, 256)) == np.uint8
    assert code_dtype((2, 257)) == np.uint16
    assert code_dtype((8192, 1 << 16)) == np.uint16
    assert code_dtype((2, (1 << 16) + 1)) == np.uint32
