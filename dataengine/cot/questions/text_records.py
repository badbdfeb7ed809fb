"""Reads long chains of thought about texts as their source has them: question, reasoning and answer, brought into the form of
the thinking mode. Of Keye-VL's 230,000 thinking records of the cold start, 160,000 are such (arXiv 2507.01949)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dataengine.config.cot import TextSource
from dataengine.cot.checks.grade import grade
from dataengine.cot.core import formats
from dataengine.cot.core.question import Question
from dataengine.cot.core.record import record_id
from dataengine.cot.core.seeded import derive_seed
from dataengine.cot.core.source_qa import pair_of
from dataengine.cot.core.tables import CheckRow, PathRow, QuestionRow
from dataengine.cot.tasks.from_source import unfit
from dataengine.cot.tasks.text_cot import TEXT_TASK
from dataengine.models.serving.messages import TextBlock
from dataengine.storage.workspace import digest

_THOUGHT = re.compile(r"^\s*(?:<think>)?(?P<think>.*?)</think>(?P<rest>.*)$", re.DOTALL)
_ANSWER = re.compile(r"^\s*<answer>(?P<inside>.*)</answer>\s*$", re.DOTALL)
_BOX = re.compile(r"\\boxed\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")
_SHORT = 12
"""Words of an answer that is boxed as a whole."""
_LONGEST_LICENCE = 200
_EASY, _HARD = 150, 800
"""Words of reasoning up to which a question is easy, and from which on it is hard."""


@dataclass(frozen=True)
class TextRecord:
    """A question with the reply that its source holds."""

    question: Question
    text: str


@dataclass(frozen=True)
class NoRecord:
    """A row that gives none, and why."""

    reason: str


def text_record(row: Mapping[str, Any], source: TextSource, place: str) -> TextRecord | NoRecord:
    """The record of a row of a source. ``place``: source and URI of the row."""
    question, reasoning, answer = (_text(row, key) for key in (source.question, source.reasoning, source.answer))
    if match := _THOUGHT.match(answer):
        reasoning, answer = reasoning or match["think"], match["rest"]
    if match := _ANSWER.match(answer):
        answer = match["inside"]
    reasoning = reasoning.strip().removeprefix("<think>").removesuffix("</think>").strip()
    if not question or not reasoning or not answer.strip():
        return NoRecord("no question, reasoning and answer")
    final = _final(answer.strip(), reasoning)
    if final is None:
        return NoRecord("no final answer")
    if why := unfit(question):
        return NoRecord(f"its question: {why}")
    closing, boxed = final
    try:
        text = formats.Thinking(reasoning, closing).render()
    except formats.FormatError as error:
        return NoRecord(f"format: {error.message}")
    origin = {"source": source.name, "place": place}
    if license_ := _text(row, source.license_column)[:_LONGEST_LICENCE] or source.license:
        origin["license"] = license_
    return TextRecord(_question(question, boxed, origin, len(reasoning.split()), text), text)


def _text(row: Mapping[str, Any], key: str | None) -> str:
    value = row.get(key) if key else None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).strip()


def _final(answer: str, reasoning: str) -> tuple[str, str] | None:
    """The closing text with exactly one box, and what is in it; None where nothing says which words are the answer."""
    boxes = _BOX.findall(answer)
    if boxes and len(set(map(str.strip, boxes))) == 1:
        head, _, tail = answer.partition(f"\\boxed{{{boxes[0]}}}")
        return head + formats.box(boxes[0].strip()) + _BOX.sub(lambda match: match[1], tail), boxes[0].strip()
    if not boxes and len(answer.split()) <= _SHORT:
        return formats.box(answer), answer
    inside = _BOX.findall(reasoning)
    if not boxes and inside:
        return f"{answer} {formats.box(inside[-1].strip())}", inside[-1].strip()
    return None


def _question(text: str, answer: str, origin: Mapping[str, str], words: int, reply: str) -> Question:
    kind = pair_of(text, answer, (), origin["place"]).answer_type
    seed = derive_seed(digest(origin["source"], text, reply))
    return Question(
        id=record_id("thinking", TEXT_TASK, seed, ()),
        mode="thinking",
        task=TEXT_TASK,
        style="thinking",
        family="text",
        difficulty="easy" if words <= _EASY else "medium" if words < _HARD else "hard",
        seed=seed,
        parents=(),
        content=(TextBlock(text=formats.with_switch(text, "thinking")),),
        answer=answer,
        answer_type=kind,  # type: ignore[arg-type]
        basis="given",
        parameters={"question": text, "answer": answer, "answer_type": kind, **origin},
        facts={"given": 1.0},
    )


def question_row(question: Question) -> QuestionRow:
    return QuestionRow(
        rid=question.id,
        sample=question.id,
        mode=question.mode,
        style=question.style,
        task=question.task,
        family=question.family,
        split="train",
        difficulty=question.difficulty,
        asked=question.parameters["question"],
        answer=question.answer,
        rejected=None,
        question=question,
        pack="",
        members=(),
    )


def lost_row(place: str, why: str, failed: bool) -> QuestionRow:
    """The row of an input that gave no record; its id is that of its place."""
    id_, step = digest(place)[:32], "failed" if failed else "propose"
    return QuestionRow(id_, id_, "thinking", "", TEXT_TASK, "text", "train", "", "", "", f"{step}: {why}", None, "", ())


def path_row(record: TextRecord, source: str) -> PathRow:
    """The source's reply as the only path."""
    return PathRow(record.question.id, "path", 0, f"source:{source}", "", record.question.seed, text=record.text)


def check_row(record: TextRecord, path: PathRow) -> CheckRow:
    """The rules' grade of a source's reply. Its length is the source's own."""
    row = CheckRow(path.rid, path.kind, path.index, path.teacher, path.prompt, path.seed)
    graded = grade(record.question, record.text, measured=False)
    reasons = tuple(reason for reason in graded.reasons if reason != "length")
    mark = "A" if graded.grade == "B" and not reasons else graded.grade
    values = {"grade": mark, "answer": graded.answer, "right": graded.right, "reasons": reasons, "words": graded.words}
    return CheckRow(**{**{name: getattr(row, name) for name in CheckRow.columns()}, **values})
