"""All steps on a small corpus with questions of its own, by a program and by a scripted model; then checked from the release.

Record stages run in this process, one part after another, in place of Ray: what is tested is what they make.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from support.cot_corpus import encode, jpeg, one_shot, pan, pixels_of, three_shots, tinted

from dataengine import pipeline
from dataengine.cli.review_desk import media_of
from dataengine.config import recipe
from dataengine.contracts import sample_id
from dataengine.cot.core.record import Record
from dataengine.cot.review.base import ReviewItem
from dataengine.export.messages import export
from dataengine.release.reader import open_release
from dataengine.testing import Body, ChatServer, InProcess, Turn, chat_server
from dataengine.verify.cot_records import recheck
from dataengine.verify.verify import verify

CAPTIONS = ("a temple seen from below", "steps that lead upward", "lanterns under the eaves", "grey stone and sky",
            "petals in the morning", "a bee that was not there", "leaves after rain")  # fmt: skip
QA = [
    {"question": "<image>\nHow many gates are open?", "answer": 3},
    {"question": "What is it made of?", "answer": "stone", "choices": ["wood", "stone", "paper"]},
    {"question": "Who painted it?", "answer": "nobody", "choices": ["a", "b"]},
]
CODE = "crop(0, 0, 500, 500)\nzoom(2)"


def corpus(folder: Path) -> None:
    folder.mkdir()
    for n, caption in enumerate(CAPTIONS):
        photo = pixels_of("china.jpg" if n < 4 else "flower.jpg")
        part = photo[30 * n : 30 * n + 200, 60 * (n % 4) : 60 * (n % 4) + 300]
        (folder / f"{n}.jpg").write_bytes(jpeg(np.roll(part, n, axis=2)))
        (folder / f"{n}.json").write_text(json.dumps({"caption": caption, "qa": QA, "place": "Lhasa"}))
    for name, data in (("three", three_shots()), ("one", one_shot()), ("tinted", tinted()), ("turned", green())):
        (folder / f"{name}.mp4").write_bytes(data)


def green() -> bytes:
    return encode([f[..., [1, 0, 2]] // np.array([3, 1, 3], np.uint8) for f in pan("flower.jpg", 60, 2, top=100)])


def answering(body: Body) -> Turn:
    """A model that is told the answer, uses its tools once, and makes questions harder by a preface."""
    text = json.dumps([m["content"] for m in body["messages"]], ensure_ascii=False)
    if "response_format" in body:
        question = re.search(r"Question: (.+?)\\nAnswer:", text)
        return Turn(text=json.dumps({"question": f"Look twice, then say: {question[1] if question else ''}"}))
    told = re.search(r"The right answer is known: (.+?)\. Your reasoning", text)
    if told is None:
        return Turn(text="no idea")
    answer = json.loads(f'"{told[1]}"')
    box = f"<answer>So it is \\boxed{{{answer}}}</answer>"
    if "python` fence" in text or "fenced program" in text:
        first = f"<think>I enlarge the upper left.\n```python\n{CODE}\n```"
        return Turn(text=first if len(body["messages"]) == 1 else f"Now it is clear.</think> {box}")
    if "/no_think mode" in text:
        thought = "<analysis>It takes steps. Therefore, /think mode is more appropriate.</analysis>"
        return Turn(text=f"{thought}<think>I look at it, part by part.</think>{box}")
    if "No reasoning" in text:
        return Turn(text=f"{answer}.")
    return Turn(text=f"<think>I look at what is shown, part by part.</think> {box}")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ChatServer, Path]]:
    folder = tmp_path_factory.mktemp("whole")
    corpus(folder / "corpus")
    rule = {"name": "wide", "keep": "width >= 8", "on_missing": "drop", "reason": "tiny"}
    (folder / "policy.yaml").write_text(yaml.safe_dump({"name": "all", "version": "1", "rules": [rule]}))
    with chat_server() as server:
        server.reply = answering
        model = {"type": "openai", "endpoint": server.endpoint, "model": "told"}
        cot = {
            "mix": {"thinking": 1, "non_thinking": 1, "auto_think": 1, "think_with_image": 1, "video": 1},
            "questions_per_sample": 12,
            "paths_per_question": 1,
            "total": 400,
            "capabilities": {"source": 40.0},
            "show_answer": True,
            "text_only_baseline": False,
            "teachers": [{"type": "programmatic"}, model],
            "video": {"frames": [16, "slow-fast"]},
            "questions": {
                "source_qa": {},
                "metadata": {"place": "Where is it?"},
                "caption_distractors": 3,
                "rewrite": model,
            },
        }
        told = {
            "name": "whole",
            "workspace": str(folder / "ws"),
            "sources": [{"type": "folder", "name": "mixed", "path": str(folder / "corpus"), "buckets": 1}],
            "dedup": {"radius": 0},
            "score": {"scorers": [{"name": "technical"}]},
            "filter": {"policy": str(folder / "policy.yaml")},
            "tokenize": None,
            "cot": cot,
            "release": {"title": "Whole", "license": "cc0-1.0", "description": "Made to test."},
        }
        path = folder / "recipe.yaml"
        path.write_text(json.dumps(told))
        pipeline.execute(recipe.load(str(path)), engine=InProcess())
        yield folder / "ws" / "releases" / "whole", server, path


def records(release: Path) -> list[Record]:
    published = open_release(str(release))
    return [Record.from_bytes(m["json"]) for tar in published.cot("train") for _, m in published.read(tar)]


def test_what_the_source_asks_is_in_the_release(made: tuple[Path, ChatServer, Path]) -> None:
    found = records(made[0])
    tasks = Counter(r.task for r in found)
    assert tasks["given_answer"] and tasks["given_reasoned"] and tasks["given_tools"] and tasks["caption_match"], tasks
    assert tasks["count_shots_slow_fast"], tasks
    given = [r for r in found if r.task.startswith("given_")]
    merged = [r for r in found if r.task.startswith("merged_given")]
    assert {r.answer_type for r in merged} <= {"list"}
    assert {r.answer_type for r in given} == {"number", "choice", "word"}
    assert all(r.parameters["question"].startswith("Look twice") and r.parameters["original"] for r in given)
    assert all(r.parameters["place"].startswith("mixed/") for r in given)
    told = json.loads((made[0] / "manifest.json").read_bytes())["cot"]
    assert told["yield"]["basis"]["given"]["kept"] == len(given) + len(merged)
    lost = told["rejected"]
    assert lost["questions: the answer is none of the choices"] >= 7


def test_every_record_is_checked_from_the_release_alone(made: tuple[Path, ChatServer, Path]) -> None:
    found = recheck(str(made[0]))
    assert not found.wrong, found.errors
    assert (
        set(found.basis) == {"measured", "constructed", "caption", "given"}
        and sum(found.basis.values()) == found.right > 40
    )
    told = dict(found.rows())
    assert told["- answer given by the source, not measured"] == str(found.basis["given"])
    assert not verify(str(made[0])).errors


def test_tool_pictures_and_clips_leave_with_the_records(made: tuple[Path, ChatServer, Path], tmp_path: Path) -> None:
    looked = [r for r in records(made[0]) if r.style == "agentic" and r.teacher.startswith("openai:")]
    assert looked and all(CODE in json.dumps(r.messages[1].model_dump())[:999] or r.observations for r in looked)
    done = export(str(made[0]), str(tmp_path / "out"))
    assert done.records == len(records(made[0]))


def test_the_review_page_has_the_pictures_of_its_items(made: tuple[Path, ChatServer, Path]) -> None:
    found = records(made[0])
    looked = next(r for r in found if r.style == "agentic" and r.teacher.startswith("openai:") and r.observations)
    framed = next(r for r in found if r.task == "order_frames" or (r.observations and r.style != "agentic"))
    items = [
        ReviewItem(r.id, r.mode, r.task, "?", r.answer, r.parents, (), r.path, "process") for r in (looked, framed)
    ]
    media = media_of(pipeline.committed(recipe.load(str(made[2])), "cot"), items)
    kind, data = media(f"{looked.id}/path{looked.path}.{looked.observations[0].name}")
    assert kind == "image/png" and hashlib.sha256(data).hexdigest() == looked.observations[0].sha256
    assert hashlib.sha256(media(f"{framed.id}/{framed.observations[0].name}")[1]).hexdigest() in {
        one.sha256 for one in framed.observations
    }
    for item in items:
        assert sample_id(media(item.media[0])[1])[0] == item.media[0]
    others = {r.parents[0] for r in found} - {id_ for item in items for id_ in item.media}
    with pytest.raises(KeyError):
        media(sorted(others)[0])


def test_a_second_run_asks_nothing_and_changes_nothing(made: tuple[Path, ChatServer, Path]) -> None:
    release, server, path = made
    before = {p.name: p.read_bytes() for p in (release / "cot").iterdir()}
    asked = server.requests
    for commit in (release.parents[1] / "stages").glob("cot.*/*"):
        if commit.is_file():
            commit.unlink()
    pipeline.execute(recipe.load(str(path)), engine=InProcess())
    assert server.requests == asked
    assert {p.name: p.read_bytes() for p in (release / "cot").iterdir()} == before
