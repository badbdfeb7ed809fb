"""The tool language: what it computes, and all that it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cot_corpus import pixels_of

from dataengine.cot.core.tools import MAX_SIDE, Call, ToolError, parse, run

_thousandths = st.integers(0, 1000)
_calls = (
    st.builds(lambda *b: Call("crop", b), *[_thousandths] * 4)
    | st.builds(lambda f: Call("zoom", (f,)), st.integers(1, 4) | st.sampled_from([1.5, 2.25, 3.125]))
    | st.builds(lambda d: Call("rotate", (d,)), st.sampled_from([90, 180, 270]))
    | st.builds(lambda w: Call("flip", (w,)), st.sampled_from(["horizontal", "vertical"]))
    | st.builds(
        lambda q, *b: Call("measure", (q, *b)), st.sampled_from(["warmth", "lowest chroma"]), *[_thousandths] * 4
    )
)


@given(st.lists(_calls, min_size=1, max_size=16))
def test_parsing_undoes_rendering(calls: list[Call]) -> None:
    assert parse("\n".join(call.render() for call in calls)) == calls


def test_transforms_do_what_they_say() -> None:
    china = pixels_of("china.jpg")
    height, width = china.shape[:2]
    assert np.array_equal(run("crop(500, 0, 1000, 500)", china), china[: height // 2, width // 2 :])
    assert np.array_equal(run("rotate(90)", china), np.rot90(china, 3))
    assert np.array_equal(run("rotate(90)\nrotate(270)", china), china)
    assert np.array_equal(run('flip("horizontal")', china), china[:, ::-1])
    assert np.array_equal(run('flip("vertical")\nflip("vertical")', china), china)
    small = china[:50, :60]
    assert run("zoom(2)", small).shape == (100, 120, 3)
    assert max(run("zoom(4)", china[:200, :200]).shape) == MAX_SIDE
    assert np.array_equal(run("zoom(2)", china), china)
    assert np.array_equal(run("contrast(1)", china), china)
    assert run("contrast(2)", china).std() > china.std() > run("contrast(0.5)", china).std()


def test_measurements_are_means() -> None:
    china = pixels_of("china.jpg")
    half = china[:, :320].astype(float)
    expected = (0.299 * half[..., 0] + 0.587 * half[..., 1] + 0.114 * half[..., 2]).mean()
    told = run('measure("brightness", 0, 0, 500, 1000)\nmeasure("warmth", 0, 0, 500, 1000)', china)
    assert isinstance(told, str)
    brightness, warmth = map(int, told.split("\n"))
    assert abs(brightness - expected) <= 0.5
    assert abs(warmth - (half[..., 0] - half[..., 2]).mean()) <= 0.5
    spot = np.full((400, 400, 3), 200, np.uint8)
    spot[100:200, 300:400] = 40
    assert (
        run('measure("lowest brightness", 0, 0, 1000, 1000)\nmeasure("highest chroma", 0, 0, 1000, 1000)', spot)
        == "40\n0"
    )


@pytest.mark.parametrize(
    "code",
    [
        "",
        "import os",
        "__import__('os')",
        "crop(0, 0, 500)",
        "crop(500, 0, 400, 1000)",
        "crop(0, 0, 1001, 1000)",
        "crop(0, 0, 0.5, 1)",
        "crop(-1, 0, 500, 500)",
        "zoom(9)",
        "zoom(0.5)",
        'zoom("2")',
        "zoom(2); zoom(2)",
        " zoom(2)",
        "rotate(45)",
        'flip("diagonal")',
        "contrast(100)",
        'measure("beauty", 0, 0, 1000, 1000)',
        'measure("most brightness", 0, 0, 1000, 1000)',
        'measure("brightness", 0, 0, 1000, 1000)\nzoom(2)',
        "open('/etc/passwd')",
        "\n".join(["zoom(1)"] * 17),
        "zoom(2)\n",
    ],
)
def test_anything_else_is_refused(code: str) -> None:
    with pytest.raises(ToolError):
        run(code, pixels_of("china.jpg"))


@given(st.text(max_size=60))
def test_no_text_does_anything_but_run_or_be_refused(text: str) -> None:
    try:
        run(text, pixels_of("flower.jpg")[:40, :40])
    except ToolError as error:
        assert error.failure == "tool_call"
