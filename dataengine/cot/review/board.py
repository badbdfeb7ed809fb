"""Assigns items to reviewers, no two of whom hold the same one, and logs each decision at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from dataengine.cot.core import formats
from dataengine.cot.core.record import Style
from dataengine.cot.review.base import Action, Decision, ReviewItem
from dataengine.cot.review.decisions import append, item_digest, logged
from dataengine.errors import InputError, UsageError
from dataengine.storage.store import Store

HOLD_SECONDS = 900.0
"""An item is given to another reviewer when its holder has not decided for so long."""


@dataclass
class Board:
    """``base`` is where decisions lie in ``store``. Safe for threads."""

    items: Sequence[ReviewItem]
    store: Store
    base: str
    hold: float = HOLD_SECONDS
    _by_id: dict[str, ReviewItem] = field(default_factory=dict)
    _decided: dict[str, Decision] = field(default_factory=dict)
    _held: dict[str, tuple[str, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._by_id = {item.qid: item for item in self.items}
        digests = {item.qid: item_digest(item) for item in self.items}
        for one in logged(self.store, self.base):
            if digests.get(one.decision.qid) == one.decision.item:
                self._decided[one.decision.qid] = one.decision

    def next(self, reviewer: str, after: str = "") -> dict[str, Any]:
        """The next item that nobody has decided and nobody else holds, after the one named; or none."""
        with self._lock:
            now = time.monotonic()
            self._held = {q: (who, until) for q, (who, until) in self._held.items() if who != reviewer and until > now}
            names = [item.qid for item in self.items]
            at = names.index(after) + 1 if after in names else 0
            for qid in names[at:] + names[:at]:
                if qid not in self._decided and qid not in self._held:
                    if reviewer:
                        self._held[qid] = (reviewer, now + self.hold)
                    return self._view(qid)
            return {"item": None, **self._progress()}

    def show(self, qid: str) -> dict[str, Any]:
        """One item with the decision about it. Raises UsageError."""
        with self._lock:
            if qid not in self._by_id:
                raise UsageError(f"no item {qid} in this run")
            return self._view(qid)

    def decide(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Validate and log a decision. Raises UsageError, with what is wrong, before anything is logged."""
        with self._lock:
            item = self._by_id.get(str(fields.get("qid")))
            if item is None:
                raise UsageError(f"no item {fields.get('qid')} in this run")
            decision = parse_decision(item, fields)
            holder, until = self._held.get(item.qid, (decision.reviewer, 0.0))
            if holder != decision.reviewer and until > time.monotonic():
                raise UsageError(f"{holder} is reviewing this item: go to the next one")
            before = self._decided.get(item.qid)
            if before is not None and before.reviewer != decision.reviewer:
                raise UsageError(f"{before.reviewer} has already decided about this item: go to the next one")
            append(self.store, self.base, decision)
            self._decided[item.qid] = decision
            self._held.pop(item.qid, None)
            return self._progress()

    def _view(self, qid: str) -> dict[str, Any]:
        item, decision = self._by_id[qid], self._decided.get(qid)
        return {
            "item": asdict(item),
            "digest": item_digest(item),
            "decision": asdict(decision) if decision else None,
            **self._progress(),
        }

    def _progress(self) -> dict[str, Any]:
        return {"decided": sum(q in self._by_id for q in self._decided), "total": len(self.items)}


def parse_decision(item: ReviewItem, fields: Mapping[str, Any]) -> Decision:
    """A decision about ``item`` as it is now. Raises UsageError naming what is wrong."""
    reviewer = str(fields.get("reviewer") or "").strip()
    if not reviewer or len(reviewer) > 100:
        raise UsageError("no reviewer: enter your name, at most 100 letters")
    if fields.get("item") not in (None, "", item_digest(item)):
        raise UsageError(f"item {item.qid} has changed since it was shown: reload it")
    try:
        action = Action(str(fields.get("action")))
    except ValueError:
        raise UsageError(f"unknown action {fields.get('action')!r}: use {', '.join(Action)}") from None
    path = fields.get("path", item.chosen)
    path = item.chosen if path is None else path
    if path not in [p.index for p in item.paths]:
        raise UsageError(f"item {item.qid} has no path {path}")
    text = str(fields.get("text") or "") if action is Action.EDIT else None
    if text is not None:
        try:
            formats.parse(_style(item), text)
        except InputError as error:
            raise UsageError(f"the edited reply does not have the form of {item.mode}: {error.message}") from None
    comment = str(fields.get("comment") or "")[:10_000]
    return Decision(item.qid, reviewer, action, path, text, comment, item_digest(item))


def _style(item: ReviewItem) -> Style:
    """The form that all paths of an item have."""
    switch = {"think_with_image": "agentic", "auto_think": "auto", "thinking": "thinking"}.get(item.mode)
    if switch is not None:
        return switch  # type: ignore[return-value]
    return "thinking" if item.question.endswith("/think") else "non_thinking"
