"""Scores beside exported pictures have the trainer's names, and the packaged policy decides as the trainer's gates do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dataengine.export.kelix import _placed
from dataengine.export.kelix_items import Item
from dataengine.export.kelix_scores import image_scores
from dataengine.export.options import MediaAs
from dataengine.policy.evaluate import Verdict, verdict
from dataengine.policy.load import load
from dataengine.storage.store import Store

POLICY = Path(__file__).parents[2] / "filters" / "kelix-t2i-v1.yaml"
GOOD: dict[str, Any] = {
    "aesthetic": 5.0,
    "watermark": 0.1,
    "nsfw": 0.01,
    "over_exposure": 0.01,
    "under_exposure": 0.01,
    "iqa_good": 0.9,
    "iqa_sharp": 0.9,
    "iqa_edges": 0.9,
    "iqa_noise_free": 0.9,
    "rms_contrast": 50.0,
    "brightness": 0.5,
    "saturation": 0.4,
    "colourfulness": 30.0,
    "aspect": 1.0,
    "kind": "image",
}
#: A value that passes by a hair, and one that does not.
EDGES = {
    "aesthetic": (3.7501, 3.75),
    "watermark": (0.7999, 0.8),
    "nsfw": (0.7, 0.7001),
    "iqa_good": (0.15, 0.1499),
    "iqa_sharp": (0.1, 0.0999),
    "iqa_edges": (0.1, 0.0999),
    "iqa_noise_free": (0.1, 0.0999),
    "over_exposure": (0.95, 0.9501),
    "under_exposure": (0.1, 0.1001),
}
TWO_SIDED = {"rms_contrast": ((5.0, 4.9999), (100.0, 100.0001)), "brightness": ((0.03, 0.0299), (0.97, 0.9701))}


def read_by_the_trainer(scores: dict[str, Any]) -> bool:
    """The published gates, on what lies beside a picture."""
    iqa = scores.get("iqa", {})
    return (
        scores.get("aesthetic", 10) > 3.75
        and scores.get("watermark", 0) < 0.8
        and scores.get("nsfw", 0) <= 0.7
        and iqa.get("Good_image", 1) >= 0.15
        and min(iqa.get(name, 1) for name in ("Sharp_image", "sharp_edges", "Noise-free_image")) >= 0.1
        and scores.get("over_exposure", 0) <= 0.95
        and scores.get("under_exposure", 0) <= 0.1
        and 5 <= scores.get("rms", 50) <= 100
    )


def decided(row: dict[str, Any]) -> bool:
    columns = {name: pa.string() if name == "kind" else pa.float64() for name in GOOD}
    return all(verdict(rule, row) is Verdict.PASS for rule in load(POLICY, columns).rules)


@pytest.mark.parametrize("column", [*EDGES, *TWO_SIDED])
def test_policy_and_trainer_agree_at_every_threshold(column: str) -> None:
    assert decided(GOOD)
    for passing, failing in (EDGES[column],) if column in EDGES else TWO_SIDED[column]:
        for value, wanted in ((passing, True), (failing, False)):
            row = GOOD | {column: value}
            beside = image_scores({name: float(v) for name, v in row.items() if name != "kind"})
            assert decided(row) == wanted, (column, value)
            assert column == "brightness" or read_by_the_trainer(beside) == wanted, (column, value)


@pytest.mark.parametrize("change", [{"kind": "video"}, {"aspect": 0.75}, {"aspect": 1.3333}, {"colourfulness": 4.4}])
def test_what_the_trainer_could_not_use_is_dropped(change: dict[str, Any]) -> None:
    assert not decided(GOOD | change)


def test_unscored_pictures_pass_the_gates_of_models() -> None:
    assert decided(GOOD | dict.fromkeys(("aesthetic", "watermark", "nsfw", "iqa_good", "iqa_sharp"), None))
    assert not decided(GOOD | {"over_exposure": None})
    assert image_scores({"blur": 3.0}) == {}


def test_the_file_lies_beside_the_picture(tmp_path: Path) -> None:
    scores = image_scores({"nsfw": 0.25, "iqa_good": 0.5, "rms_contrast": 40.0})
    for kind, ext, beside in (("image", "jpg", scores), ("image", "png", {}), ("video", "mp4", {})):
        item = Item(f"{ext}0", kind, ext, (8, 8), lambda: b"media", scores=beside)
        path = _placed(item, Store(str(tmp_path)), MediaAs.files, str(tmp_path))
        assert path is not None and Path(path).read_bytes() == b"media"
        assert Path(f"{path}.image.json").exists() == bool(beside)
    told = json.loads((tmp_path / "media/jp/jpg0.jpg.image.json").read_text())
    assert told == {"nsfw": 0.25, "iqa": {"Good_image": 0.5}, "rms": 40.0}
