"""Which caption stands for a sample: by match or by share, from id and seed alone."""

from __future__ import annotations

from typing import Any

import pytest

from dataengine.annotate.captions.choose import accepted, choose, faults
from dataengine.config.annotate_captions import ChooseConfig

IDS = [f"{n:032x}" for n in range(2000)]


def caption(
    text: str, match: float | None = 0.2, style: str | None = None, n: int = 0, **fields: Any
) -> dict[str, Any]:
    measured = {
        "refusal": False,
        "repetition": 0.0,
        "boilerplate": 0,
        "unread": None,
        "unsupported": 0,
        "script": "latin",
    }
    row = {"text": text, "match": match, "style": style, "synthetic": style is not None, "n": n, "span": None}
    return {**row, **measured, **fields}


SOURCE = [caption("alt", 0.1), caption("a longer alt text", 0.05, n=1)]
MADE = [caption("short one", 0.3, "short"), caption("a detailed one", 0.25, "detailed", 1)]


@pytest.mark.parametrize(
    ("source", "made", "settings", "text", "reason"),
    [
        (SOURCE, MADE, {}, "short one", "best match"),
        (SOURCE, [caption("worse", 0.05, "short")], {}, "alt", "best match"),
        (SOURCE, [caption("equal", 0.1, "short")], {}, "alt", "best match"),
        (SOURCE, [], {}, "alt", "only source"),
        ([], MADE, {}, "short one", "only synthetic"),
        ([], [], {}, None, "no caption"),
        ([caption("", 0.9)], MADE, {}, "short one", "only synthetic"),
        (
            [caption("alt", None), caption("longer", None, n=1)],
            [caption("m", None, "short")],
            {},
            "longer",
            "no match is known",
        ),
        (SOURCE, [caption("{}", 0.9, "structured")], {}, "alt", "only source"),
        (SOURCE, [caption("{}", 0.9, "structured")], {"styles": {"structured": 1}}, "{}", "best match"),
        (SOURCE, [caption("a window", 0.9, "short", span="window")], {}, "alt", "only source"),
        (SOURCE, [caption("whole", 0.9, "short", span="whole")], {}, "whole", "best match"),
        (SOURCE, MADE, {"rule": "mix", "synthetic": 0.0}, "alt", "share source"),
        (SOURCE, MADE, {"rule": "mix", "synthetic": 1.0}, "short one", "share synthetic"),
        ([], MADE, {"rule": "mix", "synthetic": 0.0}, "short one", "only synthetic"),
    ],
)
def test_the_choice(source: Any, made: Any, settings: dict[str, Any], text: str | None, reason: str) -> None:
    choice = choose(IDS[0], source, made, ChooseConfig(**settings), 0)
    assert (choice.caption and choice.caption["text"], choice.reason) == (text, reason)


def test_a_mix_has_its_shares_and_depends_on_id_and_seed_alone() -> None:
    config = ChooseConfig(rule="mix", synthetic=0.3, styles={"short": 1, "detailed": 3})

    def texts(seed: int) -> list[str]:
        choices = [choose(id_, SOURCE, MADE, config, seed).caption for id_ in IDS]
        return [c["text"] for c in choices if c is not None]

    first = texts(1)
    assert first == texts(1) != texts(2)
    assert 0.26 < 1 - first.count("alt") / len(IDS) < 0.34
    assert 0.2 < first.count("short one") / (len(IDS) - first.count("alt")) < 0.3


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"refusal": True}, "refusal"),
        ({"repetition": 0.31}, "repetition"),
        ({"boilerplate": 1}, "boilerplate"),
        ({"unread": 1}, "invented_text"),
        ({"unsupported": 2}, "invented_text"),
        ({"script": "cjk"}, "other_script"),
        ({}, None),
    ],
)
def test_faults_and_what_they_reject(fields: dict[str, Any], fault: str | None) -> None:
    one = caption("x", 0.9, "short", **fields)
    assert faults(one, ChooseConfig()) == ([fault] if fault else [])
    assert accepted([one], ChooseConfig(reject=())) == [one]
    every = ("refusal", "repetition", "boilerplate", "invented_text", "other_script")
    assert accepted([one], ChooseConfig(reject=every)) == ([] if fault else [one])
