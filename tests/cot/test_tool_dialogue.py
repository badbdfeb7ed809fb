"""A model's own tool calls: run, shown, bounded; and nothing that it writes reaches beyond the tools."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cot_corpus import PAIRS, alone, pictures, sample
from support.cot_workers import Workshop

from dataengine.cot.checks.verify import verify_record
from dataengine.cot.core import tools
from dataengine.cot.core.formats import IMAGE_MARK, box
from dataengine.cot.core.record import Family, PathSummary, Record
from dataengine.cot.core.shard_files import decode_png, observations
from dataengine.cot.core.tables import CheckRow, PathRow, PlanRow, QuestionRow, SourceMaterial
from dataengine.cot.mix.write_stage import record_of
from dataengine.cot.tasks.registry import TASKS
from dataengine.cot.tasks.tool_scenes.base import WithTools, thumbnail
from dataengine.testing import Body, ChatServer, Turn, chat_server

PICTURE = sorted(pictures())[0]
CODE = "crop(0, 0, 500, 500)\nzoom(2)"
SEED = 3
Shop = tuple[Workshop, list[QuestionRow]]


def fenced(code: str, thought: str = "<think>I enlarge the upper left.") -> str:
    return f"{thought}\n```python\n{code}\n```"


def final(answer: str) -> str:
    return f"Now it is clear.</think> <answer>So it is {box(answer)}</answer>"


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Questions about one picture, asked once for all tests."""
    told = {"type": "openai", "endpoint": "http://127.0.0.1:9/v1", "model": "m"}
    settings = {"teachers": [told], "questions_per_sample": 16, "tasks": {"inspect_view": 1000, "turned_text": 1000}}
    made = Workshop(tmp_path_factory.mktemp("shop"), [PICTURE], settings, SEED)
    return made, made.questions({PICTURE: SourceMaterial(PICTURE, PAIRS[1:])})


class Desk:
    """One question for tools, asked of a scripted model. Each is a model of its own, since answers are kept."""

    count = 0

    def __init__(self, server: ChatServer, shop: Shop, task: str, **model: Any) -> None:
        Desk.count += 1
        told = {"type": "openai", "endpoint": server.endpoint, "model": f"m{Desk.count}", "retries": 0, **model}
        row = next(q for q in shop[1] if q.task == task)
        assert row.question is not None
        self.question = row.question
        self.shop = shop[0].only([row], teachers=[told], max_tool_turns=2)

    def path(self) -> PathRow:
        [path] = self.shop.paths()
        return path

    def check(self) -> CheckRow:
        [check] = self.shop.checks()
        return check

    def finished(self, path: PathRow) -> tuple[Record, dict[str, bytes]]:
        """The record as a release has it."""
        images = self.shop.pictures(path.pack, path.members)
        assert path.pack is not None and path.text is not None
        told = PathSummary(
            index=0, teacher="openai:m", seed=1, prompt=path.prompt, grade="A", answer="x", confidence=0.0, reasons=""
        )
        families: dict[int, Family] = {0: "tools_0", 1: "tools", 2: "tools_2"}
        families |= {1: "canvas_1", 2: "canvas", 3: "canvas_3"} if self.question.family == "canvas" else {}
        row = PlanRow(
            rid=self.question.id, split="train", family=families[len(images)], question=self.question, text=path.text,
            paths=(told,), chosen=0, pack=path.pack, members=path.members, review="", text_only="", equal=False,
            quality=1.0, agreement=1.0, prior=1.0, weight=1.0, repeat=1.0,
        )  # fmt: skip
        return record_of(row, list(images.values()), show_answer=False), images


def scripted(server: ChatServer, *turns: str | Callable[[str], str], answer: str = "") -> None:
    """The n-th turn of every conversation; other questions get no form at all."""

    def reply(body: Body) -> Turn:
        place = len(body["messages"]) // 2
        turn = turns[min(place, len(turns) - 1)]
        return Turn(text=turn if isinstance(turn, str) else turn(answer))

    server.reply = reply


def test_a_models_program_is_run_and_shown(server: ChatServer, shop: Shop) -> None:
    desk = Desk(server, shop, "inspect_view")
    scripted(server, fenced(CODE), final, answer=desk.question.answer)
    path = desk.path()
    assert path.failure is None and path.text.count(IMAGE_MARK) == len(path.members) == 1
    assert f"```python\n{CODE}\n```\n<sandbox_output> {IMAGE_MARK} </sandbox_output>\nNow it is clear." in path.text
    assert desk.check().grade == "A"
    expected = tools.run(CODE, alone(PICTURE).picture())
    assert isinstance(expected, np.ndarray)
    assert np.array_equal(decode_png(desk.shop.pictures(path.pack, path.members)["obs0.png"]), expected)
    told = next(b["messages"] for b in server.bodies if len(b["messages"]) == 3)
    assert [m["role"] for m in told] == ["user", "assistant", "user"] and CODE in told[1]["content"]
    url = told[2]["content"][1]["image_url"]["url"]
    assert base64.b64decode(url.partition(",")[2]) == desk.shop.pictures(path.pack, path.members)["obs0.png"]
    record, images = desk.finished(path)
    assert record.observations == observations(images.values()) and record.family == "tools"
    assert verify_record(record.to_bytes(), sample, images).passed


