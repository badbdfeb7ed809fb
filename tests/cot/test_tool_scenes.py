"""Drawn pictures that take a program: the programs are PIL's, give what is recorded, and make legible what was not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.cot_corpus import alone, images_of, pictures, sample, written

from dataengine.cot.checks.verify import verify_record
from dataengine.cot.core import tools
from dataengine.cot.core.columns import Member
from dataengine.cot.core.formats import Agentic
from dataengine.cot.core.outcomes import Kept
from dataengine.cot.core.seeded import Draw
from dataengine.cot.core.shard_files import decode_png
from dataengine.cot.mix.shards import ChosenRecord
from dataengine.cot.questions.build import attempt
from dataengine.cot.tasks.base import words
from dataengine.cot.tasks.registry import TASKS
from dataengine.cot.tasks.tool_scenes.base import SHOWN, SIDE, ToolScene, WithTools
from dataengine.cot.tasks.tool_scenes.families import TOOL_SCENES
from dataengine.cot.tasks.tool_scenes.programs import Region, region_of
from dataengine.cot.tasks.tool_scenes.reading import SMALL
from dataengine.models.text_reader import TextReader

PICTURE = sorted(pictures())[0]
SCENES = 40
Pixels = np.ndarray


def params(task: WithTools, n: int) -> dict[str, str]:
    one, *_ = task.options(alone(PICTURE), Draw("test", n))  # type: ignore[misc]
    return one


def scenes(task: WithTools, count: int = SCENES) -> Iterator[tuple[int, ToolScene, str, Agentic]]:
    """Seeds with their scenes, questions and replies."""
    for n in range(count):
        scene = task.scene(params(task, n))
        exchange = task.write("0" * 32, params(task, n), {}, scene.answer, "agentic", words(n, 0))
        assert isinstance(exchange.reply, Agentic)
        yield n, scene, exchange.question, exchange.reply


@cache
def kept(name: str, seed: int = 5) -> Kept:
    outcome = attempt(TASKS[name], "agentic", sample(PICTURE), seed)
    assert isinstance(outcome, Kept), outcome
    return outcome


NAMES = [task.name for task in TOOL_SCENES]
families = pytest.mark.parametrize("task", TOOL_SCENES, ids=NAMES)


def test_the_mode_has_many_families() -> None:
    assert len(TOOL_SCENES) >= 10
    assert {task.capability for task in TOOL_SCENES} >= {"text", "charts and tables", "documents", "geography"}


@families
def test_every_scene_has_sentences_of_its_own(task: WithTools) -> None:
    assert len(task.wordings) >= 12
    for _, scene, _, _ in scenes(task):
        assert len(set(scene.closings)) >= 6 and len(scene.finals) >= 4
        assert all(len(set(turn.thoughts)) >= 6 for turn in scene.turns)
        if task.name == "two_defects":
            assert len(scene.turns) == 2


@pytest.mark.parametrize("name", NAMES)
def test_records_verify_by_running_their_programs_again(name: str) -> None:
    record = written(kept(name)).record
    images = images_of(kept(name))
    assert verify_record(record.to_bytes(), sample, images).passed
    turns = record.messages[-1].content
    assert len(images) == 1 + sum(block.type == "image" for block in turns)
    text = record.to_bytes()
    other = text.replace(b"counted = number", b"counted = number + 99").replace(b"part.save(", b"image.save(")
    assert other != text and verify_record(other, sample, images).step == ("text" if name == "faint_text" else "tools")


def _by_pil(code: str, sheet: Pixels, folder: Path, capsys: pytest.CaptureFixture[str]) -> Pixels | str:
    """What a program gives when Python itself runs it, with the sheet as its file."""
    Image.fromarray(sheet).save(folder / "image.png")
    exec(compile(code, "program", "exec"), {})
    printed = capsys.readouterr().out.strip()
    return printed or np.asarray(Image.open(folder / "part.png").convert("RGB"))


@families
def test_programs_are_pil(
    task: WithTools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The interpreter gives what Python with PIL gives, and a printed line is the one that the scene knows without a program."""
    monkeypatch.chdir(tmp_path)
    for n in range(4):
        sheet = task.canvas(params(task, n), alone(PICTURE))
        for turn in task.scene(params(task, n)).turns:
            output, expected = tools.run(turn.code, sheet), _by_pil(turn.code, sheet, tmp_path, capsys)
            assert np.array_equal(output, expected)
            assert not turn.prints or turn.prints == output


@families
def test_the_answer_does_not_follow_from_the_wording(task: WithTools) -> None:
    answers: Counter[str] = Counter()
    for _, scene, question, reply in scenes(task):
        answers[scene.answer] += 1
        before = [question, reply.steps[0].thought, *(step.code for step in reply.steps)]
        if not any(turn.prints for turn in scene.turns):
            before += [step.thought for step in reply.steps]
        pattern = re.compile(rf"(?<![\w.]){re.escape(scene.answer)}(?![\w.])")
        found = [text for text in before if pattern.search(re.sub(r"\d+ %|\d+ \*|\d+ × \d+", "", text))]
        assert not found, (scene.answer, found)
        assert scene.answer in reply.closing and scene.answer in reply.answer
        assert "{" not in question + reply.closing + "".join(step.thought for step in reply.steps)
    assert max(answers.values()) <= 0.2 * SCENES


