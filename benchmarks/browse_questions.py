"""Made-up chain-of-thought questions for the workspace of ``browse_corpus``: the tables of their steps, in many files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from browse_corpus import PART

from dataengine.browse.page.filters import Filters
from dataengine.browse.page.records import Records
from dataengine.browse.session import Session
from dataengine.cot.core.question import Question
from dataengine.cot.core.schemas import CHECKS, OUTCOMES, PATHS, QUESTIONS, REVIEWED
from dataengine.models.serving.messages import ImageBlock, TextBlock
from dataengine.stage import Run
from dataengine.storage.workspace import File, Output, Record

_MODES = ("thinking", "non_thinking", "auto_think", "think_with_image", "video")
_ID = "f" * 32
_TEXT = "Which of the two squares that are drawn over the picture lies further to the left? Answer with its letter. "
_STEPS = {
    "cot.questions": ("questions", QUESTIONS),
    "cot.paths": ("paths", PATHS),
    "cot.check": ("checks", CHECKS),
    "cot.review": ("reviewed", REVIEWED),
    "cot.mix": ("outcomes", OUTCOMES),
}


def with_questions(run: Run, count: int) -> Run:
    """The same with so many questions, of which a third is kept."""
    template = _template()
    files: dict[str, dict[str, File]] = {stage: {} for stage in _STEPS}
    for start in range(0, count, PART):
        rows = _rows(start, min(PART, count - start), template)
        for stage, (role, schema) in _STEPS.items():
            key = f"cot/{role}-{start // PART:05d}.parquet"
            table = pa.table([rows[stage].get(f.name, pa.nulls(rows["n"], f.type)) for f in schema], schema=schema)
            files[stage][f"{role}/{start // PART}"] = run.workspace.write_table(key, table)
    for stage, listed in files.items():
        run.records[stage] = Record(stage, "0", {"all": Output(listed)})
    return run


def _template() -> str:
    content = (ImageBlock(image=f"sample:{_ID}"), TextBlock(text=_TEXT * 5))
    parameters, facts = {"squares": "2"}, {"left": 12.0}
    question = Question(
        id=_ID, mode="thinking", task="made", style="thinking", family="picture", difficulty="easy", seed=1,
        parents=(_ID,), content=content, answer="A", answer_type="choice", parameters=parameters, facts=facts,
    )  # fmt: skip
    return question.to_json()


def _rows(start: int, n: int, template: str) -> dict[str, Any]:
    """Columns of the tables, by stage, of the questions from ``start`` on."""
    rng = np.random.default_rng(start)
    rids = pa.array([f"{number:032x}" for number in range(start, start + n)])
    samples = pa.array([f"{number // 4:032x}" for number in range(start, start + n)])
    mode, kept = pa.array(rng.choice(_MODES, n)), rng.random(n) < 1 / 3
    same = {"rid": rids, "sample": samples, "mode": mode, "style": _all("thinking", n), "task": _of(rng, "task", 40, n)}
    steps = np.where(kept, "", rng.choice(["checks", "review", "mix"], n))
    reasons = np.where(kept, "", rng.choice(["no agreement on the answer", "more than the mix asks for"], n))
    outcome = {
        "outcome": np.where(kept, "kept", "rejected"),
        "step": steps,
        "reason": reasons,
        "teacher": _all("made", n),
    }
    path = {"rid": rids, "kind": _all("path", n), "index": np.zeros(n), "teacher": _all("made", n)}
    about = {"family": _of(rng, "family", 9, n), "split": _all("train", n), "difficulty": _of(rng, "level", 3, n)}
    asked = {"answer": _of(rng, "answer", 500, n), "question": [template.replace(_ID, rid) for rid in rids.to_pylist()]}
    columns: dict[str, dict[str, Any]] = {
        "cot.questions": same | about | asked,
        "cot.paths": path | {"text": _all(f"<think>{_TEXT * 6}</think> <answer>A</answer>", n)},
        "cot.check": path | {"grade": rng.choice(["A", "B", "C"], n)},
        "cot.review": {"rid": rids, "chosen": np.zeros(n), "agreement": rng.random(n)},
        "cot.mix": same | outcome,
    }
    schemas = {stage: schema for stage, (_, schema) in _STEPS.items()}
    typed = {
        stage: {name: pa.array(values).cast(schemas[stage].field(name).type) for name, values in listed.items()}
        for stage, listed in columns.items()
    }
    return {**typed, "n": n}


def _all(text: str, n: int) -> Any:
    return np.full(n, text)


def _of(rng: Any, name: str, different: int, n: int) -> Any:
    return np.char.add(name, rng.integers(0, different, n).astype(str))


def ways(session: Session) -> dict[str, Callable[[], object]]:
    """What the page asks of its tab of records, which is opened before."""
    records = Records(session)
    every, some = Filters(), Filters({"mode": ("video",), "grade": ("B",), "outcome": ("kept",)})
    [first] = records.page(every, 0, 1)["rows"]
    one = Filters({"sample": (first["sample"],)})
    return {
        "20 of all questions": lambda: records.page(every, 0, 20),
        "20 of one mode and grade": lambda: records.page(some, 0, 20),
        "counts of all facets": lambda: records.counts(every),
        "the same under three conditions": lambda: records.counts(some),
        "those of a sample": lambda: records.page(one, 0, 10),
    }
