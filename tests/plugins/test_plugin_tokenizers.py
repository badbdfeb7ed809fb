"""Tokenizers of plugins: fitted, kept by the lock, encoded; what they raise costs the sample."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from dataengine.config.recipe import Recipe, load
from dataengine.errors import InputError, RunError, UsageError
from dataengine.pipeline import execute, stages
from dataengine.plugins.failure import ERROR
from dataengine.plugins.file import PluginFile
from dataengine.plugins.kinds import Kind
from dataengine.plugins.origin import Origin
from dataengine.testing import InProcess, write_corpus, write_recipe
from dataengine.tokenize.plugin import PluginPreparer, PluginTokenizer
from dataengine.tokenize.quality import judge

EXAMPLE = Path(__file__).parents[2] / "examples/plugins/gray_tokenizer.py"
SOURCE = EXAMPLE.read_text()
SETTINGS = {"name": "gray", "levels": 8, "max_tokens": 64}


def recipe(folder: Path, plugin: Path = EXAMPLE, tokenizer: dict[str, Any] | None = None, **changes: Any) -> Recipe:
    tokenize = {"tokenizer": tokenizer or SETTINGS, "device": "cpu"}
    return load(write_recipe(folder, **({"plugins": [str(plugin)], "tokenize": tokenize} | changes)))


def changed(folder: Path, old: str, new: str) -> Path:
    assert old in SOURCE
    (folder / "gray_tokenizer.py").write_text(SOURCE.replace(old, new))
    return folder / "gray_tokenizer.py"


def states(told: Recipe) -> dict[str, str]:
    return {report.name: report.state for report in execute(told, engine=InProcess())}


def manifest(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "ws/releases/test/manifest.json").read_bytes())
    return read


@pytest.mark.slow
def test_the_example_is_fitted_kept_and_encodes_pictures_and_videos(tmp_path: Path) -> None:
    write_corpus(tmp_path / "in", images=4, videos=1)
    assert states(recipe(tmp_path))["tokenize.encode"] == "done"
    first = manifest(tmp_path)
    assert first["tokenizer"]["name"] == "gray" and first["tokenizer"]["codebook_sizes"] == [8]
    assert first["tokenizer"]["fit"]["samples"] == 5 and first["tokenizer"]["tokens"] > 100
    assert [used["offers"] for used in first["plugins"]] == [["tokenizer gray"]]
    assert first["tokenizer"]["id"] in (tmp_path / "recipe.lock").read_text()
    assert set(states(recipe(tmp_path)).values()) == {"up to date"}
    edited = states(recipe(tmp_path, changed(tmp_path, "128", "127")))
    assert (edited["score"], edited["tokenize.fit"], edited["tokenize.encode"]) == ("up to date", "done", "done")
    assert manifest(tmp_path)["tokenizer"]["id"] != first["tokenizer"]["id"]


@pytest.mark.slow
def test_an_encoder_that_raises_costs_the_sample(tmp_path: Path) -> None:
    write_corpus(tmp_path / "in", images=4)
    fails = "if any(patches.grid == (1, 3, 21) for patches in prepared): raise ValueError('odd')\n        return [Codes"
    write_wide(tmp_path / "in/wide.png")
    states(recipe(tmp_path, changed(tmp_path, "return [Codes", fails)))
    rows = pq.read_table(tmp_path / "ws/releases/test/ledger.parquet").to_pylist()
    assert [(r["uri"], r["failure"]) for r in rows if r["outcome"] == "failed"] == [("wide.png", ERROR)]
    assert sum(row["outcome"] == "kept" for row in rows) == 4


def write_wide(path: Path) -> None:
    """Of another grid than the others: 3 x 21 patches."""
    from PIL import Image

    from dataengine.testing import picture

    Image.fromarray(picture(77, 588, 84)).save(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    Config = GrayConfig\n", "", "tokenizer `gray` of plugin gray_tokenizer.py .*: it has no `Config`"),
        ("Config = GrayConfig", "Config = dict", "`Config` is a pydantic model with the fields name and seed"),
        ('    name = "gray"\n', '    name = "kelix"\n', "there is a tokenizer `kelix` already, the engine's own"),
    ],
)
def test_mistakes_are_told_before_anything_runs(tmp_path: Path, old: str, new: str, message: str) -> None:
    write_corpus(tmp_path / "in", images=1)
    with pytest.raises(UsageError, match=message):
        stages(recipe(tmp_path, changed(tmp_path, old, new)))


def test_fields_and_names_are_checked(tmp_path: Path) -> None:
    write_corpus(tmp_path / "in", images=1)
    with pytest.raises(UsageError, match=r"tokenize\.tokenizer, gray: unknown field `level`; did you mean `levels`"):
        stages(recipe(tmp_path, tokenizer={"name": "gray", "level": 8}))
    with pytest.raises(UsageError, match="there is no tokenizer 'grey'; did you mean `gray`"):
        stages(recipe(tmp_path, tokenizer={"name": "grey"}))


def tokenizer(old: str, new: str) -> PluginTokenizer:
    """The example's, with a change, fitted on one picture."""
    assert old in SOURCE
    origin = Origin(Kind.TOKENIZER, PluginFile("gray_tokenizer.py", SOURCE.replace(old, new).encode()), "gray")
    still = PluginPreparer(origin, SETTINGS)([STILL])
    return PluginTokenizer.fitted(origin, SETTINGS, [("a/0", still)])


