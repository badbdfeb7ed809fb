"""``Shape`` and a general validator of JSON Schema say the same of the same JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from dataengine.verify import json_schemas
from dataengine.verify.json_shape import Shape

SAMPLE: dict[str, Any] = {
    **dict.fromkeys(("format", "ext", "mode", "codec", "license", "phash"), ""),
    **dict.fromkeys(("bytes", "width", "height", "orientation", "frames", "mentions"), 1),
    "id": "0" * 32, "sha256": "0" * 64, "kind": "video", "audio": False, "fps": 25, "duration": 0.5,
    "captions": [{"text": "ein Höhe \"so\" \\", "source": "s"}],
    "scores": [{"name": "blur", "value": 0.5}],
    "codes": {"tokenizer": "t", "grid": [1, 2, 3], "frame_kinds": [0, 1], "fast_grid": [1, 1], "frame_times": [0.0, 0.5]},
}  # fmt: skip
CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "nothing": lambda s: None,
    "optional fields absent": lambda s: s.pop("codes"),
    "optional fields there": lambda s: s.update(parent="a" * 32, faces=0, clip_start=1),
    "a field too many": lambda s: s.update(x=1),
    "a field too few": lambda s: s.pop("width"),
    "null": lambda s: s.update(width=None),
    "null in an optional field": lambda s: s.update(codes=None),
    "text for a number": lambda s: s.update(fps="1"),
    "a fraction for a count": lambda s: s.update(width=1.5),
    "a truth for a count": lambda s: s.update(width=True),
    "a count for a truth": lambda s: s.update(audio=0),
    "below the minimum": lambda s: s.update(width=-1),
    "not of the pattern": lambda s: s.update(id="0" * 31 + "g"),
    "a longer one": lambda s: s.update(id="0" * 33),
    "not of the values": lambda s: s.update(kind="audio"),
    "too few items": lambda s: s["codes"].update(grid=[1, 2]),
    "too many items": lambda s: s["codes"].update(grid=[1, 2, 3, 4]),
    "a wrong item": lambda s: s["codes"].update(frame_kinds=[2]),
    "wrong deep within": lambda s: s["captions"][0].pop("source"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_sample(name: str) -> None:
    sample = json.loads(json.dumps(SAMPLE))
    CHANGES[name](sample)
    right = jsonschema.Draft202012Validator(json_schemas.SAMPLE).is_valid(sample)
    shape = Shape(json_schemas.SAMPLE)
    assert (
        (shape.wrong(sample) == "") is right is (name in ("nothing", "optional fields absent", "optional fields there"))
    )
    data = json.dumps(sample, ensure_ascii=False).encode()
    if right:
        assert shape.parsed(data).captions[0].text == SAMPLE["captions"][0]["text"]
    else:
        with pytest.raises(ValueError, match=r"`|\$"):
            shape.parsed(data)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"{}{}", b'{"id":"\xff"}', b'{"fps":NaN}'])
def test_what_is_no_sample_at_all(data: bytes) -> None:
    with pytest.raises(ValueError):
        Shape(json_schemas.SAMPLE).parsed(data)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_does_not_have(value: float) -> None:
    assert "`$.fps`" in Shape(json_schemas.SAMPLE).wrong({**SAMPLE, "fps": value})
    either = Shape(json_schemas.struct({"n": {"type": ["number", "string"]}}))
    assert either.wrong({"n": "a"}) == either.wrong({"n": 1.5}) == "" and either.wrong({"n": value})


def test_a_map_a_union_and_anything() -> None:
    number = {"type": ["number", "null"]}
    shape = Shape(json_schemas.struct({"map": {"type": "object", "additionalProperties": number}, "any": {}}))
    assert shape.wrong({"map": {"a": 1, "b": None}, "any": [1]}) == ""
    assert shape.wrong({"map": {"a": "1"}, "any": 0}) == "Expected `float | null`, got `str` - at `$.map[...]`"


def test_a_schema_that_asks_for_more_than_is_known() -> None:
    with pytest.raises(ValueError, match="cannot check uniqueItems"):
        Shape({"type": "array", "items": json_schemas.TEXT, "uniqueItems": True})
