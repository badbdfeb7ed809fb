"""What becomes of each question by its checks and by a reviewer's decision: functions of the rows of a question, for tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import TypeVar

import pyarrow as pa

from dataengine.cot.checks.grade import grade, in_form, read
from dataengine.cot.core import formats
from dataengine.cot.core.columns import Member
from dataengine.cot.core.question import Question
from dataengine.cot.core.record import SAMPLE, PathSummary
from dataengine.cot.core.schemas import REVIEWED
from dataengine.cot.core.tables import CheckRow, ReviewRow, rows_of, table_of
from dataengine.cot.review.base import Action, Decision, ReviewItem, ReviewPath
from dataengine.cot.review.choose import Choice, choose
from dataengine.cot.review.decisions import decision_of, item_digest
from dataengine.models.serving.messages import VideoBlock

C = TypeVar("C", bound=CheckRow)

#: REVIEWED, and the item that a person is to see.
WITH_ITEMS = REVIEWED.append(pa.field("item", pa.string()))


@dataclass(frozen=True)
class Rules:
    """See ``choose``."""

    redundant: float
    least_step: float | None

    def choose(self, checks: Sequence[CheckRow]) -> Choice:
        choice = choose([check for check in checks if check.kind == "path"], self.redundant, self.least_step)
        direct = [check for check in checks if check.kind == "direct" and check.failure is None]
        if choice.chosen is not None and direct and all(check.right for check in direct):
            return Choice(None, outcome="rejected", reason="answered without tools")
        return choice


@dataclass(frozen=True)
class ShownPath(CheckRow):
    """A check with the text of its path, the pictures that tools gave, the question, and the decision that counts (JSON)."""

    text: str | None = None
    members: tuple[Member, ...] = ()
    question: Question | None = None
    decision: str | None = None


def by_checks(rules: Rules, checks: pa.Table) -> pa.Table:
    """REVIEWED of the questions of CHECKS, before anybody has looked."""
    rows = [
        with_paths(of_question[0].rid, rules.choose(of_question), of_question)
        for of_question in _by_question(checks, CheckRow)
    ]
    return table_of(ReviewRow, rows)


def by_people(rules: Rules, paths: pa.Table) -> pa.Table:
    """WITH_ITEMS of the questions that want a person, from rows of ShownPath."""
    rows = []
    for of_question in _by_question(paths, ShownPath):
        choice, question, decision = rules.choose(of_question), of_question[0].question, of_question[0].decision
        if question is None:
            raise ValueError(f"paths without their question {of_question[0].rid}")
        shown = [path for path in of_question if path.kind == "path" and path.text is not None]
        item = _item(question, choice, shown)
        row = with_paths(question.id, choice, of_question)
        decided = decide(row, choice, (item, question), decision_of(json.loads(decision)) if decision else None)
        rows.append(decided.to_row() | {"item": json.dumps(asdict(item), sort_keys=True)})
    return pa.Table.from_pylist(rows, WITH_ITEMS)


def _by_question(table: pa.Table, kind: type[C]) -> Iterator[list[C]]:
    """The rows of each question, ordered by kind and index."""
    rows = sorted(rows_of(table, kind), key=lambda row: (row.rid, row.kind, row.index))
    for _, of_question in groupby(rows, lambda row: row.rid):
        yield list(of_question)


def _item(question: Question, choice: Choice, paths: Sequence[ShownPath]) -> ReviewItem:
    if choice.chosen is None:
        raise ValueError("an item without a path")
    media = [b.video if isinstance(b, VideoBlock) else getattr(b, "image", "") for b in question.content]
    samples = tuple(m.removeprefix(SAMPLE) for m in media if m.startswith(SAMPLE)) or question.parents
    images = [one.name for one in question.observations]
    images += [picture_of(path.index, member.name) for path in paths for member in path.members]
    return ReviewItem(
        qid=question.id,
        mode=question.mode,
        task=question.task,
        question=question.text,
        answer=question.answer,
        media=samples,
        paths=tuple(ReviewPath(p.index, p.text or "", p.grade or "", p.reasons, p.confidence) for p in paths),
        chosen=choice.chosen,
        why=choice.why,
        images=tuple(images),
    )


def picture_of(index: int, name: str) -> str:
    """Name of a picture that a model's tools have given, in the path with this index."""
    return f"path{index}.{name}"


def with_paths(rid: str, choice: Choice, checks: Sequence[CheckRow]) -> ReviewRow:
    """What the choice makes of a question, and what its record tells of all its paths."""
    paths = sorted((c for c in checks if c.kind == "path" and c.failure is None), key=lambda c: c.index)
    guesses = [c for c in checks if c.kind == "text_only" and c.failure is None]
    chosen = next((c for c in checks if c.kind == "path" and c.index == choice.chosen), None)
    dropped = "" if choice.chosen is not None else "paths" if choice.outcome == "failed" else "check"
    return ReviewRow(
        rid=rid,
        why=choice.why,
        chosen=choice.chosen,
        outcome=choice.outcome,
        agreement=choice.agreement,
        step=dropped,
        reason=choice.reason,
        text_only=("right" if any(c.right for c in guesses) else "wrong") if guesses else "",
        judged=chosen.judged if chosen else None,
        equal=bool(chosen and chosen.equal),
        paths=tuple(map(_path, paths)),
        guessed=round(sum(c.right for c in guesses) / len(guesses), 4) if guesses else None,
    )


def _path(check: CheckRow) -> PathSummary:
    if check.grade is None:
        raise ValueError("a path without a grade")
    return PathSummary(
        index=check.index,
        teacher=check.teacher,
        seed=check.seed,
        prompt=check.prompt,
        grade=check.grade,
        answer=check.answer,
        confidence=check.confidence or 0.0,
        least_token=check.least_token or 0.0,
        least_step=min(check.step_means, default=0.0),
        reasons="; ".join(check.reasons),
    )


def decide(
    row: ReviewRow, choice: Choice, item: tuple[ReviewItem, Question] | None, decision: Decision | None
) -> ReviewRow:
    """What a person's decision, or its lack, makes of a question that wants one."""
    if choice.chosen is None or item is None:
        return row
    if decision is None or decision.item != item_digest(item[0]):
        if choice.why == "redundant":
            return replace(row, action="waiting")
        return replace(row, action="waiting", outcome="rejected", step="review", reason="not reviewed")
    row = replace(row, action=decision.action.value, chosen=choice.chosen if decision.path is None else decision.path)
    if decision.action is Action.REJECT:
        return replace(row, outcome="rejected", step="review", reason="rejected by a reviewer")
    shown = next((path.text for path in item[0].paths if path.index == row.chosen), "")
    if decision.action is Action.EDIT and decision.text is not None:
        return _edited(row, item[1], shown, read(item[1], decision.text))
    if not in_form(item[1], shown):
        return replace(row, outcome="rejected", step="review", reason="accepted: format")
    return row


def _edited(row: ReviewRow, question: Question, shown: str, text: str) -> ReviewRow:
    """A question whose reply a reviewer has rewritten; the answer and the places of pictures must still be right."""
    edited = grade(question, text, measured=False)
    other_words = question.free and bool(edited.answer) and edited.reasons[:1] == ("answer",)
    why = "" if edited.right or other_words else edited.reasons[0]
    if not why and shown.count(formats.IMAGE_MARK) != text.count(formats.IMAGE_MARK):
        why = "pictures"
    if not why and not in_form(question, text):
        why = "format"
    if why:
        return replace(row, outcome="rejected", step="review", reason=f"edited: {why}")
    return replace(row, text=text, equal=other_words)