def test_a_record_whose_tools_gave_something_else_is_found(server: ChatServer, shop: Shop) -> None:
    desk = Desk(server, shop, "inspect_view")
    scripted(server, fenced(CODE), final, answer=desk.question.answer)
    record, images = desk.finished(desk.path())
    other = record.to_bytes().replace(b"crop(0, 0, 500, 500)", b"crop(500, 500, 1000, 1000)")
    assert verify_record(other, sample, images).step == "tools"
    assert verify_record(record.to_bytes(), sample, {}).step == "observations"


def test_numbers_that_tools_gave_support_the_reasoning(server: ChatServer, shop: Shop) -> None:
    desk = Desk(server, shop, "inspect_view")
    code = 'crop(100, 100, 300, 300)\nmeasure("brightness", 0, 0, 1000, 1000)'
    value = tools.run(code, alone(PICTURE).picture())
    scripted(server, fenced(code), lambda a: f"It has {value}. {final(a)}", answer=desk.question.answer)
    path = desk.path()
    assert f"<sandbox_output> {value} </sandbox_output>" in path.text and not path.members
    assert desk.check().grade == "A"
    record, images = desk.finished(path)
    assert record.family == "tools_0" and verify_record(record.to_bytes(), sample, images).passed


def test_a_drawn_picture_is_shown_and_worked_on(server: ChatServer, shop: Shop) -> None:
    """The program runs on the sheet, of which the question shows a thumbnail; the record holds that and the result."""
    desk = Desk(server, shop, "turned_text")
    task = TASKS["turned_text"]
    assert isinstance(task, WithTools) and desk.question.shown == 1
    scene = task.scene(desk.question.parameters)
    code = scene.turns[-1].code
    scripted(
        server, fenced(code), fenced("print(image.width)", "And how wide it is."), final, answer=desk.question.answer
    )
    path = desk.path()
    assert desk.check().grade == "A" and [m.name for m in path.members] == ["obs0.png", "obs1.png"]
    assert f"<sandbox_output> {scene.sheet.shape[1]} </sandbox_output>" in path.text and scene.reduced
    stored = [decode_png(data) for data in desk.shop.pictures(path.pack, path.members).values()]
    assert np.array_equal(stored[0], thumbnail(scene.sheet)) and np.array_equal(stored[1], tools.run(code, scene.sheet))
    shown = server.bodies[0]["messages"][0]["content"][1]["image_url"]["url"]
    assert np.array_equal(decode_png(base64.b64decode(shown.partition(",")[2])), thumbnail(scene.sheet))
    record, images = desk.finished(path)
    assert record.family == "canvas" and verify_record(record.to_bytes(), sample, images).passed
    other = dict(zip(images, reversed(images.values()), strict=True))
    swapped = record.model_copy(update={"observations": observations(other.values())})
    assert verify_record(swapped.to_bytes(), sample, other).step == "observations"


def test_turns_are_bounded(server: ChatServer, shop: Shop) -> None:
    desk = Desk(server, shop, "inspect_view")
    scripted(server, fenced(CODE))
    path = desk.path()
    assert (path.failure, path.text, path.members) == ("turns", None, ())
    assert max(len(b["messages"]) for b in server.bodies) == 5  # asked, and two programs told
    assert desk.check().reasons == ("turns",)


def test_tool_calls_of_the_interface_are_the_same_programs(server: ChatServer, shop: Shop) -> None:
    desk = Desk(server, shop, "inspect_view", tools="calls")
    calls = [("crop", {"top": 0, "left": 0, "right": 500, "bottom": 500}), ("zoom", {"factor": 2})]
    told = [{"type": "function", "function": {"name": n, "arguments": json.dumps(a)}} for n, a in calls]

    def reply(body: Body) -> Turn:
        if len(body["messages"]) > 1:
            return Turn(text=final(desk.question.answer))
        return Turn(text="I enlarge the upper left.", finish="tool_calls", message={"tool_calls": told})

    server.reply = reply
    path = desk.path()
    assert f"<think>I enlarge the upper left.\n```python\n{CODE}\n```\n" in path.text and len(path.members) == 1
    assert desk.check().grade == "A"
    offered = next(b["tools"] for b in server.bodies if "tools" in b)
    assert [t["function"]["name"] for t in offered] == [*tools.TRANSFORMS, "measure"]


