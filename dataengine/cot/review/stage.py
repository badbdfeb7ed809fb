"""cot.review: chooses the reply of each question, and takes in what people have decided about the doubtful ones.

Flawed replies (B), sound ones that their model was unsure of and redundant ones go to people (``dataengine cot review RECIPE``).
Until somebody has looked, the last stay as they are, the others are left out. A decision counts only for the item as it was
shown.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.config.recipe import Recipe
from dataengine.cot.checks.grade import grade
from dataengine.cot.core import formats
from dataengine.cot.core.question import Question
from dataengine.cot.core.record import SAMPLE, PathSummary
from dataengine.cot.core.schemas import ITEMS
from dataengine.cot.core.stage import Cot
from dataengine.cot.core.tables import AskedQuestion, CheckRow, PathRow, ReviewRow, rows_of, run_rows, table_of
from dataengine.cot.review.base import Action, Decision, ReviewItem, ReviewPath
from dataengine.cot.review.choose import Choice, choose
from dataengine.cot.review.decisions import item_digest, read_decisions
from dataengine.models.serving.messages import VideoBlock
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import Output, digest


class CotReview(Cot, TableStage):
    name = "cot.review"
    version = "3"
    needs = ("cot.questions", "cot.paths", "cot.check")

    def settings(self, recipe: Recipe) -> Any:
        config = self.config(recipe)
        return [config.review.model_dump(), config.confidence.model_dump()]

    def key(self, run: Run) -> str:
        """A new decision is a new input."""
        entries = [e.key for e in run.workspace.store.list(base(run.recipe))]
        return digest(super().key(run), sorted(entries))

    def compute(self, run: Run, key: str) -> Output:
        config = self.config(run.recipe)
        by_question: dict[str, list[CheckRow]] = defaultdict(list)
        for row in run_rows(run, "cot.check", "checks", CheckRow):
            by_question[row.rid].append(row)
        paths = {rid: [c for c in rows if c.kind == "path"] for rid, rows in sorted(by_question.items())}
        chosen = {
            rid: choose(rows, config.review.max_length_ratio, config.confidence.min_step_logprob)
            for rid, rows in paths.items()
        }
        items = self._items(run, chosen, paths)
        decided = read_decisions(run.workspace.store, base(run.recipe))
        rows = [
            decide(with_paths(rid, choice, by_question[rid]), choice, items.get(rid), decided.get(rid))
            for rid, choice in chosen.items()
        ]
        files = {
            "reviewed": run.workspace.write_table(f"cot/reviewed-{key}.parquet", table_of(ReviewRow, rows)),
            "items": run.workspace.write_table(f"cot/items-{key}.parquet", _table(items)),
        }
        actions = Counter(row.action for row in rows if row.action)
        why = dict(sorted(Counter(c.why for c in chosen.values() if c.why).items()))
        return Output(files, {"items": len(items)}, {"why": why, "actions": dict(sorted(actions.items()))})

    def _items(
        self, run: Run, chosen: Mapping[str, Choice], checks: Mapping[str, Sequence[CheckRow]]
    ) -> dict[str, tuple[ReviewItem, Question]]:
        """What people are to see, with all its paths."""
        wanted = pa.array([rid for rid, choice in chosen.items() if choice.why], pa.string())
        questions = run.table("cot.questions", "questions", AskedQuestion.schema, AskedQuestion.columns())
        texts: dict[str, list[PathRow]] = defaultdict(list)
        paths = run.table("cot.paths", "paths", PathRow.schema)
        for path in rows_of(paths.filter(pc.is_in(paths["rid"], value_set=wanted)), PathRow):
            if path.kind == "path" and path.text is not None:
                texts[path.rid].append(path)
        items = {}
        for row in rows_of(questions.filter(pc.is_in(questions["rid"], value_set=wanted)), AskedQuestion):
            item = _item(row.question, chosen[row.rid], checks[row.rid], texts[row.rid])
            items[row.rid] = (item, row.question)
        return dict(sorted(items.items()))


def base(recipe: Recipe) -> str:
    """Where the decisions about a release lie."""
    return f"cot/decisions/{recipe.name}"


def _item(question: Question, choice: Choice, checks: Sequence[CheckRow], texts: Sequence[PathRow]) -> ReviewItem:
    if choice.chosen is None:
        raise ValueError("an item without a path")
    by_index = {check.index: check for check in checks}
    paths = []
    for path in sorted(texts, key=lambda path: path.index):
        check = by_index[path.index]
        paths.append(ReviewPath(path.index, path.text or "", check.grade or "", check.reasons, check.confidence))
    media = [b.video if isinstance(b, VideoBlock) else getattr(b, "image", "") for b in question.content]
    samples = tuple(m.removeprefix(SAMPLE) for m in media if m.startswith(SAMPLE)) or question.parents
    images = [one.name for one in question.observations]
    images += [picture_of(path.index, member.name) for path in texts for member in path.members]
    return ReviewItem(
        qid=question.id,
        mode=question.mode,
        task=question.task,
        question=question.text,
        answer=question.answer,
        media=samples,
        paths=tuple(paths),
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
    if decision.action is Action.EDIT and decision.text is not None:
        edited = grade(item[1], decision.text)
        other_words = item[1].answer_type == "text" and bool(edited.answer) and edited.reasons[:1] == ("answer",)
        pictures = {p.text.count(formats.IMAGE_MARK) for p in item[0].paths if p.index == row.chosen}
        reasons = (
            "" if edited.right or other_words else edited.reasons[0],
            "" if pictures == {decision.text.count(formats.IMAGE_MARK)} else "pictures",
        )
        if any(reasons):
            why = f"edited: {reasons[0] or reasons[1]}"
            return replace(row, outcome="rejected", step="review", reason=why)
        return replace(row, text=decision.text, equal=other_words)
    return row


def _table(items: Mapping[str, tuple[ReviewItem, Question]]) -> pa.Table:
    rows = [{"rid": rid, "item": json.dumps(asdict(item), sort_keys=True)} for rid, (item, _) in items.items()]
    return pa.Table.from_pylist(rows, ITEMS)


def items_of(run: Run) -> list[ReviewItem]:
    """The items of a committed run, in order of their ids."""
    found = []
    for row in run.table("cot.review", "items", ITEMS).to_pylist():
        told = json.loads(row["item"])
        paths = tuple(ReviewPath(**{**p, "reasons": tuple(p["reasons"])}) for p in told.pop("paths"))
        told |= {name: tuple(told[name]) for name in ("media", "images")}
        found.append(ReviewItem(**told, paths=paths))
    return found
