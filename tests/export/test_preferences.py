"""Preference pairs, RL questions and step labels: made of graded paths, loaded by Hugging Face datasets as trainers do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from PIL import Image
from support.command import dataengine
from support.cot_corpus import jpeg, pixels_of, records

from dataengine import pipeline
from dataengine.config import recipe as recipes
from dataengine.cot.core.formats import Thinking, box, parse
from dataengine.cot.core.question import Question
from dataengine.errors import UsageError
from dataengine.export.graded_paths import GradedPath, GradedQuestion
from dataengine.export.options import Signal, Trainer
from dataengine.export.preferences import Options, export
from dataengine.export.signals import attempted, hints_of, labelled_steps, pairs
from dataengine.testing import Body, InProcess, Turn, chat_server

STEPS = "I look at the left first. It lies in shade. The right is in the sun."


def question(kind: str = "choice") -> Question:
    return next(k.question for k in records() if k.question.answer_type == kind and k.question.style == "thinking")


def path(index: int, grade: str, text: str = "", **more: Any) -> GradedPath:
    asked = question()
    answer = asked.answer if grade != "C" else "F"
    text = text or Thinking(f"{STEPS} {index}", f"It is {box(answer)}").render()
    reasons = {"A": (), "B": ("repetition",), "C": ("answer",)}[grade]
    fields = {"right": grade != "C", "reasons": reasons, "teacher": "openai:m", "injected": None}
    fields |= {"confidence": None, "words": len(text.split())}
    return GradedPath(index, text, grade, **(fields | more))  # type: ignore[arg-type]


def graded(*paths: GradedPath) -> GradedQuestion:
    return GradedQuestion(question(), None, "", (), paths)


def test_the_surest_sound_path_stands_against_wrong_answers_first() -> None:
    paths = [
        path(0, "C", "no form at all", reasons=("format",)), path(1, "A", confidence=-0.9), path(2, "A", confidence=-0.1),
        path(3, "C"), path(4, "C", injected="swap"), path(5, "B"),
    ]  # fmt: skip
    found = list(pairs(graded(*paths), 9))
    assert [(p.chosen.index, p.rejected.index) for p in found] == [(2, 3), (2, 0), (2, 4)]
    assert [p.why for p in found] == ["answer", "format", "swap"]
    assert len(list(pairs(graded(*paths), 1))) == 1
    assert not list(pairs(graded(path(0, "B"), path(1, "C")), 9)) and not list(pairs(graded(path(0, "A")), 9))
    assert not list(pairs(graded(path(0, "A", injected="swap"), path(1, "C")), 9)), "wrong on purpose is never chosen"
    same = path(3, "C")
    assert len(list(pairs(graded(path(0, "A"), same, replace(same, index=4)), 9))) == 1


def test_only_questions_that_are_right_sometimes_are_for_rl() -> None:
    tried = attempted(graded(path(0, "A"), path(1, "C"), path(2, "C"), path(3, "B")))
    assert tried is not None and (tried.accuracy, tried.samples) == (0.5, 4)
    assert attempted(graded(path(0, "A"), path(1, "B"))) is None and attempted(graded(path(0, "C"))) is None
    program = path(0, "A", teacher="programmatic")
    assert attempted(graded(program, path(1, "C"))) is None, "a program is always right"


def test_hints_go_from_a_concept_to_the_whole_reasoning_and_do_not_say_the_answer() -> None:
    asked = question()
    text = Thinking(f"I compare. {STEPS} 2 + 1 = 3. So the answer is {asked.answer}.", box(asked.answer)).render()
    hints = hints_of(asked, text)
    assert sorted(hints) == [1, 2, 3, 4, 5] and hints[4] == "I compare." and "2 + 1 = 3" in hints[3]
    assert all(f"answer is {asked.answer}" not in hint for level, hint in hints.items() if level < 5)
    assert hints_of(asked, "no form") == {}


def test_steps_have_labels_where_the_rules_can_tell() -> None:
    asked = question()
    steps, labels = labelled_steps(asked, path(0, "A")) or ([], [])
    assert len(steps) == len(labels) == 5 and all(labels) and steps[0] == "I look at the left first."
    other = next(letter for letter in "ABCD" if letter != asked.answer)
    wrong = Thinking(f"{STEPS} So the answer is {other}.", f"It is {box(other)}").render()
    told = labelled_steps(asked, path(1, "C", wrong, reasons=("answer", "contradiction")))
    assert told is not None and told[1] == [True, True, True, False, False]
    assert labelled_steps(asked, path(2, "C")) is None, "which step is wrong is not known"
    assert labelled_steps(asked, path(3, "C", "no form")) is None


def sometimes(body: Body) -> Turn:
    """A model that says stone two times in three."""
    answer = "B" if body["seed"] % 3 else "A"
    if "No reasoning" in json.dumps(body["messages"]):
        return Turn(text=f"{answer}")
    return Turn(text=f"<think>{STEPS}</think>\n<answer>\\boxed{{\\text{{{answer}}}}}</answer>")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A recipe whose CoT is up to date, with six samples of each reply."""
    folder = tmp_path_factory.mktemp("preferences")
    (folder / "corpus").mkdir()
    qa = {"qa": [{"question": "What is it made of?", "answer": "stone", "choices": ["wood", "stone", "paper"]}]}
    for n in range(6):
        part = pixels_of("china.jpg")[30 * n : 30 * n + 200, 50 * n : 50 * n + 300]
        (folder / "corpus" / f"{n}.jpg").write_bytes(jpeg(part))
        (folder / "corpus" / f"{n}.json").write_text(json.dumps(qa))
    rule = {"name": "wide", "keep": "width >= 8", "on_missing": "drop", "reason": "tiny"}
    (folder / "policy.yaml").write_text(yaml.safe_dump({"name": "all", "version": "1", "rules": [rule]}))
    with chat_server(sometimes) as server:
        cot = {
            "mix": {"thinking": 1, "non_thinking": 1},
            "questions_per_sample": 12,
            "paths_per_question": 6,
            "text_only_baseline": False,
            "teachers": [{"type": "openai", "endpoint": server.endpoint, "model": "m"}],
            "questions": {"source_qa": {}},
        }
        told = {
            "name": "prefs",
            "workspace": str(folder / "ws"),
            "sources": [{"type": "folder", "name": "stones", "path": str(folder / "corpus"), "buckets": 1}],
            "dedup": {"radius": 0},
            "score": {"scorers": [{"name": "technical"}]},
            "filter": {"policy": str(folder / "policy.yaml")},
            "tokenize": None,
            "cot": cot,
            "release": {"title": "Preferences", "license": "cc0-1.0", "description": "Made to test."},
        }
        file = folder / "recipe.yaml"
        file.write_text(json.dumps(told))
        pipeline.execute(recipes.load(str(file)), engine=InProcess())
    yield str(file)


