"""Chain-of-thought data as users make it: with a real model that dies in the middle, with people, with errors on purpose."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.command import dataengine
from support.llm_server import LlmServer, llm_server
from support.small_corpus import Setup, digests, manifest, members, stage_lines

from dataengine.cot.teachers import prompt_text
from dataengine.testing import Turn, chat_server

STEPS = ("material", "questions", "paths", "check", "review", "score", "mix", "write")


def changed(copy: Setup, **cot: Any) -> Setup:
    """The finished run with another cot: what lies before is up to date."""
    told = {"mix": "even", "questions_per_sample": 2, "paths_per_question": 1} | cot
    return Setup(copy.folder, copy.corpus, copy.workspace, {"cot": told}).write()


def model(server: LlmServer) -> dict[str, Any]:
    told = {"type": "openai", "endpoint": server.url, "model": "smollm2", "vision": False, "concurrency": 2}
    return told | {"retries": 1, "timeout": 600}


def answers(setup: Setup) -> int:
    return len(list(Path(setup.workspace, "completions").glob("*.json")))


def tables(setup: Setup, name: str) -> list[dict[str, Any]]:
    """Rows of a stage, without those on what its samples were."""
    files = sorted(Path(setup.workspace, "cot", name).glob("*.parquet"))
    return [row for file in files if not file.stem.endswith("-inputs") for row in pq.read_table(file).to_pylist()]


def released(setup: Setup) -> list[dict[str, Any]]:
    """The release's records."""
    packed = members(sorted((setup.release / "cot").glob("*.tar")))
    return [json.loads(data) for name, data in packed.items() if name.endswith(".json")]


def test_a_model_that_dies_is_asked_nothing_twice(copy: Setup) -> None:
    shutil.rmtree(Path(copy.workspace, "cot"))
    shutil.rmtree(copy.release / "cot")
    for stage in STEPS:
        shutil.rmtree(Path(copy.workspace, "stages", f"cot.{stage}"))
    with llm_server() as server:
        setup = changed(copy, teachers=[{"type": "programmatic"}, model(server)], max_tokens=24, questions_per_sample=1)
        server.stop_after = 6
        failed = setup.run("--workers", "1", ok=False)
        assert failed.returncode == 1 and "Finished completions are kept" in failed.stderr, (
            failed.stdout + failed.stderr
        )
        assert server.answered == answers(setup) == 6
        server.start()
        server.stop_after = None
        done = setup.run("--workers", "1")
        paths = tables(setup, "paths")
        asked = [p for p in paths if p["teacher"].startswith("openai:")]
        assert len(asked) >= 20 and {p["kind"] for p in asked} == {"path", "text_only"}
        assert server.answered == answers(setup) == len(asked)
        assert {p["failure"] for p in asked} <= {None, "truncated", "repetition", "refused"}
        first = digests(setup.release)
        for stage in STEPS:
            shutil.rmtree(Path(setup.workspace, "stages", f"cot.{stage}"))
        setup.run("--workers", "2")
        assert server.answered == answers(setup)
    assert digests(setup.release) == first
    told = manifest(setup.release)["cot"]
    assert told["funnel"][0]["entering"] == told["drafted"]
    assert told["funnel"][-1]["remaining"] == sum(told["modes"].values()) > 0
    assert "kept" in done.stdout


def test_records_are_checked_from_their_media_alone(base: Setup, tmp_path: Path) -> None:
    shutil.copytree(base.release, tmp_path / "release")
    told = dataengine("cot", "verify", str(tmp_path / "release"), "--workers", "2").stdout
    assert "(100.00%)" in told


def test_people_decide_about_doubtful_replies(copy: Setup) -> None:
    setup = changed(copy, teachers=[{"type": "programmatic", "error_injection_rate": 1.0}])
    setup.run()
    told = manifest(setup.release)["cot"]
    assert told["planted"] == told["caught"] and sum(told["modes"].values()) == 0
    out, back = setup.folder / "items.jsonl", setup.folder / "decisions.jsonl"
    dataengine(
        "cot", "review", str(setup.recipe), "--export", str(out), "--label-studio", str(setup.folder / "ls.json")
    )
    items = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(items) == told["review"]["process"] == len(json.loads((setup.folder / "ls.json").read_text())) > 2
    lines = [{"qid": i["qid"], "item": i["item"], "reviewer": "ann", "action": "accept"} for i in items]
    lines[0]["action"] = "reject"
    back.write_text("\n".join(map(json.dumps, lines)))
    dataengine("cot", "review", str(setup.recipe), "--import", str(back))
    setup.run()
    after = manifest(setup.release)["cot"]
    assert after["rejected"]["review: rejected by a reviewer"] == 1 and "review: not reviewed" not in after["rejected"]
    left = sum(n for reason, n in after["rejected"].items() if reason.startswith("mix: "))
    assert sum(after["modes"].values()) + left == len(items) - 1
    bad = setup.folder / "bad.jsonl"
    bad.write_text(json.dumps({**lines[0], "qid": "none"}))
    done = dataengine("cot", "review", str(setup.recipe), "--import", str(bad), ok=False)
    assert done.returncode == 2 and "bad.jsonl: line 1: no item 'none' in this run" in done.stderr


