"""Made-up tables of CoT's steps, committed to a workspace as the steps before review would."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from dataengine.config.recipe import Recipe
from dataengine.contracts import BENCHMARK_ITEMS
from dataengine.cot.core.columns import Member
from dataengine.cot.core.question import Question
from dataengine.cot.core.tables import CheckRow, PathRow, QuestionHit, QuestionRow, R, rows_of, table_of
from dataengine.cot.tasks.registry import TASKS
from dataengine.models.serving.messages import ImageBlock, TextBlock
from dataengine.stage import Run
from dataengine.storage.workspace import Output, Record, Workspace

ASKED = ("compare_parts", "dominant_colour", "glance", "inspect_view", "count_shots_16", "given_answer", "given_tools")
REPEATED = "which of all these many windows of the long grey house by the river stands open today"
"""A question of the benchmark."""
SCORED = ("answer", "unsupported number", "repetition", "format")


def recipe(folder: Path, **cot: Any) -> Recipe:
    benchmark = {"name": "listed", "type": "table", "path": "none.jsonl", "media": None}
    return Recipe.model_validate(
        {
            "name": "tables",
            "seed": 5,
            "workspace": str(folder / "ws"),
            "sources": [{"type": "folder", "name": "photos", "path": str(folder), "buckets": 1}],
            "score": {"scorers": [{"name": "technical"}]},
            "filter": {"policy": "none.yaml"},
            "contamination": {"benchmarks": [benchmark], "presets": ["ngram"]},
            "tokenize": None,
            "cot": {"confidence": {"min_step_logprob": -2.5}, **cot},
            "release": {"title": "t", "license": "other", "description": "d"},
        }
    )


def run_rows(run: Run, stage: str, role: str, kind: type[R]) -> list[R]:
    """All rows of a committed table."""
    return rows_of(run.table(stage, role, kind.schema, kind.columns()), kind)


def name(*of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()[:32]


def committed(workspace: Workspace, count: int, seed: int) -> dict[str, Record]:
    """The commits of cot.questions, cot.paths and cot.check in three parts each, and of contamination.read, by stage."""
    rng = random.Random(seed)
    questions = [row for n in range(count) for row in _questions(rng, seed, n)]
    paths = [path for row in questions if row.question for path in _paths(rng, row)]
    checks = [_check(rng, path) for path in paths]
    every: dict[str, tuple[str, Sequence[Any]]] = {
        "cot.questions": ("questions", questions),
        "cot.paths": ("paths", paths),
        "cot.check": ("checks", checks),
    }
    records = {}
    for stage, (role, rows) in every.items():
        rng.shuffle(rows)  # type: ignore[arg-type]
        kind = {"questions": QuestionRow, "paths": PathRow, "checks": CheckRow}[role]
        parts = {f"{n}": _part(workspace, role, kind, rows[n::3], n) for n in range(3)}
        records[stage] = Record(stage, "", parts)
    item = {"benchmark": "listed", "item": "1", "frame_hashes": [], "questions": [REPEATED], "answers": ["the last"]}
    table = pa.Table.from_pylist([item], BENCHMARK_ITEMS)
    listed = workspace.write_table("made/items.parquet", table)
    records["contamination.read"] = Record("contamination.read", "", {"listed": Output({"items": listed})})
    asked = sorted(row.rid for row in questions if row.question)[::9]
    hits = [QuestionHit(rid, name, "2", 0.99, 0.6) for rid in asked for name in ("posed", "listed")]
    table = workspace.write_table("made/hits.parquet", table_of(QuestionHit, hits))
    records["cot.decontaminate"] = Record("cot.decontaminate", "", {"0": Output({"hits": table})})
    return records


def _part(workspace: Workspace, role: str, kind: type[R], rows: Sequence[R], number: int) -> Output:
    facts = {"grades": {"A": 1}, "planted": {}, "caught": {}} if role == "checks" else {}
    return Output({role: workspace.write_table(f"made/{role}-{number}.parquet", table_of(kind, rows))}, {}, facts)


def _questions(rng: random.Random, seed: int, number: int) -> list[QuestionRow]:
    """Questions about one sample; of some two that are rejected for one reason, equal in all columns of the outcomes."""
    sample, split = name(seed, "sample", number), rng.choice(("train", "train", "test"))
    if rng.random() < 0.15:
        row = QuestionRow(
            sample, sample, "thinking", "", "given_reasoned", "", split, "", "", "", "propose: no answer", None, "p", ()
        )
        return [row] * rng.choice((1, 2))
    return [_question(rng, sample, split, task) for task in rng.sample(ASKED, rng.choice((1, 2, 4)))]


def _question(rng: random.Random, sample: str, split: str, task_name: str) -> QuestionRow:
    task, answer = TASKS[task_name], rng.choice(("yes", "yes", "yes", "no"))
    text = REPEATED if rng.random() < 0.05 else rng.choice(("Is it open?", "Is it new?"))
    style, difficulty = rng.choice(task.styles), rng.choice(("easy", "medium", "hard"))
    question = Question(
        id=name(sample, task.name),
        mode=task.mode,
        task=task.name,
        style=style,
        family=task.family,
        difficulty=difficulty,  # type: ignore[arg-type]
        seed=rng.randrange(1 << 50),
        parents=(sample,),
        content=(ImageBlock(image=f"sample:{sample}"), TextBlock(text=text)),
        answer=answer,
        answer_type="word",
        basis=task.basis,
        parameters={"question": text},
        facts={"left half": float(rng.randrange(200))},
    )
    members = (Member("obs0.png", rng.randrange(1000), 10),)
    told = (task.mode, style, task.name, task.family, split, difficulty, f'{{"question":"{text}"}}', answer)
    return QuestionRow(question.id, sample, *told, None, question, "cot/questions/pack.bin", members)


def _paths(rng: random.Random, row: QuestionRow) -> list[PathRow]:
    """By a program and a model; some questions have none at all."""
    paths = []
    for index in range(rng.choice((0, 1, 2, 4))):
        teacher = ("programmatic", "openai:m")[index // 2]
        path = PathRow(row.rid, "path", index, teacher, "", rng.randrange(1 << 50), text=f"text {index} of {row.rid}")
        if rng.random() < 0.15:
            path = PathRow(row.rid, "path", index, teacher, "", 1, failure="timeout", message="slow")
        elif teacher == "openai:m" and row.style == "agentic":
            members = tuple(Member(f"obs{n}.png", n, 7) for n in range(rng.randrange(3)))
            path = PathRow(
                row.rid, "path", index, teacher, "pr", 9, text=f"tools {index}", pack="t.bin", members=members
            )
        paths.append(path)
    if paths and rng.random() < 0.5:
        paths.append(PathRow(row.rid, "text_only", 2, "openai:m", "b", 3, text="yes"))
    return paths


def _check(rng: random.Random, path: PathRow) -> CheckRow:
    same = (path.rid, path.kind, path.index, path.teacher, path.prompt, path.seed, path.injected, path.failure)
    if path.failure is not None:
        return CheckRow(*same, reasons=(path.failure,))
    if path.kind == "text_only":
        return CheckRow(*same, answer="yes", right=rng.random() < 0.3)
    grade = rng.choice(("A", "A", "A", "B", "C"))
    reasons = () if grade == "A" else (rng.choice(SCORED),)
    means = tuple(round(-rng.random() * 3, 4) for _ in range(rng.randrange(3)))
    return CheckRow(
        *same,
        grade=grade,  # type: ignore[arg-type]
        answer="yes",
        right=grade != "C",
        reasons=reasons,
        words=rng.randrange(5, 20),
        confidence=rng.choice((None, round(-rng.random(), 4))),
        step_means=means,
        step_leasts=means,
        judged=rng.choice((None, None, 4)),
    )
