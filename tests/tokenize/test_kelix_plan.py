"""``dataengine tokenizer plan``: what a training takes is counted, and a step of it timed, before it is paid for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from support import tiny_kelix, tiny_lm
from support.command import dataengine

from dataengine.tokenize.factory import configure
from dataengine.tokenize.kelix_checks import Corpus
from dataengine.tokenize.kelix_plan import COLUMNS, counted, plan

PHASE = {"steps": 4000, "tokens": 200, "accumulate": 2}
CURRICULUM = {"align": {**PHASE, "freeze": ["tower", "lm"]}, "pretrain": PHASE, "anneal": PHASE}


def curriculum(path: str) -> dict[str, Any]:
    objective = {"kind": "causal_lm", "path": path, "length": 20}
    return {**tiny_kelix.SMALL, "objective": objective, "training": {"threads": 1, "curriculum": CURRICULUM}}


def test_parameters_memory_steps_and_passes(tmp_path: Path) -> None:
    config = configure(curriculum(tiny_lm.write(tmp_path)))
    counts = counted(config)
    assert counts["centres"] == 64 * 48 and counts["adapter"] == 48 * 32 + 32 and counts["lm"] > 10_000
    made = plan(config, Corpus(10, 5, 1600), "cpu", False)
    align, pretrain, anneal = made.stages
    assert dict(zip(COLUMNS, align, strict=True)) | {"memory, GB": ""} == {
        "stage": "align",
        "steps": "4,000",
        "frozen": "tower, lm",
        "tokens a step": "400",
        "memory, GB": "",
        "s a step": "-",
        "hours": "-",
        "passes": "1,000.0",
    }
    assert (pretrain[0], anneal[0], pretrain[2], made.problems) == ("pretrain", "anneal", "nothing", [])
    assert ("with captions", "5") in made.corpus and ("vectors a centre", "25.0 for 64 centres") in made.corpus


def test_a_step_is_measured(tmp_path: Path) -> None:
    made = plan(configure(curriculum(tiny_lm.write(tmp_path))), None, "cpu", True)
    assert all(float(row[COLUMNS.index("s a step")]) > 0 for row in made.stages)
    small = plan(configure(tiny_kelix.SMALL), None, "cpu", True)
    assert [row[0] for row in small.stages] == ["encoder", "codes"]
    assert all(float(row[COLUMNS.index("s a step")]) > 0 for row in small.stages)


def test_the_report_s_sizes_are_planned_and_what_is_missing_is_said(tmp_path: Path) -> None:
    recipe = {
        "name": "k",
        "workspace": str(tmp_path / "ws"),
        "sources": [{"type": "folder", "name": "p", "path": str(tmp_path)}],
        "filter": {"policy": "p.yaml"},
        "tokenize": {"tokenizer": {"name": "kelix", "preset": "kelix"}, "device": "cpu"},
        "release": {"title": "t", "license": "l", "description": "d"},
    }
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(recipe))
    done = dataengine("tokenizer", "plan", str(tmp_path / "r.yaml"), ok=False)
    assert done.returncode == 2 and "objective.path Qwen3-0.6B: no such folder" in done.stderr
    for told in ("8 of 8,192 entries", "268,435,456", "nothing is filtered yet", "pretrain", "100,000"):
        assert told in done.stdout, told
    assert not (tmp_path / "ws").exists()


@pytest.mark.parametrize("tokenizer", [{"name": "product"}])
def test_a_plan_of_another_tokenizer_says_so(tmp_path: Path, tokenizer: dict[str, Any]) -> None:
    recipe = {"name": "k", "workspace": "w", "sources": [{"type": "folder", "name": "p", "path": "p"}]}
    rest = {"filter": {"policy": "p.yaml"}, "release": {"title": "t", "license": "l", "description": "d"}}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({**recipe, **rest, "tokenize": {"tokenizer": tokenizer}}))
    done = dataengine("tokenizer", "plan", str(tmp_path / "r.yaml"), ok=False)
    assert done.returncode == 2 and "tokenizer plan needs the kelix tokenizer" in done.stderr