def loaded(out: Path, cache: Path) -> Any:
    files = sorted(str(p) for p in (out / "rows").glob("*.jsonl"))
    return datasets.load_dataset("json", data_files=files, split="train", cache_dir=str(cache))


@pytest.mark.slow
def test_pairs_load_in_the_conversational_form_with_their_pictures(made: str, tmp_path: Path) -> None:
    dataengine("export", "preferences", made, str(tmp_path / "out"), "--rows", "2")
    rows = loaded(tmp_path / "out", tmp_path / "cache")
    described = json.loads((tmp_path / "out" / "export.json").read_bytes())
    assert len(rows) == described["rows"] == sum(f["rows"] for f in described["files"]) >= 3
    assert len(described["files"]) == -(-len(rows) // 2)
    for row in rows:
        blocks = row["prompt"][0]["content"]
        assert [b["type"] for b in blocks].count("image") == len(row["images"]) >= 1
        assert row["chosen"][0]["role"] == row["rejected"][0]["role"] == "assistant"
        assert row["chosen"] != row["rejected"] and row["why"].startswith(("answer", "format"))
        for name in row["images"]:
            Image.open(tmp_path / "out" / name).load()
    thinking = [row["chosen"][0]["content"][0]["text"] for row in rows if row["mode"] == "thinking"]
    assert thinking and all(parse("thinking", text).render() == text for text in thinking), "the exact form"


@pytest.mark.slow
def test_other_layouts_and_the_same_bytes_again(made: str, tmp_path: Path) -> None:
    run = pipeline.committed(recipes.load(made), "cot")
    layouts = [(Signal.rl, Trainer.trl), (Signal.pairs, Trainer.llamafactory), (Signal.steps, Trainer.trl)]
    for n, options in enumerate(Options(*layout) for layout in layouts):
        for name in "ab":
            export(run, str(tmp_path / f"{name}{n}"), options)
        a, b = (
            {p.relative_to(f): p.read_bytes() for p in f.rglob("*.*")} for f in (tmp_path / f"a{n}", tmp_path / f"b{n}")
        )
        assert a == b and len(a) > 3
    for row in loaded(tmp_path / "a0", tmp_path / "cache"):
        assert 0 < row["accuracy"] < 1 and row["samples"] == 6 and row["solution"] == row["answer"]
        assert row["prompt"][0]["role"] == "user" and all(1 <= hint["level"] <= 5 for hint in row["hints"])
    info = json.loads((tmp_path / "a1" / "dataset_info.json").read_bytes())["prefs_train_preferences"]
    for row in loaded(tmp_path / "a1", tmp_path / "cache"):
        assert info["ranking"] and set(info["columns"].values()) <= set(row)
        assert row["conversations"][0]["value"].count("<image>") == len(row["images"])
        assert row["chosen"]["from"] == row["rejected"]["from"] == "gpt"
    for row in loaded(tmp_path / "a2", tmp_path / "cache"):
        assert len(row["completions"]) == len(row["labels"]) > 1
    run.close()


def test_what_cannot_be_exported_says_why() -> None:
    with pytest.raises(UsageError, match="LLaMA-Factory has no reader for --as rl"):
        Options(Signal.rl, Trainer.llamafactory)
    with pytest.raises(UsageError, match="at least 1"):
        Options(most=0)
