"""Task families of plugins: asked, answered, verified, and none of them of another recipe."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dataengine.config.recipe import Recipe, load
from dataengine.cot.tasks.plugin_tasks import OWN, use
from dataengine.cot.tasks.registry import DEFAULT_SHARES, TASKS
from dataengine.errors import UsageError
from dataengine.pipeline import execute, stages
from dataengine.plugins.file import PluginFile
from dataengine.testing import InProcess, picture, write_recipe
from dataengine.verify.cot_records import recheck

EXAMPLE = Path(__file__).parents[2] / "examples/plugins/exposure_task.py"
SOURCE = EXAMPLE.read_text()
COT = {"mix": {"non_thinking": 1}, "questions_per_sample": 1, "tasks": {"exposure": 1000}}


def recipe(folder: Path, plugin: Path = EXAMPLE, **changes: Any) -> Recipe:
    return load(write_recipe(folder, **({"plugins": [str(plugin)], "cot": COT} | changes)))


def changed(folder: Path, old: str, new: str) -> Path:
    assert old in SOURCE
    (folder / "exposure_task.py").write_text(SOURCE.replace(old, new))
    return folder / "exposure_task.py"


def write_pictures(folder: Path, count: int) -> None:
    """Dark and bright ones by turns."""
    folder.mkdir()
    for n in range(count):
        pixels = picture(n).astype(np.float64) * 0.5
        Image.fromarray((pixels if n % 2 else 255 - pixels).astype(np.uint8)).save(folder / f"{n}.png")


def records(folder: Path) -> list[dict[str, Any]]:
    made = []
    for path in sorted((folder / "ws/releases/test/cot").glob("*.tar")):
        with tarfile.open(path) as tar:
            made += [json.load(tar.extractfile(m)) for m in tar if m.name.endswith(".json")]  # type: ignore[arg-type]
    return made


def test_the_example_is_asked_and_its_records_are_verified_from_the_media(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", 8)
    execute(recipe(tmp_path), engine=InProcess())
    made = [record for record in records(tmp_path) if record["task"] == "exposure"]
    assert made and {record["messages"][0]["role"] for record in made} == {"user"}
    release = str(tmp_path / "ws/releases/test")
    checked = recheck(release, plugins=(PluginFile.read(str(EXAMPLE)),))
    assert checked.right == checked.records > 0, checked.errors
    without = recheck(release)
    assert without.wrong.total() == len(made) and "unknown task 'exposure'" in without.errors[0]
    again = {r.name: r.state for r in execute(recipe(tmp_path), engine=InProcess())}
    assert set(again.values()) == {"up to date"}
    edited = changed(tmp_path, "It is {}.", "It looks {}.")
    states = {r.name: r.state for r in execute(recipe(tmp_path, edited), engine=InProcess())}
    assert (states["score"], states["cot.questions"], states["cot.paths"]) == ("up to date", "done", "done")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('return {"brightness": float(round(source.picture().mean()))}', "return 1 / 0"),
        ('return [{"part": "whole picture"}]', 'yield {}["part"]'),
        ("reply = Plain(", 'raise ValueError("no words")\n        reply = Plain('),
    ],
)
def test_a_task_that_raises_asks_nothing_and_the_run_goes_on(tmp_path: Path, old: str, new: str) -> None:
    write_pictures(tmp_path / "in", 3)
    states = {r.name: r.state for r in execute(recipe(tmp_path, changed(tmp_path, old, new)), engine=InProcess())}
    assert states["release"] == "done"
    assert "exposure" not in {record["task"] for record in records(tmp_path)}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("class Exposure(Task):", "class Exposure:", "Exposure is no subclass of dataengine.Task"),
        ('name = "exposure"', 'name = "glance"', "there is a task `glance` already, the engine's own"),
        ('mode = "non_thinking"', 'mode = "silent"', "`mode` is one of thinking, non_thinking"),
        ('capability = "attributes"', 'capability = "exposure"', "`capability` is one of objects"),
        ("def measure(", "def measured(", "it has no `measure`"),
        ('styles = ("non_thinking",)', "styles = ('loud',)", "`style loud` is one of"),
    ],
)
def test_mistakes_are_told_before_anything_runs(tmp_path: Path, old: str, new: str, message: str) -> None:
    write_pictures(tmp_path / "in", 1)
    with pytest.raises(UsageError, match=message):
        stages(recipe(tmp_path, changed(tmp_path, old, new)))


def test_a_recipe_has_its_own_tasks_alone(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", 1)
    stages(recipe(tmp_path))
    assert TASKS["exposure"].capability == "attributes" and DEFAULT_SHARES["exposure"] == 1
    stages(load(write_recipe(tmp_path)))
    assert TASKS.keys() == DEFAULT_SHARES.keys() == OWN
    with pytest.raises(UsageError, match="unknown task `exposure`"):
        stages(recipe(tmp_path, plugins=[]))
    use(())
