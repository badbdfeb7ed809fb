"""Right replies are kept and wrong ones are not, in every form that the benchmark knows; its run with a scripted model starts."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cot_corpus import records

from dataengine.cot.checks.grade import grade, read

ROOT = Path(__file__).parents[2]
THINK = "I look at what is shown, part by part, and compare what I see. There are 3 lamps, about 12 cm wide."


@pytest.fixture(scope="module")
def bench() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield importlib.import_module("cot_yield")


@pytest.mark.slow
def test_the_form_of_a_reply_does_not_decide_its_grade(bench: Any) -> None:
    forms = {"thinking": bench.THINKING, "non_thinking": bench.PLAIN, "auto": bench.AUTO}
    grades: Counter[tuple[bool, str]] = Counter()
    for kept in records():
        question = kept.question
        for dress in forms.get(question.style, {}).values():
            for right in (True, False):
                said = question.answer if right else bench.wrong(question.answer, question.text)
                message = dress(THINK, said, f"The answer is {said}.")
                reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
                text = read(question, message["content"], reasoning)
                grades[right, grade(question, text, measured=False).grade] += 1
    right, wrong = (sum(n for (kind, _), n in grades.items() if kind is what) for what in (True, False))
    assert right == wrong > 1000
    assert grades[True, "A"] >= 0.95 * right and grades[False, "A"] + grades[False, "B"] <= 0.01 * wrong, grades


@pytest.mark.slow
def test_the_benchmark_runs_through_the_whole_flow(bench: Any, tmp_path: Path) -> None:
    counts = bench.graded(tmp_path, 4, 0.7)
    right = [(grade_, n) for (_, right, grade_), n in counts.items() if right]
    wrong = [(grade_, n) for (_, right, grade_), n in counts.items() if not right]
    assert sum(n for _, n in right) > 10 and sum(n for _, n in wrong) > 2
    assert all(grade_ == "C" for grade_, _ in wrong) and sum(n for g, n in right if g == "C") <= 1, counts
