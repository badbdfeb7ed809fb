"""The tree of task families: shares, wordings, answers that are not skewed, and what a scene's reasoning may say."""

from __future__ import annotations

import re
import string
from collections import Counter

import numpy as np
import pytest

from dataengine.cot.core.formats import boxed
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import words
from dataengine.cot.tasks.registry import DEFAULT_SHARES, TASKS, listing, shares
from dataengine.cot.tasks.rendered.base import Rendered, reply_of
from dataengine.cot.tasks.rendered.families import FAMILIES
from dataengine.cot.tasks.rendered.fonts import FACES, font
from dataengine.cot.tasks.rendered.words import SCRIPTS
from dataengine.cot.tasks.tool_scenes.families import TOOL_SCENES
from dataengine.cot.tasks.tree import CAPABILITIES
from dataengine.errors import UsageError

SCENES = 240
DRAWN_FOR_TOOLS = [task for task in TOOL_SCENES if task.name != "sign_in_photo"]
DEFAULT = {name: TASKS[name] for name, share in DEFAULT_SHARES.items() if share}


def params(task: Rendered, n: int) -> dict[str, str]:
    [one] = task.options(None, Draw("test", n))  # type: ignore[arg-type]
    return one


def test_the_default_tree_is_broad() -> None:
    programmatic = [
        task
        for task in DEFAULT.values()
        if any(map(task.programs, task.styles)) and task.basis in ("measured", "constructed")
    ]
    assert len(programmatic) >= 25
    wordings = {wording for task in programmatic for wording in task.wordings}
    assert len(wordings) >= 300
    assert {task.capability for task in programmatic} >= set(CAPABILITIES) - {"source", "pixel measurements"}


@pytest.mark.parametrize("name", sorted(n for n, t in DEFAULT.items() if t.basis in ("measured", "constructed")))
def test_a_family_has_a_dozen_wordings_of_its_own(name: str) -> None:
    wordings = DEFAULT[name].wordings
    assert len(set(wordings)) == len(wordings) >= 12
    for wording in wordings:
        assert wording[0].isupper() or wording[0] in '"{', wording
        assert wording.rstrip()[-1] in ".?:" or wording.endswith("1."), wording
        assert "  " not in wording and " ." not in wording and not wording.endswith(" "), wording
        assert all(field is None or field.isidentifier() for _, field, _, _ in string.Formatter().parse(wording))


def test_what_measures_pixels_is_asked_only_where_the_recipe_names_it() -> None:
    pixels = {name for name, task in TASKS.items() if task.capability == "pixel measurements"}
    assert pixels and not [name for name in pixels if DEFAULT_SHARES[name]]
    chosen = shares({}, {"pixel measurements": 2.0, "text": 0.0, "counting": 3.0})
    assert {chosen[name] for name in pixels} == {2.0}
    assert chosen["matrix_read"] == 0.0 and chosen["shapes_count"] == 3.0 and chosen["map"] == 1.0
    assert shares({"glance": 0.5}, {"pixel measurements": 2.0})["glance"] == 0.5
    rows = listing(chosen)
    assert len(rows) == len(TASKS) and rows[0][0] == CAPABILITIES[0]


@pytest.mark.parametrize(
    ("tasks", "capabilities", "message"),
    [({"guess": 1.0}, {}, "unknown task `guess`"), ({}, {"taste": 1.0}, "unknown capability `taste`")],
)
def test_unknown_names_are_told(tasks: dict[str, float], capabilities: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        shares(tasks, capabilities)


@pytest.mark.parametrize("task", FAMILIES, ids=lambda task: task.name)
def test_answers_are_not_skewed_and_replies_give_them(task: Rendered) -> None:
    answers: Counter[str] = Counter()
    for n in range(SCENES):
        scene = task.scene(params(task, n))
        answers[scene.answer] += 1
        reply = reply_of(scene, scene.answer, task.styles[0], words(n, 0))
        if (box := boxed(reply)) is not None:
            assert box == scene.answer
        else:
            assert scene.answer in reply.render()
        question = task.write("0" * 32, params(task, n), {}, scene.answer, task.styles[0], words(n, 0)).question
        assert "{" not in question or task.name.startswith("code"), question
    assert max(answers.values()) <= 0.2 * SCENES, answers.most_common(3)


@pytest.mark.parametrize("task", [*FAMILIES[::4], *DRAWN_FOR_TOOLS], ids=lambda task: task.name)
def test_the_same_scene_is_drawn_alike(task: Rendered) -> None:
    one = params(task, 1)
    first = task.observe(one, None)  # type: ignore[arg-type]
    again = type(task).observe(task, one, None)  # type: ignore[arg-type]
    assert len(first) == len(again) and all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert all(min(a.shape[:2]) >= 40 and max(a.shape[:2]) <= 1024 and a.dtype == np.uint8 for a in first)
    assert all(np.unique(a.reshape(-1, 3), axis=0).shape[0] > 1 for a in first)


def test_arithmetic_in_the_reasoning_is_right() -> None:
    """Every ``a + b = c`` that a scene writes."""
    checked = 0
    for task in FAMILIES:
        for n in range(0, SCENES, 4):
            scene = task.scene(params(task, n))
            for step in (one for sentence in (*scene.opening, *scene.steps, *scene.check) for one in sentence):
                for left, right in re.findall(r"(?<![\d.:−-])((?:\d+ [-+×*−÷] )+\d+) = (\d+)(?![\d:])", step):
                    expression = left.replace("×", "*").replace("−", "-").replace("÷", "/")
                    assert eval(expression) == int(right), step
                    checked += 1
    assert checked > 300


def test_every_character_is_in_the_fonts() -> None:
    missing = font("cjk", 24).getmask("\U0010fffe").getbbox(), bytes(font("cjk", 24).getmask("\U0010fffe"))
    for characters in SCRIPTS.values():
        assert len(set(characters)) == len(characters)
        for one in characters:
            mask = font("cjk", 24).getmask(one)
            assert mask.getbbox() and (mask.getbbox(), bytes(mask)) != missing, one
    assert all(font(face, 18).getlength("Hamburg 123") > 40 for face in FACES)
