"""What drawn and composed pictures show is what their questions and reasoning speak of."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from support.cot_corpus import jpeg, of, pixels_of

from dataengine.cot.checks.grade import grade
from dataengine.cot.core.question import Question
from dataengine.cot.core.sample import NO_SAMPLE
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import Abstain, messages, words
from dataengine.cot.tasks.composed.base import Composed
from dataengine.cot.tasks.difficulty import difficulty
from dataengine.cot.tasks.registry import TASKS
from dataengine.cot.tasks.rendered.base import Rendered, Scene, thought
from dataengine.cot.tasks.rendered.families import FAMILIES
from dataengine.cot.tasks.rendered.science import Clock
from dataengine.cot.tasks.rendered.shapes import FORMS, board
from dataengine.media.image.pixels import Pixels

DRAWS = 200


def family(name: str) -> Rendered:
    task = TASKS[name]
    assert isinstance(task, Rendered)
    return task


def scenes(name: str, draws: int = DRAWS) -> list[Scene]:
    task = family(name)
    return [task.scene(task.options(NO_SAMPLE, Draw("scenes", n))[0]) for n in range(draws)]  # type: ignore[index]


def test_the_hands_of_a_clock_do_not_hide_each_other() -> None:
    clocks = [scene.paint.__self__ for scene in scenes("clock")]  # type: ignore[attr-defined]
    assert len(clocks) == DRAWS and all(isinstance(one, Clock) and one.angle >= 15 for one in clocks)
    assert Clock(12, 5, clocks[0].theme).angle == 27.5 and Clock(11, 55, clocks[0].theme).angle == 27.5


def test_a_shape_is_named_by_the_third_of_the_picture_that_it_is_in() -> None:
    across, down = {"left": 0, "middle": 1, "right": 2}, {"top": 0, "middle": 1, "bottom": 2}
    for n in range(40):
        for shape in board(Draw("board", n), [(form, "red") for form in FORMS]).shapes:
            vertical, horizontal = ("middle", "middle") if shape.place == "centre" else shape.place.split()
            assert (3 * shape.x // 448, 3 * shape.y // 448) == (across[horizontal], down[vertical])
            assert min(abs(at - 448 * third / 3) for at in (shape.x, shape.y) for third in (1, 2)) >= 10


def test_rows_and_columns_are_spoken_of_only_where_their_lines_are_drawn() -> None:
    for name in ("shapes_count", "shapes_missing", "shapes_colour", "shapes_form"):
        for scene in scenes(name, 40):
            assert not re.search(r"\b(row|column)\b", thought(scene, Draw(0)))
    [scene, *_] = scenes("shapes_beside", 1)
    assert len({tuple(pixel) for pixel in scene.paint()[:, 112]}) < 8, "a line down the picture"


def test_lines_of_code_are_counted_by_numbers_that_are_shown() -> None:
    shown = [scene.paint.__self__ for scene in scenes("code_line", 60)]  # type: ignore[attr-defined]
    assert all(one.numbered for one in shown)


@pytest.mark.parametrize("name", ["table_missing", "chart_missing"])
def test_half_of_the_claims_are_true(name: str) -> None:
    claims = [scene for scene in scenes(name, 2 * DRAWS) if "claimed" in scene.slots and scene.kind == "claim"]
    true = sum(scene.slots["claimed"] == scene.answer for scene in claims)
    assert len(claims) > 80 and 0.35 <= true / len(claims) <= 0.65


@pytest.mark.parametrize("name", ["table_missing", "chart_missing", "shapes_missing"])
def test_what_is_missing_is_asked_for_in_the_words_of_what_is_there(name: str) -> None:
    wordings: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for n in range(4 * DRAWS):
        [params] = family(name).options(NO_SAMPLE, Draw("words", n))
        scene = family(name).scene(params)
        question = family(name).write("0" * 32, params, {}, scene.answer, "thinking", words(n, 0)).question
        for slot, value in sorted(scene.slots.items(), key=lambda item: -len(item[1])):
            question = question.replace(value, slot) if value else question
        if scene.kind != "claim":
            wordings[scene.answer.startswith("no ")][question] += 1
    assert wordings[True].keys() == wordings[False].keys() and len(wordings[True]) >= 12


@pytest.mark.parametrize(
    "name", sorted(n for n, t in TASKS.items() if isinstance(t, Rendered) and t.mode == "thinking")
)
def test_sentences_of_the_reasoning_begin_with_a_capital(name: str) -> None:
    """But for code, quotations and numbers; no article is before a wrong letter, no noun has the wrong number."""
    for n, scene in enumerate(scenes(name, 60)):
        text = thought(scene, Draw("thought", n))
        for start in re.findall(r"(?:^|[.?!] )([a-z]\w*)", text):
            assert name == "code_output" and start in ("tail", "word"), text
        assert not re.search(r"\ba [aeio]\w+|\ban [^aeio\W]\w+|\b1 (?:squares|hours|minutes|rows)\b|  ", text), text


def test_the_reasoning_says_what_is_read_before_it_computes() -> None:
    for name in ("table_compute", "chart_compute", "receipt", "opening_hours", "timeline", "problem", "flow"):
        lengths = sorted(len(thought(scene, Draw(n)).split()) for n, scene in enumerate(scenes(name, 100)))
        assert 30 <= lengths[50] <= 60, (name, lengths[50])


def gravel(grain: int) -> Pixels:
    small = np.random.default_rng(grain).normal(128, 60, (480 // grain, 640 // grain, 1)).clip(0, 255).astype(np.uint8)
    return np.repeat(small.repeat(grain, 0).repeat(grain, 1), 3, axis=2)


@pytest.mark.parametrize("name", ["find_crop", "jigsaw"])
@pytest.mark.parametrize("grain", [4, 10])
def test_parts_of_gravel_are_not_asked_for(name: str, grain: int) -> None:
    task, source = TASKS[name], of(jpeg(gravel(grain)), "image")
    assert isinstance(task, Composed)
    for params in list(task.options(source, Draw(grain)))[:4]:  # type: ignore[arg-type]
        facts = task.measure(params, source)
        assert not isinstance(facts, Abstain) and facts["difference"] >= 9
        assert task.decide(params, facts, strict=True) == Abstain("looks alike")


def test_a_crop_is_as_difficult_as_its_nearest_neighbour_is_like_it() -> None:
    task, source = TASKS["find_crop"], of(jpeg(pixels_of("china.jpg")), "image")
    facts = [task.measure({"answer": str(n)}, source) for n in range(1, 10)]
    levels = {difficulty("find_crop", {}, one): one["distinct"] for one in facts if not isinstance(one, Abstain)}
    assert levels["easy"] >= 27 > levels["medium"] >= 16 > levels["hard"]


def test_pieces_of_a_jigsaw_are_as_large_as_they_were() -> None:
    task, source = TASKS["jigsaw"], of(jpeg(pixels_of("china.jpg")), "image")
    [params, *_] = task.options(source, Draw(1))  # type: ignore[misc]
    [sheet] = task.observe(params, source)
    assert sheet.shape[1] >= 3 * 240 and max(sheet.shape) <= 1024


@pytest.mark.parametrize("task", FAMILIES, ids=lambda task: task.name)
def test_a_reply_about_a_scene_is_sound_by_the_checks(task: Rendered) -> None:
    """Characters of any script that the picture shows are no foreign language."""
    for n in range(40):
        [params] = task.options(NO_SAMPLE, Draw("sound", n))
        facts, style = task.measure(params, NO_SAMPLE), task.styles[0]
        answer = task.scene(params).answer
        exchange = task.write("0" * 32, params, facts, answer, style, words(n, 0))
        question = Question(
            id="0" * 32,
            mode=task.mode,
            task=task.name,
            style=style,
            family=task.family,
            difficulty=difficulty(task.name, params, facts),
            seed=n,
            parents=("0" * 32,),
            content=messages(exchange, style)[0].content,
            answer=answer,
            answer_type=task.type_of(params),
            basis=task.basis,
            parameters=params,
            facts=facts,
            observations=(),
        )
        graded = grade(question, exchange.reply.render())
        assert graded.grade == "A", (graded.reasons, exchange.question, exchange.reply.render())