ESCAPES = (
    "import os\nos.system('touch {mark}')",
    "__import__('os').system('touch {mark}')",
    "open('{mark}', 'w')",
    "open('/etc/passwd').read()",
    "exec(\"open('{mark}', 'w')\")",
    "().__class__.__base__.__subclasses__()",
    "import socket\nsocket.create_connection(('127.0.0.1', 80))",
    "crop(0, 0, 500, 500); open('{mark}', 'w')",
    "crop(0, 0, open('{mark}', 'w'), 500)",
    "while True: pass",
    "zoom(1e9)",
    'measure("brightness\'; import os", 0, 0, 1000, 1000)',
    "\n".join(f"contrast(1.{n:02d})" for n in range(40)),
    "f'{{open(1)}}'",
)


@pytest.mark.parametrize("code", ESCAPES)
def test_what_a_model_writes_is_refused_told_and_no_sound_path(
    server: ChatServer, shop: Shop, code: str, tmp_path: Path
) -> None:
    mark = tmp_path / "escaped"
    desk = Desk(server, shop, "inspect_view")
    scripted(server, fenced(code.format(mark=mark)), final, answer=desk.question.answer)
    path = desk.path()
    assert "<sandbox_output> error: " in path.text and path.text.count(IMAGE_MARK) == 0
    told = next(b["messages"][2]["content"] for b in server.bodies if len(b["messages"]) == 3)
    assert told.startswith("The tools give: error: ")
    assert not mark.exists() and not list(Path.cwd().glob("escaped"))
    check = desk.check()
    assert check.grade == "B" and "tool call" in check.reasons
    record, images = desk.finished(path)
    assert verify_record(record.to_bytes(), sample, images).step == "process"
    accepted = record.model_copy(update={"review": "accepted"})
    assert verify_record(accepted.to_bytes(), sample, images).passed


def test_calls_of_the_interface_that_are_no_tools_are_refused(server: ChatServer, shop: Shop) -> None:
    desk = Desk(server, shop, "inspect_view", tools="calls")
    call = {"function": {"name": "os.system", "arguments": '{"command": "rm -rf /"}'}}
    server.reply = lambda body: (
        Turn(text="I see.", message={"tool_calls": [call]}) if len(body["messages"]) == 1 else Turn(text=final("yes"))
    )
    assert "error: unknown name 'os'" in desk.path().text
    server.reply = lambda body: Turn(text="x", message={"tool_calls": [{"function": "?"}]})
    server.bodies.clear()
    desk = Desk(server, shop, "inspect_view", tools="calls")
    assert desk.path().failure == "bad_reply"


@pytest.mark.parametrize(
    "turn",
    [
        fenced(CODE, f"<think>Here it is: {IMAGE_MARK}"),
        fenced(CODE, "<think>It gives <sandbox_output> 7 </sandbox_output>"),
        fenced(CODE, "<think>I know it.</think> <answer>no</answer>"),
        final("yes"),
    ],
)
def test_pictures_and_outputs_come_from_tools_alone(server: ChatServer, shop: Shop, turn: str) -> None:
    desk = Desk(server, shop, "inspect_view")
    scripted(server, turn, final, answer=desk.question.answer)
    desk.path()
    assert desk.check().reasons == ("format",)


def test_what_a_model_imagines_after_its_program_is_thrown_away(server: ChatServer, shop: Shop) -> None:
    desk = Desk(server, shop, "inspect_view")
    imagined = f"{fenced(CODE)}\n<sandbox_output> 99 </sandbox_output>\n{final('99')}"
    scripted(server, imagined, lambda a: f"<think>{final(a)}", answer=desk.question.answer)
    path = desk.path()
    assert "99" not in path.text and path.text.count("<think>") == 1 and desk.check().grade == "A"


def test_a_model_without_tools_is_not_asked_for_them(server: ChatServer, shop: Shop) -> None:
    for model in ({"tools": "none"}, {"vision": False}):
        assert Desk(server, shop, "inspect_view", **model).shop.paths() == [] and not server.bodies


def test_existing_questions_are_asked_with_tools(server: ChatServer, shop: Shop) -> None:
    desk = Desk(server, shop, "given_tools")
    scripted(server, fenced(CODE), final, answer="1")
    assert len(desk.path().members) == 1 and desk.check().grade == "A"


def test_reasoning_that_the_server_tells_apart_is_part_of_the_path(server: ChatServer, shop: Shop) -> None:
    desk = Desk(server, shop, "given_tools")
    answer = desk.question.answer
    server.turns = [
        Turn(text=f"```python\n{CODE}\n```", message={"reasoning_content": "I enlarge the upper left."}),
        Turn(text=f"The answer is {answer}.", message={"reasoning_content": "Now it is clear."}),
    ]
    path, check = desk.path(), desk.check()
    assert path.text is not None and path.text.startswith("<think>I enlarge the upper left.\n```python\n")
    assert path.text.endswith(f"Now it is clear.</think> <answer>The answer is {answer}. {box(answer)}</answer>")
    assert (check.grade, check.reasons) == ("A", ())
