"""A Kelix tokenizer trained in the report's three stages by the command: killed and resumed, on one process and on two."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from support import tiny_kelix, tiny_lm
from support.command import COMMAND, dataengine
from support.small_corpus import kill_session

from dataengine import pipeline
from dataengine.config import recipe as recipes
from dataengine.testing.in_process import InProcess

pytestmark = pytest.mark.xdist_group("kelix-curriculum")

PHASE = {"steps": 24, "rate": 2e-3, "tokens": 250, "buffer": 8, "accumulate": 2}
CAPTIONS = ("a red flower", "a temple", "a picture of a temple")
POLICY = {
    "name": "all",
    "version": "1",
    "description": "Keeps all.",
    "rules": [{"name": "side", "keep": "width >= 1", "on_missing": "drop", "reason": "tiny"}],
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops of photographs with captions and conversations, one of them damaged, and a language model beside them."""
    folder = tmp_path_factory.mktemp("curriculum")
    (folder / "photos").mkdir()
    generator = np.random.default_rng(0)
    for i in range(24):
        photo = tiny_kelix.photos()[i % 4]
        top, left = (int(generator.integers(0, n - 56)) for n in photo.shape[:2])
        Image.fromarray(photo[top : top + 84, left : left + 112]).save(folder / "photos" / f"{i:02d}.png")
        (folder / "photos" / f"{i:02d}.txt").write_text(CAPTIONS[i % 3])
        turns = [{"from": "human", "value": "<image> what is this ?"}, {"from": "gpt", "value": CAPTIONS[i % 3]}]
        (folder / "photos" / f"{i:02d}.json").write_text(json.dumps({"conversations": turns}))
    (folder / "lm").mkdir()
    tiny_lm.write(folder / "lm")
    (folder / "policy.yaml").write_text(yaml.safe_dump(POLICY))
    return folder


def recipe(corpus: Path, folder: Path, workspace: str = "ws", **changes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    curriculum = {
        "align": {**PHASE, "freeze": ["tower", "lm"]},
        "pretrain": {**PHASE, "rates": {"lm": 1e-3}, "mix": [{"text": "captions"}, {"text": "instructions"}]},
        "anneal": {**PHASE, "mix": [{"text": "instructions"}]},
    }
    objective = {"kind": "causal_lm", "path": str(corpus / "lm"), "length": 20}
    training = {"encoder_steps": 0, "save_every": 6, "threads": 1, "curriculum": {**curriculum, **changes}}
    tokenizer = {**tiny_kelix.SMALL, "objective": objective, "training": training}
    content = {
        "name": "stages",
        "workspace": str(folder / workspace),
        "sources": [{"type": "folder", "name": "photos", "path": str(corpus / "photos"), "buckets": 2}],
        "dedup": {"radius": 0},
        "score": {"scorers": [{"name": "technical"}], "device": "cpu"},
        "filter": {"policy": str(corpus / "policy.yaml")},
        "tokenize": {"tokenizer": tokenizer, "held_out": 0.0, "device": "cpu"},
        "release": {"title": "t", "license": "l", "description": "d"},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def curves(folder: Path) -> dict[str, list[float]]:
    """The objective at each step, by stage."""
    logs = sorted((folder / "ws" / "tokenizers" / "training").glob("*.jsonl"))
    return {
        p.name.partition("-")[0]: [json.loads(line)["objective"] for line in p.read_text().splitlines()] for p in logs
    }


def trained(folder: Path) -> set[str]:
    return {p.parent.name for p in (folder / "ws" / "tokenizers").glob("*/tokenizer.safetensors")}


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    pipeline.until(recipes.load(str(recipe(corpus, folder))), "tokenize.fit", engine=InProcess())
    return folder


def before_stages(whole: Path, folder: Path) -> Path:
    """A copy of the workspace as it was before the first stage."""
    shutil.copytree(whole / "ws", folder / "ws")
    for kind in ("align", "pretrain", "anneal", "fit"):
        shutil.rmtree(folder / "ws" / "stages" / f"tokenize.{kind}")
    shutil.rmtree(folder / "ws" / "tokenizers" / "training")
    return folder


def test_the_three_stages_train_and_publish_a_tokenizer(whole: Path) -> None:
    logs = curves(whole)
    assert {name: len(curve) for name, curve in logs.items()} == {"align": 24, "pretrain": 24, "anneal": 24}
    assert np.mean(logs["anneal"][-4:]) < 0.8 * np.mean(logs["align"][:4])
    [id_] = trained(whole)
    config = json.loads((whole / "ws" / "tokenizers" / id_ / "config.json").read_text())
    assert config["objective"] == {"kind": "causal_lm", "path": None, "length": 20}, "no path of this machine"
    assert not any((whole / "ws" / "stages").glob("*/state/*")), "thrown away once the stage is there"


def test_two_processes_give_the_curve_of_one(corpus: Path, whole: Path, tmp_path: Path) -> None:
    two = before_stages(whole, tmp_path / "two")
    dataengine("tokenizer", "train", str(recipe(corpus, two, processes=2)), "--workers", "2")
    for name, curve in curves(whole).items():
        assert np.allclose(curve, curves(two)[name], rtol=2e-3), name


def test_a_killed_stage_goes_on_to_the_same_tokenizer(corpus: Path, whole: Path, tmp_path: Path) -> None:
    killed = before_stages(whole, tmp_path / "killed")
    path = recipe(corpus, killed)
    state = killed / "ws" / "stages" / "tokenize.pretrain" / "state"
    process = subprocess.Popen(
        [COMMAND, "tokenizer", "train", str(path), "--workers", "1"],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not list(state.glob("*.safetensors")):
        assert process.poll() is None
        time.sleep(0.01)
    kill_session(process)
    assert list(state.glob("*.json")) and not list((killed / "ws" / "tokenizers" / "training").glob("anneal*"))
    pipeline.until(recipes.load(str(path)), "tokenize.fit", engine=InProcess())
    assert trained(killed) == trained(whole) and curves(killed) == curves(whole)