def test_a_missing_key_stops_before_anything_runs(copy: Setup) -> None:
    teacher = {"type": "openai", "endpoint": "http://127.0.0.1:9/v1", "model": "m", "api_key_env": "NOT_SET_HERE"}
    done = changed(copy, teachers=[teacher]).run(ok=False)
    assert done.returncode == 2 and "NOT_SET_HERE" in done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"repeats_by_score": {1: 1.0}}, "repeats_by_score: score 2 is missing"),
        ({"paths_per_question": 0}, "paths_per_question"),
    ],
)
def test_mistakes_in_the_recipe_are_told(copy: Setup, change: dict[str, Any], message: str) -> None:
    done = changed(copy, **change).run(ok=False)
    assert done.returncode == 2 and message in done.stderr


def test_questions_of_a_benchmark_are_not_asked(copy: Setup) -> None:
    asked = [r["messages"][0]["content"] for r in released(copy)]
    text = max((b["text"] for content in asked for b in content if b["type"] == "text"), key=lambda t: len(t.split()))
    listed = copy.folder / "benchmark.jsonl"
    listed.write_text(json.dumps({"question": text, "answer": "x"}) + "\n")
    benchmark = {"type": "table", "name": "exam", "path": str(listed), "media": None}
    told = {"benchmarks": [benchmark], "presets": [{"name": "ngram", "n": 5, "min_overlap": 0.5}]}
    setup = Setup(copy.folder, copy.corpus, copy.workspace, {"contamination": told}).write()
    setup.run()
    found = manifest(setup.release)["cot"]
    assert found["rejected"]["contamination: exam"] >= 1
    [step] = [row for row in found["funnel"] if row["step"] == "contamination"]
    assert step["dropped"] == found["rejected"]["contamination: exam"]


ANSWER = re.compile(r"The right answer is known: (.+?)\. Your reasoning")
FORMS = {
    "thinking": "<think>I look at what is shown, part by part.</think> <answer>So it is {box}</answer>",
    "non_thinking": "{plain}.",
    "auto": "<analysis>It takes steps. Therefore, /think mode is more appropriate.</analysis>"
    "<think>I look at what is shown, part by part.</think><answer>So it is {box}</answer>",
    "agentic": "<think>I enlarge the upper left.\n```python\ncrop(0, 0, 500, 500)\nzoom(2)\n```",
}


def as_told(body: dict[str, Any]) -> Turn:
    """A model that answers as it was told to, and a judge that likes every other reply."""
    content = body["messages"][0]["content"]
    text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    if "response_format" in body:
        good = int(hashlib.sha256(text.encode()).hexdigest(), 16) % 2 == 0
        return Turn(text=json.dumps({"process": good, "reason": "not what is shown", "score": 4}))
    if not (told := ANSWER.search(text)):
        return Turn(text="no idea")
    if len(body["messages"]) > 1:
        return Turn(text=f"Now it is clear.</think> <answer>So it is \\boxed{{{told[1]}}}</answer>", logprobs=[-0.5])
    styles = ("auto", "non_thinking", "thinking", "agentic")
    style = next(s for s in styles if text.startswith(prompt_text.template(s)))
    return Turn(text=FORMS[style].format(box=f"\\boxed{{{told[1]}}}", plain=told[1]), logprobs=[-0.5])


def test_a_models_replies_are_checked_judged_and_released(copy: Setup) -> None:
    with chat_server() as server:
        server.reply = as_told
        teacher = {"type": "openai", "endpoint": server.endpoint, "model": "told"}
        judge = {"type": "openai", "endpoint": server.endpoint, "model": "judge"}
        cot = {"teachers": [teacher], "judge": judge, "show_answer": True}
        setup = changed(copy, **cot)
        setup.run("--workers", "1")
        seen = [body for body in server.bodies if isinstance(body["messages"][0]["content"], list)]
        assert seen and all(
            part["image_url"]["url"].startswith("data:image/")
            for body in seen
            for part in body["messages"][0]["content"]
            if part["type"] == "image_url"
        )
        asked = server.requests
        elsewhere = [{**teacher, "endpoint": server.endpoint + "/", "concurrency": 3}]
        again = changed(copy, **{**cot, "teachers": elsewhere}).run("--workers", "1").stdout
        assert server.requests == asked and set(stage_lines(again).values()) == {("up-to-date", 0)}
    told = manifest(setup.release)["cot"]
    mine = [p for p in tables(setup, "paths") if p["teacher"] == "openai:told"]
    looked = [p for p in mine if "<sandbox_output> <image> </sandbox_output>" in (p["text"] or "")]
    assert looked and all(
        len(p["members"]) == 2 for p in looked
    )  # the drawn picture, and what the model's own calls gave
    assert told["grades"]["A"] > 0 and told["grades"]["B"] > 0 and told["review"]["process"] > 0
    checks = tables(setup, "checks")
    assert any("judge: not what is shown" in c["reasons"] for c in checks if c["grade"] == "B")
    kept = released(setup)
    assert (
        kept
        and {r["teacher"] for r in kept} == {"openai:told"}
        and all(r["answer_shown"] and r["prompt"] for r in kept)
    )
    assert {r["blind"] for r in kept} <= {"right", "wrong"} and all(r["paths"][0]["confidence"] == -0.5 for r in kept)
    assert "(100.00%)" in dataengine("cot", "verify", str(setup.release)).stdout
