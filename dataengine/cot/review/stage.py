"""cot.review: chooses the reply of each question, and takes in what people have decided about the doubtful ones.

Flawed replies (B), sound ones that their model was unsure of and redundant ones go to people (``dataengine cot review RECIPE``).
Until somebody has looked, the last stay as they are, the others are left out. A decision counts only for the item as it was
shown.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.config.recipe import Recipe
from dataengine.cot.checks.grade import grade
from dataengine.cot.core import formats
from dataengine.cot.core.record import SAMPLE, PathTold, Record, canonical
from dataengine.cot.core.stage import Cot
from dataengine.cot.core.tables import CHECKS, ITEMS, PATHS, QUESTIONS, REVIEWED
from dataengine.cot.review.base import Action, Decision, ReviewItem, ReviewPath
from dataengine.cot.review.choose import Choice, choose
from dataengine.cot.review.decisions import item_digest, read_decisions
from dataengine.models.serving.messages import VideoBlock
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import Output, digest


class CotReview(Cot, TableStage):
    name = "cot.review"
    version = "2"
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
        by_question: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in run.table("cot.check", "checks", CHECKS).to_pylist():
            by_question[row["rid"]].append(row)
        paths = {rid: [c for c in rows if c["kind"] == "path"] for rid, rows in sorted(by_question.items())}
        chosen = {
            rid: choose(rows, config.review.redundant, config.confidence.least_step) for rid, rows in paths.items()
        }
        items = self._items(run, chosen, paths)
        decided = read_decisions(run.workspace.store, base(run.recipe))
        rows = []
        for rid, choice in chosen.items():
            verdict = _decide(choice, items.get(rid), decided.get(rid))
            rows.append({"rid": rid, **_told(choice, by_question[rid]), **verdict})
        files = {
            "reviewed": run.workspace.write_table(f"cot/reviewed-{key}.parquet", pa.Table.from_pylist(rows, REVIEWED)),
            "items": run.workspace.write_table(f"cot/items-{key}.parquet", _table(items)),
        }
        actions = Counter(row["action"] for row in rows if row["action"])
        told = {"why": dict(sorted(Counter(c.why for c in chosen.values() if c.why).items()))}
        return Output(files, {"items": len(items)}, told | {"actions": dict(sorted(actions.items()))})

    def _items(
        self, run: Run, chosen: Mapping[str, Choice], checks: Mapping[str, Sequence[dict[str, Any]]]
    ) -> dict[str, tuple[ReviewItem, Record]]:
        """What people are to see, with all its paths."""
        wanted = pa.array([rid for rid, choice in chosen.items() if choice.why], pa.string())
        questions = run.table("cot.questions", "questions", QUESTIONS, ("rid", "record"))
        texts: dict[str, list[dict[str, Any]]] = defaultdict(list)
        paths = run.table("cot.paths", "paths", PATHS, ("rid", "kind", "index", "text", "members"))
        for row in paths.filter(pc.is_in(paths["rid"], value_set=wanted)).to_pylist():
            if row["kind"] == "path" and row["text"] is not None:
                texts[row["rid"]].append(row)
        items = {}
        for row in questions.filter(pc.is_in(questions["rid"], value_set=wanted)).to_pylist():
            record = Record.model_validate_json(row["record"])
            items[record.id] = (_item(record, chosen[record.id], checks[record.id], texts[record.id]), record)
        return dict(sorted(items.items()))


def base(recipe: Recipe) -> str:
    """Where the decisions about a release lie."""
    return f"cot/decisions/{recipe.name}"


def _item(
    record: Record, choice: Choice, checks: Sequence[dict[str, Any]], texts: Sequence[dict[str, Any]]
) -> ReviewItem:
    by_index = {c["index"]: c for c in checks}
    paths = tuple(
        ReviewPath(
            t["index"],
            t["text"],
            by_index[t["index"]]["grade"],
            tuple(by_index[t["index"]]["reasons"]),
            by_index[t["index"]]["confidence"],
        )
        for t in sorted(texts, key=lambda t: int(t["index"]))
    )
    media = [b.video if isinstance(b, VideoBlock) else getattr(b, "image", "") for b in record.messages[0].content]
    samples = tuple(m.removeprefix(SAMPLE) for m in media if m.startswith(SAMPLE)) or record.parents
    images = [o.name for o in record.observations]
    images += [picture_of(t["index"], m["name"]) for t in texts for m in t["members"] or ()]
    question = formats.to_text(record.messages[0].content)[0]
    if choice.chosen is None:
        raise ValueError("an item without a path")
    told = (record.id, record.mode, record.task, question, record.answer, samples, paths, choice.chosen, choice.why)
    return ReviewItem(*told, tuple(images))


def picture_of(index: int, name: str) -> str:
    """Name of a picture that a model's tools have given, in the path with this index."""
    return f"path{index}.{name}"


