"""Boxes, points, polygons, text and events of a source as questions with grounding strings, and what cannot be one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dataengine.config.cot import GroundingConfig, QuestionsConfig
from dataengine.cot.core import grounding
from dataengine.cot.core.source_qa import Pair, pairs_of

FIELDS = {"boxes": "boxes", "points": "points", "polygons": "polygons", "ocr": "ocr", "spans": "spans"}
META: dict[str, Any] = {
    "boxes": [
        {"label": "dog", "box": [100, 50, 300, 250]},
        {"label": "dog", "box": [10, 10, 50, 60]},
        {"label": "red ball", "box": [320, 400, 400, 500]},
    ],
    "points": [{"label": "nose", "point": [200, 125]}],
    "polygons": [{"label": "roof", "polygon": [[0, 0], [200, 250], [400, 0]]}],
    "ocr": [{"text": "EXIT  here", "box": [0, 0, 40, 50]}, {"text": "9", "box": [360, 0, 400, 50]}],
    "spans": [{"caption": "a dog jumps.", "start": 1.5, "end": 3}, {"caption": "it runs", "start": 0, "end": 1.5}],
}


def pairs(meta: dict[str, Any], size: tuple[int, int] | None = (400, 500), **more: Any) -> list[Pair]:
    config = QuestionsConfig(grounding=GroundingConfig(**{**FIELDS, **more}))
    return pairs_of(json.dumps(meta), config, "set/0.jpg", size)


def answers(meta: dict[str, Any], **more: Any) -> list[str]:
    return [pair.answer for pair in pairs(meta, **more)]


def test_each_field_gives_its_strings() -> None:
    made = answers(META)
    assert (
        "<|object_ref_start|>dog<|object_ref_end|><|box_start|>[[25, 20, 125, 120], [250, 100, 750, 500]]<|box_end|>"
        in made
    )
    assert "<|object_ref_start|>red ball<|object_ref_end|><|box_start|>[[800, 800, 999, 999]]<|box_end|>" in made
    assert "<|object_ref_start|>nose<|object_ref_end|><|point_start|>[[500, 250]]<|point_end|>" in made
    assert "<|ocr_text_start|>EXIT here<|ocr_text_end|><|box_start|>[[0, 0, 100, 100]]<|box_end|>" in "\n".join(made)
    assert "<|clip_time_start|>[1.5, 3]<|clip_time_end|> a dog jumps" in made
    listed = next(answer for answer in made if answer.startswith("<|clip_time_start|>[0, 1.5]") and "\n" in answer)
    assert [grounding.parse_span(line).caption for line in listed.split("\n")] == ["it runs", "a dog jumps"]


def test_strings_parse_again_and_polygons_go_clockwise() -> None:
    lines = [line for answer in answers(META) for line in answer.split("\n") if "_start|>[[" in line]
    assert len(lines) >= 6 and all(grounding.parse(line).render() == line for line in lines)
    [roof] = [answer for answer in answers(META) if "polygon" in answer]
    assert roof.endswith("<|polygon_start|>[[[999, 0], [500, 500], [0, 0]]]<|polygon_end|>")


def test_what_a_single_place_shows_is_asked_too() -> None:
    asked = {pair.question: pair for pair in pairs(META)}
    [ball] = [pair for pair in asked.values() if pair.answer == "red ball"]
    assert "<|box_start|>[[800, 800, 999, 999]]<|box_end|>" in ball.question and ball.answer_type == "word"
    assert not [pair for pair in asked.values() if pair.answer == "dog"]
    assert {
        pair.answer_type for pair in asked.values() if pair.answer.count("[[") == 1 and "box_start" in pair.answer
    } == {
        "box",
        "text",
    }


@pytest.mark.parametrize(
    ("field", "entry", "more"),
    [
        ("boxes", {"label": "a", "box": [100, 50, 90, 250]}, {}),
        ("boxes", {"label": "a", "box": [0, 0, 900, 20]}, {}),
        ("boxes", {"label": "a", "box": [0, 0, "x", 20]}, {}),
        ("boxes", {"label": "a", "box": {"x": 1}}, {}),
        ("boxes", {"label": "a", "box": [1, 2, 3]}, {}),
        ("points", {"label": "a", "point": [float("1e400"), 2]}, {}),
        ("polygons", {"label": "a", "polygon": [[0, 0], [1, 1]]}, {}),
        ("ocr", {"text": "", "box": [0, 0, 10, 10]}, {}),
        ("spans", {"caption": "a", "start": 3, "end": 1}, {}),
        ("spans", {"caption": "a", "start": None, "end": 1}, {}),
    ],
)
def test_what_is_no_place_is_a_rejected_question(field: str, entry: dict[str, Any], more: dict[str, Any]) -> None:
    [pair] = pairs({field: [entry]}, **more)
    assert (
        pair.problem
        and not pair.answer
        and not any(c.isdigit() for c in pair.problem.replace("999", "").replace("from 0", ""))
    )


def test_units_and_forms_of_boxes() -> None:
    one = {"boxes": [{"label": "cat", "box": [0.25, 0.5, 0.25, 0.25]}]}
    [label] = answers(one, units="fraction", box_format="xywh")
    assert label.endswith("[[250, 500, 500, 750]]<|box_end|>")
    [unknown] = pairs({"boxes": [{"label": "cat", "box": [1, 2, 3, 4]}]}, size=None)
    assert unknown.problem == "pixels of a sample whose size is unknown"
    [known] = answers({"boxes": [{"label": "cat", "box": [1, 2, 3, 4]}]}, size=None, units="thousandths")
    assert "[[1, 2, 3, 4]]" in known
