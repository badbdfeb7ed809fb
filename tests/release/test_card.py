"""The dataset card: a YAML header that Hugging Face reads, and tables that no caption or reason can break."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from support.release_manifest import dedup, manifest, records, shard

from dataengine.config.recipe import ReleaseConfig
from dataengine.release.card import card, configs, size_category
from dataengine.release.card_text import AUTHOR_FIELDS, table, unstated
from dataengine.release.funnel import funnel_rows


def header(text: str) -> dict[str, Any]:
    start, told, _ = text.split("---\n", 2)
    assert start == ""
    loaded: dict[str, Any] = yaml.safe_load(told)
    return loaded


@pytest.mark.parametrize("title", ["Cats: a study", "# not a comment", "--- no end", "a 'b' \"c\"", "Ünïcode – 写真"])
def test_the_header_is_yaml_whatever_the_title(title: str) -> None:
    told = header(card(manifest(title=title)))
    assert (told["pretty_name"], told["license"], told["language"]) == (title, "cc0-1.0", ["en"])


def test_groups_and_benchmarks_are_told() -> None:
    benchmark = {
        "name": "quiz",
        "items": 20,
        "unreadable": 1,
        "not_compared": {"ngram": 2},
        "hits": {"phash": 3, "ngram": 0},
    }
    text = card(manifest(contamination={"benchmarks": [benchmark], "presets": {}}))
    assert "| quiz | 20 | 1 | phash: 3, ngram: 0 | ngram: 2 |" in text
    assert (
        text.index("| 2 | 1 |") < text.index("| 10 | 3 |")
        and "4 members are farther" in text
        and "5 samples were split" in text
    )
    assert "Decontamination" not in card(manifest())


def test_what_a_search_may_have_missed_is_told() -> None:
    near = {"comparisons": 50, "brute_force": 1000, "recall": 0.995, "recall_of": 200, "left_out": 3}
    semantic = {"threshold": 0.75, "caption_threshold": None, "confirm": True}
    more = {
        "pixels": True,
        "aligned_radius": 12,
        "semantic": semantic,
        "search": {"semantic": near, "text": {"skipped": 7}},
    }
    text = card(manifest(dedup=dedup(**more)))
    for said in (
        "equal pixels",
        "at most 12 bits",
        "at least 0.75",
        "50 of 1,000 pairs",
        "99.5% of the 200",
    ):
        assert said in text
    assert "skipped 7 caption pairs" in text and "compared" not in card(manifest())


def test_cells_cannot_break_a_table() -> None:
    text = table(("a", "b"), [("x | y\nz", 1234), (None, 0)])
    assert text.splitlines() == ["| a | b |", "| --- | --- |", "| x \\| y z | 1,234 |", "|  | 0 |"]


def test_a_reason_with_a_bar_stays_in_its_cell() -> None:
    funnel = [{"rule": "side", "reason": "w | h", "entering": 5, "dropped": 2, "remaining": 3}]
    assert "| side | w \\| h | 5 | 2 |" in card(manifest(funnel=funnel))


@pytest.mark.parametrize(
    ("samples", "name"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1000, "1K<n<10K"),
        (99_999, "10K<n<100K"),
        (10**6, "1M<n<10M"),
        (10**9, "1B<n<10B"),
        (10**10, "10B<n<100B"),
        (10**11, "100B<n<1T"),
        (10**12, "n>1T"),
    ],
)
def test_size_categories(samples: int, name: str) -> None:
    assert size_category(samples) == name


def test_configs_name_each_family_and_split_once() -> None:
    shards = [
        shard(samples=3),
        shard(name="validation-image-00000", split="validation", samples=1),
        shard(name="train-video-00000", family="video", samples=9),
    ]
    cot = {"shards": [records(family=f) for f in ("tools", "picture", "tools")], "modes": {"crop": 2}, "rejected": {}}
    assert configs(manifest(shards=shards, cot=cot)) == [
        {"config_name": "cot-picture", "data_files": [{"split": "train", "path": "cot/train-picture-*.tar"}]},
        {"config_name": "cot-tools", "data_files": [{"split": "train", "path": "cot/train-tools-*.tar"}]},
        {
            "config_name": "image",
            "data_files": [
                {"split": "train", "path": "shards/train-image-*.tar"},
                {"split": "validation", "path": "shards/validation-image-*.tar"},
            ],
        },
        {
            "config_name": "video",
            "default": True,
            "data_files": [{"split": "train", "path": "shards/train-video-*.tar"}],
        },
    ]


def test_a_release_without_samples_codes_or_cot_has_a_card() -> None:
    empty = manifest(shards=[], samples=0, tokenizer=None, funnel=[])
    text = card(empty)
    assert header(text)["configs"] == []
    assert "## Loading" not in text and "## Visual codes" not in text and "Chain-of-thought" not in text


def test_what_nobody_stated_is_said_to_be_missing() -> None:
    text = card(manifest(biases="Only tabby cats."))
    assert "Only tabby cats." in text
    assert "Not stated: the recipe's `release.intended_use` is empty." in text


def test_clips_are_told_from_whole_inputs() -> None:
    source = {"name": "films", "type": "folder", "license": None, "inputs": 15}
    told = card(manifest(sources=[{**source, "clips": 14, "videos_cut": 1}]))
    assert "`films`: 14 of the inputs are clips of 1 longer videos" in told
    assert "clips" not in card(manifest(sources=[source]))


def test_the_funnel_goes_from_inputs_to_kept() -> None:
    rows = dict(funnel_rows(manifest()))
    assert list(rows)[:5] == ["inputs", "- failed: empty", "- duplicate: exact", "- filtered: blur", "= kept"]
    losses = sum(int(n) for name, n in rows.items() if name.startswith("- "))
    assert int(rows["inputs"]) + losses == int(rows["= kept"])


def test_the_sections_are_those_of_the_hub() -> None:
    text = card(manifest(contact="the cat people", citation="Cats, 2026.", limitations="No dogs."))
    wanted = [
        *("## Dataset Details", "### Dataset Description", "## Uses", "### Direct Use", "### Out-of-Scope Use"),
        *(
            "## Dataset Structure",
            "## Dataset Creation",
            "### Curation Rationale",
            "### Source Data",
            "### Annotations",
        ),
        *("#### Data Collection and Processing", "##### Sources", "### Personal and Sensitive Information"),
        *("## Bias, Risks, and Limitations", "## Citation", "## Dataset Card Contact"),
    ]
    lines = text.splitlines()
    assert [heading for heading in wanted if heading not in lines] == []
    assert "the cat people" in text and "Cats, 2026." in text and "No dogs." in text
    assert text.count("`release.personal_information` is empty") == 1


def test_scores_before_and_after_are_told() -> None:
    spread = {"count": 5, "min": 0.5, "p10": 1.0, "p50": 2.0, "p90": 3.0, "max": 4.25}
    text = card(manifest(scores={"blur": {"before": spread, "after": {"count": 0}}}))
    assert "| blur | before | 5 | 0.5 | 1 | 2 | 3 | 4.25 |" in text
    assert "| blur | after | 0 |  |  |  |  |  |" in text


def test_what_a_person_has_left_out_is_told_by_name() -> None:
    told = manifest(biases="Many cats.", date="2026-01-02")
    assert {"release.intended_use", "release.compute", "license of source photos"} <= set(unstated(told))
    assert not {"release.biases", "release.date"} & set(unstated(told))
    assert all(f"release.{name}" in str(unstated(manifest())) for name in AUTHOR_FIELDS)
    assert set(AUTHOR_FIELDS) <= ReleaseConfig.model_fields.keys()


def test_cost_tells_bytes_and_leaves_time_to_a_person() -> None:
    stages = [{"stage": "ingest", "parts": 2, "files": 5, "bytes": 12_345}]
    text = card(manifest(cost={"inputs": 7, "bytes": 67_890, "stages": stages}))
    assert "7 inputs of 67,890 bytes were read" in text and "| ingest | 2 | 5 | 12,345 |" in text
    assert "`release.compute` is empty" in text
    assert "3 h on 8 cores" in card(manifest(compute="3 h on 8 cores", cost={"inputs": 0, "bytes": 0, "stages": []}))
