"""``dataengine tokenizer`` and a release with the Kelix tokenizer, as a user runs them."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from support.code_tokens import tokens_of
from support.command import dataengine
from support.small_corpus import Setup, kill_session, manifest, members, read_npy, stage_lines

pytestmark = pytest.mark.xdist_group("kelix")  # one training for all

SMALL = {
    "name": "kelix",
    "max_tokens": 64,
    "video": {"budget": 1024},
    "vision": {"hidden": 32, "layers": 1, "heads": 2, "mlp": 64, "positions": 4, "features": 48},
    "quantiser": {"codebooks": 4, "entries": 16, "dim": 8, "fused": 48},
    "objective": {"kind": "reconstruct", "layers": 1, "heads": 2, "mlp": 64},
    "training": {"encoder_steps": 40, "steps": 60, "crops": 6, "side": 4, "save_every": 10, "threads": 1},
}
TOKENIZE = {"tokenize": {"tokenizer": SMALL, "held_out": 0.3, "device": "cpu"}}


@pytest.fixture(scope="module")
def kelix(base: Setup, tmp_path_factory: pytest.TempPathFactory) -> Setup:
    """The base run again, its codes now by a small Kelix tokenizer; not to be changed."""
    folder = tmp_path_factory.mktemp("kelix")
    shutil.copytree(base.workspace, folder / "ws")
    setup = Setup(folder, base.corpus, str(folder / "ws"), TOKENIZE).write()
    setup.run("--workers", "2")
    return setup


def tokenizer(setup: Setup) -> dict[str, object]:
    told: dict[str, object] = manifest(setup.release)["tokenizer"]
    return told


def codes(setup: Setup) -> dict[str, bytes]:
    """Codes and JSON of every sample of the release."""
    found = members(sorted(setup.release.glob("shards/*.tar")))
    return {name: data for name, data in found.items() if name.endswith((".codes.npy", ".json"))}


def test_every_kept_picture_and_video_has_codes(kelix: Setup) -> None:
    found, told = codes(kelix), tokenizer(kelix)
    assert told["name"] == "kelix" and told["codebook_sizes"] == [16] * 4
    kinds = set()
    for name in [n for n in found if n.endswith(".json")]:
        sample = json.loads(found[name])
        tokens = read_npy(found[name.replace(".json", ".codes.npy")])
        assert sample["codes"]["tokenizer"] == told["id"] and tokens.dtype == np.uint8
        assert tokens.shape == (tokens_of(sample["codes"]), 4) and tokens.max() < 16
        if sample["kind"] == "video":
            kinds |= set(sample["codes"]["frame_kinds"])
            assert sample["codes"]["frame_times"][0] == 0.0 and len(tokens) <= 1024
    assert kinds == {0, 1}
    card = (kelix.release / "README.md").read_text()
    assert f"Tokenizer `kelix`, id `{told['id']}`" in card and "Slow-Fast" in card


def test_one_worker_gives_the_same_tokenizer_and_codes(base: Setup, kelix: Setup, tmp_path: Path) -> None:
    shutil.copytree(base.workspace, tmp_path / "ws")
    again = Setup(tmp_path, kelix.corpus, str(tmp_path / "ws"), TOKENIZE).write()
    again.run("--workers", "1")
    assert tokenizer(again) == tokenizer(kelix)
    assert codes(again) == codes(kelix)


def test_training_that_was_killed_goes_on(kelix: Setup, tmp_path: Path) -> None:
    training = {**SMALL["training"], "steps": 150}  # type: ignore[dict-item]
    changes = {"tokenize": {**TOKENIZE["tokenize"], "tokenizer": {**SMALL, "training": training}}}
    for name in ("killed", "whole"):
        shutil.copytree(kelix.workspace, tmp_path / name)
    killed, whole = (
        Setup(tmp_path / f"{n}-r", kelix.corpus, str(tmp_path / n), changes).write() for n in ("killed", "whole")
    )
    process = killed.start("--workers", "1")
    state = Path(killed.workspace, "stages", "tokenize.fit", "state")
    while not list(state.glob("*.safetensors")):
        assert process.poll() is None
        time.sleep(0.01)
    kill_session(process)
    [held] = state.glob("*.json")
    assert 10 <= json.loads(held.read_bytes())["step"] < 150
    for setup in (killed, whole):
        dataengine("tokenizer", "train", str(setup.recipe))
    fitted = [
        {p.name for p in Path(s.workspace, "tokenizers").glob("*/tokenizer.safetensors")} for s in (killed, whole)
    ]
    ids = [
        {p.parent.name for p in Path(s.workspace, "tokenizers").glob("*/tokenizer.safetensors")}
        for s in (killed, whole)
    ]
    assert fitted[0] == fitted[1] and ids[0] == ids[1] and len(ids[0]) == 3, "the base's, the fixture's and this one"
    assert not list(state.glob("*")), "the state is thrown away once the tokenizer is there"


def test_eval_prints_the_table_and_writes_it_into_the_card(kelix: Setup, tmp_path: Path) -> None:
    trained = len(list(Path(kelix.workspace, "tokenizers").glob("*/tokenizer.safetensors")))
    shown = dataengine("tokenizer", "eval", str(kelix.recipe), "--steps", "20").stdout
    for row in (
        "perplexity a codebook",
        "PSNR, dB, own decoder",
        "distance, small decoder",
        "digits, linear probe",
        "retrieval, R@1",
        "caption perplexity",
    ):
        assert row in shown
    assert "one codebook" not in shown
    assert len(list(Path(kelix.workspace, "tokenizers").glob("*/tokenizer.safetensors"))) == trained, "none is trained"
    dataengine("tokenizer", "export", str(kelix.recipe), str(tmp_path / "out"))
    assert "| digits, linear probe" in (tmp_path / "out" / "README.md").read_text()
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["digits"]["classes"] == 10


def test_eval_trains_a_single_codebook_on_request(kelix: Setup) -> None:
    shown = dataengine("tokenizer", "eval", str(kelix.recipe), "--baseline", "--steps", "5").stdout
    [line] = [line for line in shown.splitlines() if line.startswith("codebooks")]
    assert "one codebook" in shown and line.split()[1:] == ["4", "1"]


def test_an_exported_tokenizer_can_be_named_by_another_recipe(kelix: Setup, tmp_path: Path) -> None:
    out = tmp_path / "exported"
    dataengine("tokenizer", "export", str(kelix.recipe), str(out))
    assert {p.name for p in out.iterdir()} >= {"tokenizer.safetensors", "config.json", "README.md", "loss.svg"}
    shutil.copytree(kelix.workspace, tmp_path / "ws")
    changes = {"tokenize": {"tokenizer": {"name": "checkpoint", "path": str(out)}, "device": "cpu"}}
    other = Setup(tmp_path, kelix.corpus, str(tmp_path / "ws"), changes).write()
    done = stage_lines(other.run().stdout)
    assert tokenizer(other)["id"] == tokenizer(kelix)["id"] and codes(other) == codes(kelix)
    assert done["tokenize.encode"][1] == 0, "the same tokenizer: its codes are there"

    file = out / "tokenizer.safetensors"
    file.write_bytes(file.read_bytes()[:-3] + b"abc")
    for path, told in ((str(out), "damaged"), (str(tmp_path / "none"), "no such file")):
        changes["tokenize"]["tokenizer"] = {"name": "checkpoint", "path": path}
        bad = Setup(tmp_path / "bad", kelix.corpus, str(tmp_path / "never"), changes).write()
        failed = bad.run(ok=False)
        assert failed.returncode == 2 and told in failed.stderr, failed.stderr
        assert not Path(bad.workspace).exists(), "found before any media is read"


@pytest.mark.parametrize("options", [(), ("--baseline",)])
def test_eval_of_another_tokenizer_says_so(base: Setup, options: tuple[str, ...]) -> None:
    failed = dataengine("tokenizer", "eval", str(base.recipe), *options, ok=False)
    assert (
        failed.returncode == 2
        and "needs the kelix tokenizer (tokenize.tokenizer.name); the recipe has product" in failed.stderr
    )
