"""Who looks at what: hands items to reviewers so that no two hold the same one, and logs what they decide at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from dataengine.cot.core import formats
from dataengine.cot.core.record import Style
from dataengine.cot.review.base import Action, Decision, ReviewItem
from dataengine.cot.review.decisions import item_digest, log, logged
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
                    return self._told(qid)
            return {"item": None, **self._progress()}

    def show(self, qid: str) -> dict[str, Any]:
        """One item with what was decided about it. Raises UsageError."""
        with self._lock:
            if qid not in self._by_id:
                raise UsageError(f"there is no item {qid}")
            return self._told(qid)

    def decide(self, told: dict[str, Any]) -> dict[str, Any]:
        """Check and log a decision. Raises UsageError, with what is wrong, before anything is logged."""
        with self._lock:
            item = self._by_id.get(str(told.get("qid")))
            if item is None:
                raise UsageError(f"there is no item {told.get('qid')}")
            decision = checked(item, told)
            holder = self._held.get(item.qid, (decision.reviewer, 0.0))
            if holder[0] != decision.reviewer and holder[1] > time.monotonic():
                raise UsageError(f"{holder[0]} is looking at this item: take the next one")
            before = self._decided.get(item.qid)
            if before is not None and before.reviewer != decision.reviewer:
                raise UsageError(f"{before.reviewer} has decided about this item: take the next one")
            log(self.store, self.base, decision)
            self._decided[item.qid] = decision
            self._held.pop(item.qid, None)
            return self._progress()

    def _told(self, qid: str) -> dict[str, Any]:
        item, decision = self._by_id[qid], self._decided.get(qid)
        return {
            "item": asdict(item),
            "digest": item_digest(item),
            "decision": asdict(decision) if decision else None,
            **self._progress(),
        }

    def _progress(self) -> dict[str, Any]:
        return {"decided": sum(q in self._by_id for q in self._decided), "total": len(self.items)}


def checked(item: ReviewItem, told: dict[str, Any]) -> Decision:
    """A decision about ``item`` as it is now. Raises UsageError naming what is wrong."""
    reviewer = str(told.get("reviewer") or "").strip()
    if not reviewer or len(reviewer) > 100:
        raise UsageError("who decides? give a reviewer's name of at most 100 letters")
    if told.get("item") not in (None, "", item_digest(item)):
        raise UsageError(f"{item.qid} has changed since it was shown: load it again")
    try:
        action = Action(str(told.get("action")))
    except ValueError:
        raise UsageError(f"an action is one of {', '.join(Action)}, not {told.get('action')!r}") from None
    path = told.get("path", item.chosen)
    path = item.chosen if path is None else path
    if path not in [p.index for p in item.paths]:
        raise UsageError(f"{item.qid} has no path {path}")
    text = str(told.get("text") or "") if action is Action.EDIT else None
    if text is not None:
        try:
            formats.parse(_style(item), text)
        except InputError as error:
            raise UsageError(f"not in the exact form of {item.mode}: {error.message}") from None
    comment = str(told.get("comment") or "")[:10_000]
    return Decision(item.qid, reviewer, action, path, text, comment, item_digest(item))


def _style(item: ReviewItem) -> Style:
    """The form that all paths of an item have."""
    switch = {"think_with_image": "agentic", "auto_think": "auto", "thinking": "thinking"}.get(item.mode)
    if switch is not None:
        return switch  # type: ignore[return-value]
    return "thinking" if item.question.endswith("/think") else "non_thinking"
