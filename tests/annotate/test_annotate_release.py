"""A release of pictures with text and videos with speech: tracks in policy, samples, questions, card, report and Croissant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from support.sounds import clip, silence, tone

from dataengine.config.recipe import load
from dataengine.errors import UsageError
from dataengine.pipeline import committed, execute, stages
from dataengine.release.reader import open_release
from dataengine.release.run_manifest import content_of
from dataengine.shards.read import read_shard
from dataengine.testing import picture, write_corpus, write_recipe
from dataengine.testing.in_process import InProcess
from dataengine.verify.verify import verify

pytestmark = pytest.mark.slow

SIGN = "EXIT 24 to the harbour"


def corpus(folder: Path) -> None:
    write_corpus(folder, images=2, videos=1)
    sign = Image.fromarray(picture(77, 640, 480))
    ImageDraw.Draw(sign).rectangle((60, 160, 580, 300), fill="white")
    ImageDraw.Draw(sign).text((80, 200), SIGN, fill="black", font=ImageFont.load_default(44))
    sign.save(folder / "sign.png")
    (folder / "tone.mp4").write_bytes(clip(np.concatenate([tone(1.5), silence(0.5)])))
    damaged = bytearray(clip(np.concatenate([tone(2.0, 300), silence(1)]), "matroska", "libopus"))
    (folder / "damaged.mkv").write_bytes(bytes(damaged[: len(damaged) * 9 // 10]))


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("annotate")
    corpus(folder / "in")
    path = write_recipe(
        folder,
        annotate={"ocr": {"in_samples": True, "frames": 2}, "asr": {"in_samples": True}, "device": "cpu"},
        cot={"mix": {"non_thinking": 1.0}, "questions": {"metadata": {"ocr_text": "What does the sign say?"}}},
    )
    (folder / "policy.yaml").write_text(
        "{name: signs, version: '1', rules: [{name: quiet, keep: 'speech_seconds <= 60 and ocr_characters >= 0', "
        "on_missing: drop, reason: talks}]}"
    )
    recipe = load(path)
    execute(recipe, engine=InProcess())
    return folder, recipe


def test_everything_that_stands_in_the_release(released: tuple[Path, Any]) -> None:
    folder, _ = released
    release = folder / "ws/releases/test"
    manifest = open_release(str(release)).manifest
    ocr, asr = manifest.annotations
    assert (ocr.name, ocr.annotated, ocr.values) == ("ocr", 1, {"Latn": 1})
    assert ocr.figures["characters"] == len(SIGN) and ocr.models[0].licence == "Apache-2.0"
    assert (asr.name, asr.annotated) == ("asr", 0) and asr.samples <= 2
    assert asr.models[0].name == "Whisper base" and asr.models[0].licence == "MIT"
    assert verify(str(release)).errors == []
    card = (release / "README.md").read_text()
    assert "## Annotations by models" in card.replace("#### ", "## ") and "licence Apache-2.0" in card
    assert "Annotations by models" in (release / "report.html").read_text()
    croissant = json.loads((release / "croissant.json").read_text())
    assert any(tool.startswith("Whisper base (asr whisper-base-") for tool in croissant["rai:machineAnnotationTools"])
    samples = [
        json.loads(fields["json"]) for shard in sorted(release.glob("shards/*.tar")) for _, fields in read_shard(shard)
    ]
    [sign] = [s for s in samples if s["format"] == "png"]
    [line] = sign["ocr"]
    assert line["text"] == SIGN and 0 < line["box"][0] < 0.3 and "speech" not in sign
    assert {label["name"]: label["value"] for label in sign["labels"]}["ocr_text"] == SIGN
    assert all(s["ocr"] and (s["kind"] == "image" or s["speech"][0]["text"] == "") for s in samples)


def test_the_policy_decides_by_tracks_and_a_second_run_makes_nothing(released: tuple[Path, Any]) -> None:
    _, recipe = released
    run = committed(recipe)
    assert run.records["annotate.ocr"].counts["samples"] >= 4
    assert all(report.state == "up to date" for report in execute(recipe, engine=InProcess()))
    spread = run.records["filter"].parts["all"].facts["scores"]
    assert spread["ocr_characters"]["before"]["max"] == len(SIGN)


def test_a_question_is_asked_about_what_was_read(released: tuple[Path, Any]) -> None:
    folder, _ = released
    records = [
        json.loads(fields["json"])
        for shard in sorted((folder / "ws/releases/test/cot").glob("*.tar"))
        for _, fields in read_shard(shard)
    ]
    asked = [r for r in records if "What does the sign say?" in json.dumps(r)]
    assert asked and SIGN in json.dumps(asked[0]) and "ocr-ppocrv6-small-" in json.dumps(asked[0])


def test_without_the_block_there_is_no_column_and_nothing_of_it_in_the_digest(released: tuple[Path, Any]) -> None:
    _, recipe = released
    plain = recipe.model_copy(update={"annotate": None})
    with pytest.raises(UsageError, match="unknown column `speech_seconds`"):
        stages(plain)
    assert "annotate" in content_of(recipe) and "annotate" not in content_of(plain)
