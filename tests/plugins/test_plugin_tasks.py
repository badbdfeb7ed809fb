"""Task families of plugins: asked, answered, verified, and none of them of another recipe."""

from __future__ import annotations

import json
import pickle
import tarfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from dataengine.config.recipe import Recipe, load
from dataengine.cot.core.outcomes import Kept, Outcome, Rejected, Step
from dataengine.cot.core.sample import CotInput
from dataengine.cot.mix.answers import with_bounded_answers
from dataengine.cot.mix.candidates import ReviewedQuestion, with_outcomes
from dataengine.cot.questions.build import attempt, candidates
from dataengine.cot.tasks.plugin_tasks import OWN, use
from dataengine.cot.tasks.registry import DEFAULT_SHARES, TASKS
from dataengine.errors import UsageError
from dataengine.media.sandbox.answers import encode
from dataengine.media.sandbox.wire import Ok
from dataengine.pipeline import execute, stages
from dataengine.plugins.failure import ERROR
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


@pytest.mark.slow
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


def outcome_of(source: str) -> Outcome:
    """What comes of asking the plugin's task about a bright picture, as a decode child sends it."""
    pixels = np.full((64, 64, 3), 250, np.uint8)
    sample = CotInput("a" * 32, "image", lambda: pixels, lambda count, side: [])
    use((PluginFile("exposure_task.py", source.encode()),))
    try:
        outcome = attempt(TASKS["exposure"], "non_thinking", sample, 3)
        assert candidates(sample, 3, 1, {"non_thinking": 1}, shares={"exposure": 1})
        encode(Ok([outcome]), 1 << 20)
        return outcome
    finally:
        use(())


MEASURED = 'return {"brightness": float(round(source.picture().mean()))}'
OPTIONS = 'return [{"part": "whole picture"}]'
COMPOSED = "reply = Plain("
EXCHANGE = "return Exchange(draw.choice(_QUESTIONS), reply, picture(source_id))"
DECLINES = "from dataengine.errors import InputError; raise InputError('no_face', 'nobody')"
BEFORE = "    def measure("


@pytest.mark.parametrize(
    ("old", "new", "step", "reason"),
    [
        (MEASURED, "return 1 / 0", Step.DECIDE, ERROR),
        (MEASURED, "return None", Step.DECIDE, ERROR),
        (MEASURED, "return {'brightness': 'much'}", Step.DECIDE, ERROR),
        (MEASURED, DECLINES, Step.DECIDE, "no_face"),
        (OPTIONS, 'yield {}["part"]', Step.PROPOSE, ERROR),
        (OPTIONS, "return ['part']", Step.PROPOSE, ERROR),
        (OPTIONS, "return [{'part': 3}]", Step.PROPOSE, ERROR),
        (COMPOSED, f'raise ValueError("no words")\n        {COMPOSED}', Step.DECIDE, ERROR),
        (COMPOSED, f"{DECLINES}\n        {COMPOSED}", Step.DECIDE, ERROR),
        (EXCHANGE, "return 'text'", Step.DECIDE, ERROR),
        (BEFORE, f"    def observe(self, params, source):\n        return 1 / 0\n\n{BEFORE}", Step.DECIDE, ERROR),
        (BEFORE, f"    def observe(self, params, source):\n        return [3]\n\n{BEFORE}", Step.DECIDE, ERROR),
        (BEFORE, f"    def parents(self, *arguments):\n        return 1 / 0\n\n{BEFORE}", Step.DECIDE, ERROR),
        (BEFORE, f"    def type_of(self, params):\n        return 'essay'\n\n{BEFORE}", Step.DECIDE, ERROR),
    ],
)
def test_what_a_task_raises_costs_the_question(old: str, new: str, step: Step, reason: str) -> None:
    assert old in SOURCE
    outcome = outcome_of(SOURCE.replace(old, new))
    assert isinstance(outcome, Rejected) and (outcome.step, outcome.reason) == (step, reason)


@pytest.mark.parametrize("method", ["takes(self, source)", "variants(self, source)", "programs(self, style)"])
def test_a_task_that_cannot_tell_whether_it_asks_does_not(method: str) -> None:
    raises = SOURCE.replace(BEFORE, f"    def {method}:\n        return 1 / 0\n\n{BEFORE}")
    use((PluginFile("exposure_task.py", raises.encode()),))
    try:
        task, sample = TASKS["exposure"], CotInput("a" * 32, "image", lambda: picture(0), lambda count, side: [])
        calls: dict[str, Any] = {"takes": (sample,), "variants": (sample,), "programs": ("non_thinking",)}
        name = method.partition("(")[0]
        assert not getattr(task, name)(*calls[name])
    finally:
        use(())


def test_numbers_of_numpy_are_facts() -> None:
    assert isinstance(outcome_of(SOURCE.replace(MEASURED, "return {'brightness': source.picture().max()}")), Kept)


def test_answers_are_counted_alike_where_the_plugin_is_not_loaded() -> None:
    """As in the processes of Spark, which get what the driver knows of the families."""
    use((PluginFile("exposure_task.py", SOURCE.encode()),))
    outcomes = pickle.dumps(partial(with_outcomes, 0, with_bounded_answers()))
    use(())
    shared: dict[str, Any] = {
        "mode": "non_thinking",
        "style": "non_thinking",
        "task": "exposure",
        "family": "picture",
        "split": "train",
    }
    rows = [
        ReviewedQuestion(rid=rid, sample="a", difficulty="1", answer=answer, rejected=None, **shared).to_row()
        for rid, answer in (("1", "bright"), ("2", "bright"), ("3", "dark"))
    ]
    first, again, other = pickle.loads(outcomes)(pa.Table.from_pylist(rows))["answer"].to_pylist()
    assert first == again != other


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
