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
from dataengine.text.cleaning import clean_text

_TEXTS = ("reviewer", "text", "comment", "qid", "action", "item")
HOLD_SECONDS = 900.0
"""An item is given to another reviewer when its holder has not decided for so long."""

#: Name and browser of a reviewer.
Holder = tuple[str, str]


@dataclass
class Board:
    """``base`` is where decisions lie in ``store``. Safe for threads."""

    items: Sequence[ReviewItem]
    store: Store
    base: str
    hold: float = HOLD_SECONDS
    _by_id: dict[str, ReviewItem] = field(default_factory=dict)
    _decided: dict[str, Decision] = field(default_factory=dict)
    _held: dict[str, tuple[Holder, float]] = field(default_factory=dict)
    _deciders: dict[str, Holder] = field(default_factory=dict)
    """Who has decided since the board was opened."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._by_id = {item.qid: item for item in self.items}
        digests = {item.qid: item_digest(item) for item in self.items}
        for one in logged(self.store, self.base):
            if digests.get(one.decision.qid) == one.decision.item:
                self._decided[one.decision.qid] = one.decision

    def next(self, reviewer: str, after: str = "", browser: str = "") -> dict[str, Any]:
        """The next item that nobody has decided and nobody else holds, after the one named; or none. Reviewers of one name
        in two browsers are two."""
        holder = (reviewer, browser)
        with self._lock:
            now = time.monotonic()
            self._held = {q: (who, until) for q, (who, until) in self._held.items() if who != holder and until > now}
            names = [item.qid for item in self.items]
            at = names.index(after) + 1 if after in names else 0
            for qid in names[at:] + names[:at]:
                if qid not in self._decided and qid not in self._held:
                    if reviewer:
                        self._held[qid] = (holder, now + self.hold)
                    return self._view(qid)
            return {"item": None, **self._progress()}

    def show(self, qid: str) -> dict[str, Any]:
        """One item with the decision about it. Raises UsageError."""
        with self._lock:
            if qid not in self._by_id:
                raise UsageError(f"no item {qid} in this run")
            return self._view(qid)

    def decide(self, fields: dict[str, Any], browser: str = "") -> dict[str, Any]:
        """Validate and log a decision. Raises UsageError, with what is wrong, before anything is logged."""
        item = self._by_id.get(str(fields.get("qid")))
        if item is None:
            raise UsageError(f"no item {str(fields.get('qid'))[:80]} in this run")
        decision = parse_decision(item, fields)
        decider = (decision.reviewer, browser)
        with self._lock:
            holder, until = self._held.get(item.qid, (decider, 0.0))
            if holder != decider and until > time.monotonic():
                raise UsageError(f"{_name(holder, decider)} is reviewing this item: go to the next one")
            before = self._decided.get(item.qid)
            earlier = self._deciders.get(item.qid, (before.reviewer, browser) if before else decider)
            if earlier != decider:
                raise UsageError(f"{_name(earlier, decider)} has already decided about this item: go to the next one")
            append(self.store, self.base, decision)
            self._decided[item.qid] = decision
            self._deciders[item.qid] = decider
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


def _name(other: Holder, own: Holder) -> str:
    return other[0] if other[0] != own[0] else f"another {other[0]} (in another browser)"


def parse_decision(item: ReviewItem, fields: Mapping[str, Any]) -> Decision:
    """A decision about ``item`` as it is now. Raises UsageError naming what is wrong."""
    if wrong := sorted(name for name in _TEXTS if not isinstance(fields.get(name) or "", str)):
        raise UsageError(f"`{wrong[0]}` of a decision must be a text")
    reviewer = " ".join(clean_text(fields.get("reviewer") or "").split())
    if not reviewer or len(reviewer) > 100:
        raise UsageError("no reviewer: enter your name, at most 100 letters")
    if fields.get("item") not in (None, "", item_digest(item)):
        raise UsageError(f"item {item.qid} has changed since it was shown: reload it")
    try:
        action = Action(str(fields.get("action")))
    except ValueError:
        raise UsageError(f"unknown action {str(fields.get('action'))[:80]!r}: use {', '.join(Action)}") from None
    path = fields.get("path", item.chosen)
    path = item.chosen if path is None else path
    if type(path) is not int or path not in [p.index for p in item.paths]:
        raise UsageError(f"item {item.qid} has no path {str(path)[:80]}")
    text = clean_text(fields.get("text") or "") if action is Action.EDIT else None
    if text is not None:
        try:
            formats.parse(_style(item), text)
        except InputError as error:
            raise UsageError(f"the edited reply does not have the form of {item.mode}: {error.message}") from None
    comment = clean_text(fields.get("comment") or "")[:10_000]
    return Decision(item.qid, reviewer, action, path, text, comment, item_digest(item))


def _style(item: ReviewItem) -> Style:
    """The form that all paths of an item have."""
    switch = {"think_with_image": "agentic", "auto_think": "auto", "thinking": "thinking"}.get(item.mode)
    if switch is not None:
        return switch  # type: ignore[return-value]
    return "thinking" if item.question.endswith("/think") else "non_thinking"
