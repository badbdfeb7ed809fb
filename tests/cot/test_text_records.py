"""Text-only chains of thought: how the rows of real sets read, and that they come through to the shards."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dataengine.config.cot import CotConfig, TextSource
from dataengine.cot.checks.verify import verify_record
from dataengine.cot.core.record import PathSummary
from dataengine.cot.core.schemas import QUESTIONS
from dataengine.cot.core.stage import TEXTS, every
from dataengine.cot.core.tables import CheckRow, PlanRow, QuestionRow, read_rows
from dataengine.cot.mix.write_stage import record_of
from dataengine.cot.questions.text_records import NoRecord, TextRecord, text_record
from dataengine.cot.questions.text_stage import TextWorker, reader_of
from dataengine.cot.tasks.mix_shares import resolve
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.media.limits import Limits
from dataengine.stage import Part, Run
from dataengine.storage.workspace import Output, Record, Workspace

SOURCE = TextSource(name="maths", path="x.jsonl")
THOUGHT = "Two and two make four, and one more makes five."


def row(question: str = "What is 2 + 2 + 1?", reasoning: str | None = THOUGHT, answer: Any = "5") -> dict[str, Any]:
    return {"question": question, "reasoning": reasoning, "answer": answer}


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        (row(), "5"),
        (row(answer=5), "5"),
        (row(answer=r"Adding up, it is \boxed{5}."), "5"),
        (row(reasoning=None, answer=f"<think>{THOUGHT}</think>\n\nThe sum is \\boxed{{5}}"), "5"),
        (row(reasoning=None, answer=f"{THOUGHT}</think><answer>\\boxed{{\\frac{{1}}{{2}}}}</answer>"), r"\frac{1}{2}"),
        (row(reasoning=f"<think>{THOUGHT} \\boxed{{5}}", answer="It follows from what is " + "given " * 9), "5"),
        (row(answer=r"\boxed{5}, that is, \boxed{5}"), "5"),
    ],
)  # fmt: skip
def test_a_row_reads_as_its_source_means_it(fields: dict[str, Any], answer: str) -> None:
    record = text_record(fields, SOURCE, "maths/1")
    assert isinstance(record, TextRecord), record
    assert (
        record.question.answer == answer
        and record.text.count(r"\boxed{") == 1 + fields.get("reasoning", "").count("boxed")
        if fields["reasoning"]
        else True
    )
    assert record.question.text.endswith("/think") and record.question.parents == ()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (row(question=""), "no question, reasoning and answer"),
        (row(reasoning=None), "no question, reasoning and answer"),
        (row(answer=None), "no question, reasoning and answer"),
        (row(answer="It is one of these or one of those, which nobody can say for sure today."), "no final answer"),
        (row(answer=r"\boxed{5} or \boxed{6}"), "no final answer"),
        (row(question="What is <answer> for?"), "its question: a tag of the text forms inside"),
        (row(reasoning="a <answer> inside the reasoning"), "format: <answer> inside a part"),
    ],
)
def test_what_gives_no_record_has_its_reason(fields: dict[str, Any], reason: str) -> None:
    assert text_record(fields, SOURCE, "maths/1") == NoRecord(reason)


def made(folder: Path, lines: list[dict[str, Any] | str], copies: int = 1) -> tuple[Workspace, dict[str, Output]]:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    for n in range(copies):
        (folder / f"{n}.jsonl").write_text("\n".join(texts))
    source = TextSource(name="maths", path=f"{folder}/*.jsonl")
    workspace, worker = Workspace(str(folder / "ws")), TextWorker(Limits(), Workspace(str(folder / "ws")))
    parts = reader_of(source, Limits()).parts()
    return workspace, {p.name: worker.process(Part(p.name, p.key, (source, p.spec))) for p in parts}


def test_every_row_is_a_record_or_a_reason(tmp_path: Path) -> None:
    long = " ".join(f"Step {n}: add {n}." for n in range(3000))
    rows = [row(), row("And 3 + 3?", answer="6"), row("How long?", long, "long"), row(answer=None), "{broken"]
    workspace, outputs = made(tmp_path, rows)
    questions = [q for out in outputs.values() for q in read_rows(workspace, [out.files["questions"]], QuestionRow)]
    assert sorted(str(q.rejected) for q in questions) == [
        "None", "None", "None", "failed: bad_row", "propose: no question, reasoning and answer"
    ]  # fmt: skip
    checks = [c for out in outputs.values() for c in read_rows(workspace, [out.files["checks"]], CheckRow)]
    assert [c.grade for c in checks] == ["A"] * 3
    assert sorted(q.difficulty for q in questions if q.question) == ["easy", "easy", "hard"]


@pytest.mark.parametrize(
    ("column", "fields", "license_"),
    [
        ("license", {"license": "MIT"}, "MIT"),
        ("license", {}, "CC-BY-4.0"),
        ("terms", {"terms": "CC0-1.0", "license": "MIT"}, "CC0-1.0"),
        (None, {"license": "MIT"}, "CC-BY-4.0"),
    ],
)
def test_a_record_names_its_licence(tmp_path: Path, column: str | None, fields: dict[str, Any], license_: str) -> None:
    (tmp_path / "0.jsonl").write_text(json.dumps(row() | fields))
    path = f"{tmp_path}/*.jsonl"
    source = TextSource(name="maths", path=path, license="CC-BY-4.0", license_column=column)
    workspace = Workspace(str(tmp_path / "ws"))
    parts = reader_of(source, Limits()).parts()
    worker = TextWorker(Limits(), workspace)
    outputs = [worker.process(Part(p.name, p.key, (source, p.spec))) for p in parts]
    files = [out.files["questions"] for out in outputs]
    [question] = [q.question for q in read_rows(workspace, files, QuestionRow) if q.question]
    assert question.parameters["license"] == license_
    assert sum((Counter(out.facts["licenses"]) for out in outputs), Counter()) == {license_: 1}


def test_a_record_of_text_is_verified_without_media(tmp_path: Path) -> None:
    one = text_record(row(), SOURCE, "maths/1")
    assert isinstance(one, TextRecord)
    path = PathSummary(
        index=0, teacher="source:maths", seed=1, prompt="", grade="A", answer="5", confidence=0.0, reasons=""
    )
    plan = PlanRow(
        one.question.id, "train", "text", one.question, one.text, (path,), 0, "", (), "", "", False, 3, 1, 0, 1, 1
    )
    record = record_of(plan, (), show_answer=False)

    def no_media(id_: str) -> Any:
        raise AssertionError(id_)

    assert verify_record(record.to_bytes(), no_media).passed
    other = record.model_copy(update={"answer": "6"})
    assert not verify_record(other.to_bytes(), no_media).passed


def test_the_same_record_twice_is_one(tmp_path: Path, duck: DuckDBEngine) -> None:
    workspace, outputs = made(tmp_path, [row(), row("And 3 + 3?", answer="6")], copies=2)
    assert sum(out.counts["records"] for out in outputs.values()) == 4
    run = Run.__new__(Run)
    run.workspace, run._engine, run._open_engine = workspace, None, lambda: duck
    run.records = {
        TEXTS: Record(TEXTS, "", outputs),
        "cot.questions": Record("cot.questions", "", {}),
    }
    rows = duck.collect(every(run, "cot.questions", "questions", QUESTIONS, ["rid", "question"]))
    assert len(rows) == 2 and len(set(rows["rid"].to_pylist())) == 2


def test_texts_have_a_share_of_the_preset() -> None:
    assert resolve("keye-vl")["thinking"] == 230_000
    split = resolve("keye-vl", texts=True)
    assert (split["thinking/thinking"], split["thinking/text"]) == (70_000, 160_000)
    assert sum(split.values()) == sum(resolve("keye-vl").values())
    assert CotConfig.model_validate({"texts": [{"name": "a", "path": "b"}]}).texts[0].answer == "answer"
