from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from jsonschema import Draft202012Validator

from dataengine import contracts
from dataengine.errors import RunError
from dataengine.samples.locate import longest
from dataengine.shards.manifest import split_and_family
from dataengine.shards.plan import plan
from dataengine.shards.sample import canonical, flatten, sample_members, sample_size
from dataengine.verify.json_schemas import all_schemas

ROW: dict[str, Any] = {
    "id": "ab" * 16,
    "sha256": "ab" * 32,
    "bytes": 9,
    "kind": "image",
    "format": "png",
    "ext": "png",
    "width": 3,
    "height": 2,
    "orientation": 1,
    "mode": "RGB",
    "frames": 1,
    "fps": None,
    "duration": None,
    "codec": None,
    "audio": False,
    "phash": -1,
    "frame_hashes": [],
    "hash_version": "1",
    "license": None,
    "captions": [{"text": "one", "source": "s", "uri": "u"}, {"text": "two – long", "source": "t", "uri": "v"}],
    "media": "media/x.tar",
    "offset": 512,
    "mentions": 2,
}
CODES = {"id": ROW["id"], "tokenizer": "tok", "tokens": 2, "codebooks": 1, "grid_t": 1, "grid_h": 1, "grid_w": 2}
CODES |= dict.fromkeys(("frame_kinds", "frame_times", "fast_h", "fast_w"))
CODES |= {"dtype": "uint16", "codes": b"\x01\x00\x02\x00"}


def _json(**changes: Any) -> dict[str, Any]:
    members = dict(sample_members({**ROW, **changes.pop("row", {})}, b"\x89PNG\r\n\x1a\n!", **changes))
    found: dict[str, Any] = json.loads(members[f"{ROW['id']}.json"])
    return found


def test_members_and_their_order() -> None:
    members = sample_members(ROW, b"\x89PNG\r\n\x1a\n!", best=1, codes=CODES)
    assert [name for name, _ in members] == [f"{ROW['id']}.{ext}" for ext in ("jpg", "txt", "json", "codes.npy")]
    assert members[0][1] == b"\x89PNG\r\n\x1a\n!"
    assert members[1][1].decode() == "two – long"
    assert np.load(io.BytesIO(members[3][1])).tolist() == [[1], [2]]
    assert sample_members({**ROW, "kind": "video"}, b"")[0][0] == f"{ROW['id']}.mp4"


def test_the_json_tells_the_truth_about_the_media() -> None:
    told = _json(best=1, scores={"b": 0.5, "a": 1}, codes=CODES)
    assert (told["format"], told["ext"], told["width"], told["sha256"]) == ("png", "png", 3, "ab" * 32)
    assert told["captions"] == [{"text": "two – long", "source": "t"}, {"text": "one", "source": "s"}]
    assert (told["scores"], told["unscored"]) == ({"a": 1.0, "b": 0.5}, [""])
    assert told["codes"] == {"tokenizer": "tok", "grid": [1, 1, 2]}
    assert told["phash"] == "f" * 16


def test_no_places_or_times() -> None:
    text = json.dumps(_json(row={"source": "s", "uri": "list.csv#/home/jo/private/x.png"}, codes=CODES))
    for word in ("media/", "offset", "x.tar", "home", "private"):
        assert word not in text
    assert json.loads(text)["uri"] == "list.csv#x.png" and json.loads(text)["source"] == "s"
    assert "uri" not in _json()


def test_nothing_is_null_or_an_empty_list_and_numbers_keep_their_type() -> None:
    bare = _json(row={"captions": [], "phash": None}, scores={"x": None, "y": float("nan"), "z": float("inf")})
    assert bare["captions"] == [{"text": "", "source": ""}]
    assert bare["scores"] == {"x": 0.0, "y": 0.0, "z": 0.0} and bare["unscored"] == ["x", "y", "z"]
    full = _json(row={"fps": 25, "duration": 2, "codec": "h264", "license": "mit"}, scores={"x": 3, "y": 1, "z": 2})
    for name, value in bare.items():
        assert value is not None and value != [] and type(value) is type(full[name]), name
    assert isinstance(full["scores"]["x"], float) and full["unscored"] == [""]


def test_the_text_is_empty_where_there_is_no_caption() -> None:
    members = sample_members({**ROW, "captions": []}, b"")
    assert members[1] == (f"{ROW['id']}.txt", b"")


def test_size_is_known_without_the_media() -> None:
    assert sample_size(ROW, codes=CODES) == 4 * 1024
    assert sample_size({**ROW, "bytes": 513}) == 1536 + 2 * 1024


def test_the_longest_caption() -> None:
    assert longest([caption["text"] for caption in ROW["captions"]]) == 1
    assert longest(["ab", "cd"]) == 0
    assert longest([]) == 0


def test_samples_with_other_fields_are_refused() -> None:
    with_codes, without = sample_members(ROW, b"", codes=CODES), sample_members({**ROW, "id": "cd" * 16}, b"")
    assert len(list(flatten([with_codes, with_codes]))) == 8
    with pytest.raises(RunError, match=r"cdcd.* has the fields jpg, txt, json, others .*codes\.npy"):
        list(flatten([with_codes, without]))
    with pytest.raises(RunError):
        list(flatten([[*without[:2], *with_codes[2:]]]))


def test_canonical_json() -> None:
    assert canonical({"b": 1, "a": ["é", 1.0]}) == '{"a":["é",1.0],"b":1}'.encode()
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("nan"))


def test_names_of_shards() -> None:
    assert split_and_family("train-image-00000") == ("train", "image")
    assert split_and_family("val-hard-video-123456") == ("val-hard", "video")
    for name in ("train-00000", "image-00000", "x"):
        with pytest.raises(RunError):
            split_and_family(name)


def test_scores_that_are_strings_stand_apart_so_that_a_number_keeps_its_type() -> None:
    told = _json(scores={"phash": "9db8c2c7445dbb24", "blur": 2, "ahash": ""})
    assert told["scores"] == {"blur": 2.0}
    assert told["labels"] == [{"name": "ahash", "value": ""}, {"name": "phash", "value": "9db8c2c7445dbb24"}]
    Draft202012Validator(all_schemas()["sample"]).validate(told)
    assert "labels" not in _json(scores={"blur": 2})


def test_a_plan_carries_the_same_names_for_all_samples_of_a_kind() -> None:
    rows = pa.Table.from_pylist([ROW | {"audio": False}, {**ROW, "id": "cd" * 16}], contracts.UNIQUE)
    rows = rows.append_column("score_blur", pa.array([1.5, None], pa.float64()))
    rows = rows.append_column("score_phash", pa.array([None, "ff"], pa.string()))
    for name in ("source", "uri"):
        rows = rows.append_column(name, pa.array(["s", "u"], pa.string()))
    first, second = (json.loads(text) for text in plan(("blur", "phash"), False, rows)["scores"].to_pylist())
    assert (first, second) == ({"blur": 1.5, "phash": ""}, {"blur": None, "phash": "ff"})
    clips_alone = plan(("blur", "phash"), False, rows, {"blur": ("video",)})["scores"].to_pylist()
    assert [json.loads(text) for text in clips_alone] == [{"phash": ""}, {"phash": "ff"}]
