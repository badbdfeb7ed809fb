"""A release with synthetic captions: shards, chain-of-thought, policy, manifest, card, report and Croissant tell of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from dataengine.annotate.text.judge import filter_of
from dataengine.annotate.tracks import tracks
from dataengine.annotate.worker import TABLE
from dataengine.config.annotate_text import TextConfig
from dataengine.config.recipe import load
from dataengine.cot.core.schemas import SOURCE_MATERIAL
from dataengine.models.serving.usage import recorded
from dataengine.pipeline import committed, execute
from dataengine.release.reader import open_release
from dataengine.release.run_manifest import content_of
from dataengine.shards.read import read_shard
from dataengine.testing import Body, Turn, chat_server, write_corpus, write_recipe
from dataengine.testing.in_process import InProcess
from dataengine.verify.verify import verify

pytestmark = pytest.mark.slow
WORDS = (
    "red",
    "teal",
    "gold",
    "rust",
    "plum",
    "jade",
    "sand",
    "navy",
    "coral",
    "olive",
    "amber",
    "slate",
    "lilac",
    "mauve",
)
MADE = "soft patches of "


def reply(body: Body) -> Turn:
    if "response_format" in body:
        return Turn(text="no JSON")
    seen = hashlib.sha256(json.dumps(body["messages"]).encode()).digest()
    own = MADE + " and ".join(WORDS[byte % len(WORDS)] for byte in seen[:6])
    return Turn(text="The image shows www.invented.example" if "60 to 150" in str(body["messages"]) else own)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("captions")
    write_corpus(folder / "in", images=8, videos=2)
    for n in range(2):
        (folder / "in" / f"image-00{n}.txt").unlink()
    with chat_server(reply) as server:
        path = write_recipe(
            folder,
            model_servers={"vlm": {"url": server.endpoint, "model": "a-model"}},
            annotate={
                "captions": {
                    "servers": ["vlm"],
                    "select": "all",
                    "styles": ["short", "detailed", "structured"],
                    "failed": 0.5,
                    "choose": {"rule": "mix", "synthetic": 0.5},
                },
                "text": {},
            },
            cot={
                "mix": {"non_thinking": 1.0},
                "questions": {"caption_distractors": 2},
            },
        )
        (folder / "policy.yaml").write_text(
            "{name: captions, version: '1', rules: [{name: captioned, keep: 'captions_made >= 1 and captions_refused = 0', "
            "on_missing: drop, reason: no caption}]}"
        )
        recipe = load(path)
        execute(recipe, engine=InProcess())
        assert all(report.state == "up to date" for report in execute(recipe, engine=InProcess()))
    return folder / "ws/releases/test", recipe


def samples(release: Path) -> list[dict[str, Any]]:
    every = [fields for shard in sorted(release.glob("shards/*.tar")) for _, fields in read_shard(shard)]
    return [json.loads(fields["json"]) | {"txt": fields["txt"].decode()} for fields in every]


def test_shards_hold_the_chosen_caption_and_the_makers_of_all(released: tuple[Path, Any]) -> None:
    release, _ = released
    rows = samples(release)
    assert len(rows) == 10 and verify(str(release)).errors == []
    for row in rows:
        first = row["captions"][0]
        assert row["txt"] == first["text"]
        made = [c for c in row["captions"] if c["source"] == "annotate.captions"]
        assert [c["text"][: len(MADE)] for c in made] == [MADE], "a caption that invents an address is not used"
        assert made[0]["style"] == "short" and made[0]["model"].endswith(":a-model") and made[0]["seed"] > 0
        assert all((c["style"], c["model"], c["seed"]) == ("", "", 0) for c in row["captions"] if c not in made)
    chosen = [row["captions"][0]["source"] for row in rows]
    assert 2 <= chosen.count("annotate.captions") < 10, "two samples have no other caption; of the others about half"


def test_manifest_card_report_and_croissant_tell_the_shares(released: tuple[Path, Any]) -> None:
    release, recipe = released
    manifest = open_release(str(release)).manifest
    section = manifest.captions
    synthetic = sum(row["captions"][0]["source"] == "annotate.captions" for row in samples(release))
    assert section.chosen == {"short": synthetic, "source": 10 - synthetic}
    assert section.written == 20 and section.styles == {"short": 10, "detailed": 10}
    assert section.failures == {"bad_json": 10} and section.rejected == 10 and section.share == 0.5
    assert section.faults["boilerplate"] == 10 and section.faults["invented"] == 10
    assert set(section.prompts) == {f"{name}.v1" for name in ("short", "detailed", "structured", "frames", "unseen")}
    card = (release / "README.md").read_text()
    assert "Captions of 10 samples were asked of" in card and f"| {synthetic / 10:.1%} |" in card
    assert "Captions of 10 samples" in (release / "report.html").read_text()
    croissant = json.loads((release / "croissant.json").read_text())
    assert any(tool.endswith("a-model (captions)") for tool in croissant["rai:machineAnnotationTools"])
    assert "endpoint" not in json.dumps(content_of(recipe)) and "127.0.0.1" not in json.dumps(content_of(recipe))


def test_servers_that_were_asked_are_counted_and_the_cache_beside_the_release(released: tuple[Path, Any]) -> None:
    release, recipe = released
    [server] = open_release(str(release)).manifest.model_servers
    [asked] = server.asked
    assert (asked.purpose, asked.requests, asked.failures) == ("captions", 30, {"bad_json": 10})
    assert asked.tokens_in > 0 and "| vlm | a-model (url) | captions | 30 |" in (release / "README.md").read_text()
    assert "<h2>Model servers</h2>" in (release / "report.html").read_text()
    assert recorded(committed(recipe).workspace.store, recipe.name)["vlm"].requests == 30


def test_the_text_filters_judge_the_captions_that_are_released(released: tuple[Path, Any]) -> None:
    release, recipe = released
    track = tracks(recipe)[-1]
    judged = {row["id"]: row for row in committed(recipe).table("annotate.text", TABLE, track.schema).to_pylist()}
    for sample in samples(release):
        row, first = judged[sample["id"]], sample["captions"][0]["text"]
        assert len(row["texts"]) == len(sample["captions"])
        assert row["caption_gopher_quality"] == filter_of(TextConfig(), "gopher_quality")(first)


def test_questions_of_chain_of_thought_read_the_released_captions(released: tuple[Path, Any]) -> None:
    release, recipe = released
    material = committed(recipe).table("cot.material", "material", SOURCE_MATERIAL).to_pylist()
    texts = {row["id"]: row["txt"] for row in samples(release)}
    assert all(row["captions"][0] == texts[row["id"]] for row in material) and len(material) == 10
    assert any(MADE in row["distractors"] for row in material)
