"""Exports items and imports decisions as JSONL or through Label Studio, for teams that review elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from dataengine.cot.review.base import Decision, ReviewItem
from dataengine.cot.review.board import parse_decision
from dataengine.cot.review.decisions import item_digest
from dataengine.errors import InputError, UsageError
from dataengine.text.bounded_json import parse_json

_EXPORT = 256 << 20
"""Bytes of a JSON export."""

#: The labelling interface for the tasks, to paste into the project's settings.
LABEL_STUDIO_CONFIG = """\
<View>
  <Text name="question" value="$question"/>
  <Text name="answer" value="$answer"/>
  <Text name="paths" value="$paths"/>
  <Choices name="action" toName="question" choice="single" required="true">
    <Choice value="accept"/> <Choice value="edit"/> <Choice value="reject"/>
  </Choices>
  <Number name="path" toName="question" min="0"/>
  <TextArea name="text" toName="question" rows="12" maxSubmissions="1"/>
  <TextArea name="comment" toName="question" maxSubmissions="1"/>
</View>
"""


def export_jsonl(items: Sequence[ReviewItem]) -> bytes:
    """An item a line, with the digest that a decision about it has to name (``item``)."""
    lines = (json.dumps({**asdict(i), "item": item_digest(i)}, sort_keys=True, ensure_ascii=False) for i in items)
    return "".join(f"{line}\n" for line in lines).encode()


def export_label_studio(items: Sequence[ReviewItem]) -> bytes:
    """Tasks to import into a project whose interface is LABEL_STUDIO_CONFIG."""
    tasks = []
    for item in items:
        paths = "\n\n".join(f"[{p.index}] {p.grade} {', '.join(p.reasons)}\n{p.text}" for p in item.paths)
        about = {"qid": item.qid, "item": item_digest(item), "mode": item.mode, "task": item.task, "why": item.why}
        shown = {"question": item.question, "answer": item.answer, "paths": paths, "media": list(item.media)}
        tasks.append({"data": {**about, **shown}})
    return (json.dumps(tasks, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def import_decisions(data: bytes, items: Sequence[ReviewItem]) -> list[Decision]:
    """Decisions from JSONL (fields of ``review.base.Decision``) or from a JSON export of Label Studio, all or none. Raises
    UsageError naming the line or task that is wrong."""
    known = {item.qid: item for item in items}
    decisions = []
    for place, fields in _label_studio(data) if data.lstrip().startswith(b"[") else _lines(data):
        item = known.get(str(fields.get("qid")))
        if item is None:
            raise UsageError(f"{place}: no item {str(fields.get('qid'))[:80]!r} in this run")
        try:
            decisions.append(parse_decision(item, fields))
        except UsageError as error:
            raise UsageError(f"{place}: {error}") from None
    return decisions


def _lines(data: bytes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            try:
                fields = parse_json(line)
            except InputError as error:
                raise UsageError(f"line {number}: {error.message}") from None
            if not isinstance(fields, dict):
                raise UsageError(f"line {number}: a decision must be a JSON object")
            yield f"line {number}", fields


def _label_studio(data: bytes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        tasks = parse_json(data, size=_EXPORT)
    except InputError as error:
        raise UsageError(error.message) from None
    for number, task in enumerate(tasks, 1):
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            raise UsageError(f"task {number}: no data: export the tasks as JSON")
        try:
            annotations = [_annotated(annotation) for annotation in task.get("annotations") or []]
        except (AttributeError, LookupError, TypeError, ValueError):
            raise UsageError(
                f"task {number}: its annotations do not have the form of Label Studio's JSON export"
            ) from None
        for annotated in annotations:
            yield f"task {number}", {**annotated, **{k: task["data"].get(k) for k in ("qid", "item")}}


def _annotated(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """A decision's fields from one annotation, whose author is the reviewer."""
    author = annotation.get("completed_by")
    fields: dict[str, Any] = {"reviewer": str(author.get("email") if isinstance(author, dict) else author)}
    for result in annotation.get("result") or []:
        value = result.get("value") or {}
        answers = value.get("choices") or value.get("text") or [value.get("number")]
        first = answers[0] if isinstance(answers, list) else answers
        if first is not None:
            fields[str(result.get("from_name"))] = int(first) if result.get("from_name") == "path" else first
    return fields
