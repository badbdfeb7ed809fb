"""The Structs that dataengine reads by and the JSON Schemas exported from them accept the same JSON, and refuse the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from dataengine.release.manifest import Manifest
from dataengine.shards.json_types import plain
from dataengine.shards.sample import SampleMetadata, known_scores
from dataengine.verify import json_schemas

EXAMPLES = Path(__file__).parents[2] / "schemas" / "manifest" / "examples"
SAMPLE: dict[str, Any] = {
    **dict.fromkeys(("format", "ext", "mode", "codec", "license", "phash"), ""),
    **dict.fromkeys(("bytes", "width", "height", "orientation", "frames", "mentions"), 1),
    "id": "0" * 32, "sha256": "0" * 64, "kind": "video", "audio": False, "fps": 25, "duration": 0.5,
    "captions": [{"text": "ein Höhe \"so\" \\", "source": "s"}],
    "scores": {"blur": 0.5}, "unscored": [""],
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
    "no caption, not even an empty one": lambda s: s.update(captions=[]),
    "scores as a list": lambda s: s.update(scores=[{"name": "blur", "value": 0.5}]),
    "no name among the unscored, not even an empty one": lambda s: s.update(unscored=[]),
    "text for a score": lambda s: s["scores"].update(blur="0.5"),
}


RIGHT = ("nothing", "optional fields absent", "optional fields there")


def accepted(name: str, value: Any) -> bool:
    """By a general validator of the exported schema."""
    return jsonschema.Draft202012Validator(json_schemas.all_schemas()[name]).is_valid(value)


@pytest.mark.parametrize("name", CHANGES)
def test_a_sample(name: str) -> None:
    sample = json.loads(json.dumps(SAMPLE))
    CHANGES[name](sample)
    assert accepted("sample", sample) is (name in RIGHT)
    data = json.dumps(sample, ensure_ascii=False).encode()
    if name in RIGHT:
        decoded = msgspec.json.decode(data, type=SampleMetadata)
        assert decoded.captions[0].text == SAMPLE["captions"][0]["text"] and known_scores(decoded) == {"blur": 0.5}
        assert plain(decoded) == sample
    else:
        with pytest.raises(msgspec.ValidationError, match=r"`|\$"):
            msgspec.json.decode(data, type=SampleMetadata)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"{}{}", b'{"id":"\xff"}', b'{"fps":NaN}', b'{"fps":1e999}', b'{"fps":Infinity}'],
)
def test_what_is_no_sample_at_all(data: bytes) -> None:
    with pytest.raises(ValueError):
        msgspec.json.decode(data, type=SampleMetadata)


MANIFEST = json.loads((EXAMPLES / "valid" / "one.json").read_text())
WRONG_MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a field too few": (lambda m: m.pop("policy"), "Object missing required field `policy`"),
    "a field too many": (lambda m: m.update(more=1), "Object contains unknown field `more`"),
    "one too many within": (lambda m: m["ledger"].update(more={}), "unknown field `more` - at `$.ledger`"),
    "no digest": (lambda m: m["shards"][0].update(sha256="0"), "at `$.shards[0].sha256`"),
    "a count below 0": (
        lambda m: m["ledger"]["outcome"].update(kept=-1),
        "Expected `int` >= 0 - at `$.ledger.outcome[...]`",
    ),
    "text for a count": (
        lambda m: m["cot"]["modes"].update(x="1"),
        "Expected `int`, got `str` - at `$.cot.modes[...]`",
    ),
    "null where none may be": (lambda m: m.update(cost=None), "Expected `object`, got `null` - at `$.cost`"),
    "an unknown way with faces": (
        lambda m: m["media"].update(faces="hide"),
        "Invalid enum value 'hide' - at `$.media.faces`",
    ),
    "three bounds of tokens": (lambda m: m["tokenizer"]["picture_tokens"].append(1), "at `$.tokenizer.picture_tokens`"),
}


def test_a_manifest_is_read_and_written_without_loss() -> None:
    manifest = Manifest.from_bytes(json.dumps(MANIFEST).encode())
    assert json.loads(manifest.to_bytes()) == MANIFEST and accepted("manifest", MANIFEST)
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


@pytest.mark.parametrize("name", WRONG_MANIFESTS)
def test_a_wrong_manifest_is_refused_with_the_place(name: str) -> None:
    change, reason = WRONG_MANIFESTS[name]
    manifest = json.loads(json.dumps(MANIFEST))
    change(manifest)
    assert not accepted("manifest", manifest)
    with pytest.raises(ValueError, match=re.escape(reason)):
        Manifest.from_bytes(json.dumps(manifest).encode())