def _decide(choice: Choice, item: tuple[ReviewItem, Record] | None, decision: Decision | None) -> dict[str, Any]:
    """What becomes of a question, by choice and decision."""
    told: dict[str, Any] = {"why": choice.why, "action": "", "text": None, "chosen": choice.chosen, "step": ""}
    if choice.chosen is None:
        step = "paths" if choice.outcome == "failed" else "check"
        return told | {"outcome": choice.outcome, "step": step, "reason": choice.reason}
    kept = told | {"outcome": "kept", "reason": ""}
    if item is None:
        return kept
    if decision is None or decision.item != item_digest(item[0]):
        waits = told | {"outcome": "rejected", "step": "review", "reason": "not reviewed"}
        return (kept if choice.why == "redundant" else waits) | {"action": "waiting"}
    acted = kept | {
        "action": decision.action.value,
        "chosen": choice.chosen if decision.path is None else decision.path,
    }
    if decision.action is Action.REJECT:
        return acted | {"outcome": "rejected", "step": "review", "reason": "rejected by a reviewer"}
    if decision.action is Action.EDIT and decision.text is not None:
        edited = grade(item[1], decision.text)
        other_words = item[1].answer_type == "text" and bool(edited.answer) and edited.reasons[:1] == ("answer",)
        pictures = {p.text.count(formats.IMAGE_MARK) for p in item[0].paths if p.index == acted["chosen"]}
        reasons = (
            "" if edited.right or other_words else edited.reasons[0],
            "" if pictures == {decision.text.count(formats.IMAGE_MARK)} else "pictures",
        )
        if any(reasons):
            return acted | {"outcome": "rejected", "step": "review", "reason": f"edited: {reasons[0] or reasons[1]}"}
        return acted | {"text": decision.text, "equal": other_words}
    return acted


def _told(choice: Choice, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the record tells of all its paths."""
    paths = [
        PathTold(
            index=c["index"],
            teacher=c["teacher"],
            seed=c["seed"],
            prompt=c["prompt"],
            grade=c["grade"],
            answer=c["answer"],
            confidence=c["confidence"] or 0.0,
            least_token=c["least_token"] or 0.0,
            least_step=min(c["step_means"] or (), default=0.0),
            reasons="; ".join(c["reasons"]),
        ).model_dump(mode="json")
        for c in sorted(
            (c for c in rows if c["kind"] == "path" and c["failure"] is None), key=lambda c: int(c["index"])
        )
    ]
    of_chosen = next((c for c in rows if c["kind"] == "path" and c["index"] == choice.chosen), None)
    blind = [c for c in rows if c["kind"] == "blind" and c["failure"] is None]
    return {
        "agreement": choice.agreement,
        "blind": ("right" if any(c["right"] for c in blind) else "wrong") if blind else "",
        "judged": of_chosen["judged"] if of_chosen else None,
        "equal": bool(of_chosen and of_chosen["equal"]),
        "told": canonical(paths).decode(),
    }


def _table(items: Mapping[str, tuple[ReviewItem, Record]]) -> pa.Table:
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
