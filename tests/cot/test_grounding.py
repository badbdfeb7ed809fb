"""Grounding labels: the exact strings of the reports, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.cot.core.formats import FormatError
from dataengine.cot.core.grounding import Label, Span, parse, parse_span

NUMBER = st.integers(0, 998)


@pytest.mark.parametrize(
    ("label", "text"),
    [
        (Label("point", ((1, 2), (3, 4))), "<|point_start|>[[1, 2], [3, 4]]<|point_end|>"),
        (
            Label("point", ((1, 2),), "object_ref", "cat"),
            "<|object_ref_start|>cat<|object_ref_end|><|point_start|>[[1, 2]]<|point_end|>",
        ),
        (Label("box", ((1, 2, 3, 4), (0, 0, 999, 999))), "<|box_start|>[[1, 2, 3, 4], [0, 0, 999, 999]]<|box_end|>"),
        (
            Label("box", ((1, 2, 3, 4),), "ocr_text", "EXIT"),
            "<|ocr_text_start|>EXIT<|ocr_text_end|><|box_start|>[[1, 2, 3, 4]]<|box_end|>",
        ),
        (
            Label("polygon", ((0, 0, 10, 0, 10, 10),), "object_ref", "sail"),
            "<|object_ref_start|>sail<|object_ref_end|><|polygon_start|>[[[0, 0], [10, 0], [10, 10]]]<|polygon_end|>",
        ),
    ],
)
def test_labels_are_those_of_the_reports(label: Label, text: str) -> None:
    assert label.render() == text and parse(text) == label


@given(x=NUMBER, y=NUMBER, w=st.integers(1, 999), h=st.integers(1, 999))
def test_every_box_comes_back(x: int, y: int, w: int, h: int) -> None:
    label = Label("box", ((x, y, min(999, x + w), min(999, y + h)),))
    assert parse(label.render()) == label


@pytest.mark.parametrize(
    "text",
    [
        "<|box_start|>[[3, 2, 1, 4]]<|box_end|>",
        "<|box_start|>[[1, 2, 3, 1000]]<|box_end|>",
        "<|box_start|>[[1,2,3,4]]<|box_end|>",
        "<|box_start|>[[1.0, 2, 3, 4]]<|box_end|>",
        "<|box_start|>[[1, 2, 3]]<|box_end|>",
        "<|box_start|>[]<|box_end|>",
        "<|box_start|>[[1, 2, 3, 4]]<|point_end|>",
        "<|polygon_start|>[[[0, 0], [10, 10], [10, 0]]]<|polygon_end|>",
        "<|object_ref_start|>a<|ocr_text_end|><|box_start|>[[1, 2, 3, 4]]<|box_end|>",
        "[[1, 2, 3, 4]]",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse(text)


def test_spans_of_time() -> None:
    span = Span(1.5, 4, "a ball rolls")
    assert (
        span.render() == "<|clip_time_start|>[1.5, 4]<|clip_time_end|> a ball rolls"
        and parse_span(span.render()) == span
    )
    for text in (
        "<|clip_time_start|>[4, 1]<|clip_time_end|> x",
        "<|clip_time_start|>[1, 4]<|clip_time_end|>",
        "[1, 4] x",
    ):
        with pytest.raises(FormatError):
            parse_span(text)