def test_words_fit_the_way_of_flipping() -> None:
    seen = Counter[str]()
    task = TASKS["mirrored_text"]
    assert isinstance(task, WithTools)
    for _, scene, question, reply in scenes(task):
        way = scene.kind.split()[0]
        seen[way] += 1
        text = " ".join([question, *(step.thought for step in reply.steps), reply.closing])
        codes = " ".join(step.code for step in reply.steps)
        if way == "top-bottom":
            assert "mirror" not in text + codes and "ImageOps.flip" in codes
        else:
            assert "top and bottom" not in text and "upside down" not in text and "ImageOps.mirror" in codes
    assert min(seen["top-bottom"], seen["left-right"]) > 0.3 * SCENES


def test_thoughts_say_how_a_page_lies_before_it_is_turned() -> None:
    task = TASKS["turned_text"]
    assert isinstance(task, WithTools)
    lies = {
        "rotate(-90": "from bottom to top",
        "rotate(90": "from top to bottom",
        "rotate(180": "upside down",
    }
    turns = Counter[str]()
    for _, _, _, reply in scenes(task):
        call = re.search(r"rotate\(-?\d+", reply.steps[-1].code)
        assert call is not None and re.search(lies[call[0]], reply.steps[-1].thought), reply
        turns[call[0]] += 1
    assert set(turns) == set(lies)


@families
def test_small_print_is_too_small_as_shown_and_large_in_the_result(task: WithTools) -> None:
    assert SMALL * SHOWN / SIDE < 4
    for n, scene, question, reply in scenes(task, 12):
        pictures_ = task.observe(params(task, n), alone(PICTURE))
        assert max(max(one.shape[:2]) for one in pictures_) <= 1024
        if scene.reduced:
            assert max(pictures_[0].shape[:2]) == SHOWN and max(scene.sheet.shape[:2]) == SIDE
            assert f"{scene.sheet.shape[1]} × {scene.sheet.shape[0]}" in question
            factors = [int(factor) for step in reply.steps for factor in re.findall(r"part\.width \* (\d)", step.code)]
            assert min(factors) >= 2
        else:
            assert np.array_equal(pictures_[0], scene.sheet)


def _read(reader: TextReader, pixels: Pixels) -> list[str]:
    [page] = reader.read([pixels], 200, 0.3, 60.0)
    return [_letters(line.text) for line in page.lines]


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


@pytest.mark.slow
def test_a_text_reader_finds_the_answer_in_the_result_alone() -> None:
    """But for one in twenty, say 59 for 39 in a clear print."""
    reader = TextReader(2000, "cpu", 1)
    found = []
    for task in TOOL_SCENES:
        for n in range(2 if task.name != "area_share" else 0):
            scene = task.scene(params(task, n))
            seen = _letters(scene.slots["price"] if task.name == "price_total" else scene.answer)
            first, *_, last = task.observe(params(task, n), alone(PICTURE))
            assert not any(seen in line for line in _read(reader, first)), (task.name, n)
            found.append(any(seen in line for line in _read(reader, last)))
    assert len(found) == 20 and sum(found) >= 19


def test_a_photograph_stays_the_samples_own() -> None:
    shown = decode_png(images_of(kept("sign_in_photo"))["obs0.png"]).astype(int)
    own = np.asarray(Image.fromarray(sample(PICTURE).picture()).resize((shown.shape[1], shown.shape[0]))).astype(int)
    changed = np.abs(shown - own).max(axis=2) > 60
    assert 0 < changed.mean() < 0.03


def test_regions_hold_their_boxes_and_say_where_they_are() -> None:
    for left, top, width, height in ((0, 0, 10, 10), (500, 300, 200, 90), (1400, 1000, 130, 140), (700, 20, 60, 60)):
        one = region_of(left, top, width, height, (1536, 1152))
        assert one.left * 15.36 <= left and one.right * 15.36 >= left + width
        assert one.top * 11.52 <= top and one.bottom * 11.52 >= top + height
        assert all(edge % 5 == 0 for edge in (one.left, one.top, one.right, one.bottom))
    assert Region(0, 5, 20, 25).where == "in the upper left"
    assert Region(70, 40, 90, 60).where == "on the right, at mid-height"
    assert Region(40, 75, 60, 95).where == "in the lower part, near the middle"
    assert Region(40, 40, 60, 60).where == "near the middle"


def _members(count: int) -> tuple[Member, ...]:
    return tuple(Member(f"obs{n}.png", n, 1, "0" * 64) for n in range(count))


def test_the_family_of_a_record_says_how_many_pictures_it_has() -> None:
    """Records of one shard have the same members."""
    for name, family in (("tiny_text", "canvas"), ("area_share", "canvas_1"), ("faint_text", "canvas_3")):
        one = kept(name)
        row = ChosenRecord(
            rid=one.question.id, split="train", family=one.question.family, question=one.question, pack="p",
            members=_members(len(one.images)), text="x", path_pack=None, path_members=(), edited=None, paths=(), text_only="",
            chosen=0, agreement=1.0, equal=False, action="", quality=3, prior=0.0, weight=1.0, repeat=1,
        )  # fmt: skip
        assert row.planned().family == family