STILL = np.random.default_rng(0).integers(0, 256, (84, 112, 3), np.uint8)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "        grays = ",
            "        raise ValueError('no patches')\n        grays = ",
            "cannot be fitted: ValueError: no",
        ),
        (
            "    def save(self)",
            "    def save(self):\n        return 1 / 0\n\n    def saved(self)",
            "cannot be saved: Zero",
        ),
        (
            "    def load(",
            "    def load(cls, data):\n        return 1 / 0\n\n    def loaded(",
            "cannot be loaded: Zero",
        ),
        (
            "    def decode(",
            "    def decode(self, codes):\n        return 1 / 0\n\n    def decoded(",
            "cannot decode: Zero",
        ),
    ],
)
def test_what_a_tokenizer_raises_names_it(old: str, new: str, message: str) -> None:
    with pytest.raises(RunError, match=f"tokenizer `gray` of plugin gray_tokenizer.py .* {message}"):
        one = tokenizer(old, new)
        one.setup("cpu", 1)
        [codes] = one.encode([one.prepare([STILL])])
        one.load(one.save()).decode(codes)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("levels = np.clip(", "levels = self.config.levels + np.clip("),
        ("[:, None]", "[:, None].repeat(2, axis=1)"),
    ],
)
def test_codes_of_other_codebooks_cost_the_sample(old: str, new: str) -> None:
    one = tokenizer(old, new)
    [failed] = one.attempt([one.prepare([STILL])])
    assert isinstance(failed, InputError) and failed.failure == ERROR
    assert "codes that are not of codebooks of 8 entries" in failed.message


def test_an_evaluation_says_which_tokenizer_the_recipe_has(tmp_path: Path) -> None:
    """Its checkpoint is read with the recipe's plugins."""
    write_corpus(tmp_path / "in", images=1)
    fitted = tokenizer("", "").save()
    record = SimpleNamespace(files=lambda role: [SimpleNamespace(key="tokenizer")])
    workspace = SimpleNamespace(store=SimpleNamespace(get=lambda key: fitted))
    run: Any = SimpleNamespace(records={"tokenize.fit": record}, workspace=workspace, recipe=recipe(tmp_path))
    with pytest.raises(UsageError, match=r"tokenizer eval needs the kelix tokenizer .*; the recipe has gray"):
        judge(run)
