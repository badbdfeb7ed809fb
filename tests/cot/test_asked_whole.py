"""Questions that a model proposes and chains of thought of text, from a recipe to a release that is verified, with their shares
in the mix; what was asked once is not asked again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from support.cot_corpus import jpeg, pixels_of
from support.scripted_vlm import Scripted, ScriptedVlm

from dataengine import pipeline
from dataengine.config import recipe
from dataengine.cot.core.record import Record
from dataengine.cot.mix.summary import tables
from dataengine.export.messages import export
from dataengine.release.reader import open_release
from dataengine.testing import ChatServer, InProcess, chat_server
from dataengine.verify.cot_records import recheck
from dataengine.verify.verify import verify

pytestmark = pytest.mark.slow
QUESTIONS = (
    Scripted("What stands before the gate?", "a lantern", ("a lantern",)),
    Scripted("How many steps lead upward?", "7", ("7",), capability="counting"),
    Scripted("What is the wall made of?", "stone", ("B",), ("A", "C", "A"), "attributes", ("wood", "stone", "clay")),
    Scripted("Which animal barks in the yard?", "a dog", ("a dog",), ("a dog",)),
    Scripted("What is on the left table?", "a cup", ("a cup", "a bowl", "a vase", "a jug")),
)
MIX = {"non_thinking": 1, "thinking/thinking": 1, "auto_think": 1, "thinking/text": 1}


def picture(folder: Path, number: int) -> None:
    part = pixels_of("china.jpg")[20 * number : 20 * number + 200, 30 * number : 30 * number + 300]
    (folder / f"{number}.jpg").write_bytes(jpeg(np.roll(part, number, axis=2)))


def texts(folder: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"problem": f"What is {n} + {n}?", "answer": f"<think>{n} and {n} make {2 * n}.</think> \\boxed{{{2 * n}}}"}
        for n in range(3)
    ]
    rows.append({"problem": "What is it?", "answer": "It is hard to say what " + "exactly " * 9 + "it is."})
    (folder / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ChatServer, ScriptedVlm]]:
    folder = tmp_path_factory.mktemp("asked")
    (folder / "corpus").mkdir()
    for number in range(6):
        picture(folder / "corpus", number)
    texts(folder)
    rule = {"name": "wide", "keep": "width >= 8", "on_missing": "drop", "reason": "tiny"}
    (folder / "policy.yaml").write_text(yaml.safe_dump({"name": "all", "version": "1", "rules": [rule]}))
    script = ScriptedVlm(QUESTIONS)
    with chat_server(script) as server:
        model = {"type": "openai", "endpoint": server.endpoint, "model": "vlm", "concurrency": 1, "failed": 1.0}
        cot = {
            "mix": MIX,
            "questions_per_sample": 4,
            "paths_per_question": 1,
            "teachers": [model],
            "questions": {"ask": {"model": model}},
            "texts": [{"name": "sums", "path": f"{folder}/*.jsonl", "question": "problem", "reasoning": None}],
        }
        told = {
            "name": "asked",
            "workspace": str(folder / "ws"),
            "sources": [{"type": "folder", "name": "photos", "path": str(folder / "corpus"), "buckets": 1}],
            "dedup": {"radius": 0},
            "score": {"scorers": [{"name": "technical"}]},
            "filter": {"policy": str(folder / "policy.yaml")},
            "tokenize": None,
            "cot": cot,
            "release": {"title": "Asked", "license": "cc0-1.0", "description": "Made to test."},
        }
        (folder / "recipe.yaml").write_text(json.dumps(told))
        run(folder)
        yield folder, server, script


def run(folder: Path) -> None:
    pipeline.execute(recipe.load(str(folder / "recipe.yaml")), engine=InProcess())


def release(folder: Path) -> Path:
    return folder / "ws" / "releases" / "asked"


def test_what_models_agree_on_is_in_the_release(made: tuple[Path, ChatServer, ScriptedVlm], tmp_path: Path) -> None:
    published = open_release(str(release(made[0])))
    records = [Record.from_bytes(m["json"]) for tar in published.cot("train") for _, m in published.read(tar)]
    by_basis = Counter(r.basis for r in records)
    assert by_basis["agreed"] >= 6 and by_basis["given"] == 3, by_basis
    asked = {r.parameters["question"] for r in records if r.basis == "agreed"}
    assert asked <= {q.question for q in QUESTIONS[:3]}
    assert all(r.facts["right"] == r.facts["samples"] == 4 for r in records if r.basis == "agreed")
    text = [r for r in records if r.family == "text"]
    assert {r.answer for r in text} == {"0", "2", "4"} and all(r.teacher == "source:sums" for r in text)
    report = recheck(str(release(made[0])))
    assert not report.wrong and report.right == len(records), report.errors
    assert not verify(str(release(made[0]))).errors
    lines = export(str(release(made[0])), str(tmp_path / "out"))
    assert lines.records == len(records)


def test_the_manifest_says_what_was_lost_and_what_is_trained_on(made: tuple[Path, ChatServer, ScriptedVlm]) -> None:
    told = json.loads((release(made[0]) / "manifest.json").read_bytes())["cot"]
    assert told["rejected"]["questions: answerable without the picture"] == 6
    assert told["rejected"]["questions: no question, reasoning and answer"] == 1
    assert {cell["name"] for cell in told["mix"]} == MIX.keys()
    assert sum(told["uses"].values()) == sum(cell["planned"] for cell in told["mix"])
    assert told["scarcest"] in MIX and any(title.endswith(told["scarcest"]) for title, *_ in tables(told))
    shares = dict(zip(*[[c[k] for c in told["mix"]] for k in ("name", "planned")], strict=True))
    assert shares["thinking/text"] == 3 and shares["non_thinking"] >= 2


def test_a_second_run_asks_nothing_and_a_new_picture_alone_is_asked_about(
    made: tuple[Path, ChatServer, ScriptedVlm],
) -> None:
    folder, server, script = made
    before, asked = server.requests, script.asked["propose"]
    for commit in (folder / "ws" / "stages").glob("cot.*/*"):
        if commit.is_file():
            commit.unlink()
    run(folder)
    assert server.requests == before and asked == 6
    picture(folder / "corpus", 6)
    run(folder)
    assert script.asked["propose"] == 7
