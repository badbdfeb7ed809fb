"""Append-only log of reviewers' decisions: one object each, never changed, so nobody can undo another's silently.

Works on a folder and on S3 alike, without locks. A reviewer's latest decision about an item counts. Of several reviewers' a
rejection counts before an edit and an edit before an acceptance; of two edits that of the first name.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from dataengine.cot.review.base import Action, Decision, ReviewItem
from dataengine.errors import UsageError
from dataengine.storage.store import Store
from dataengine.storage.workspace import canonical_json, digest
from dataengine.text.bounded_json import parse_json

_RANK = {Action.REJECT: 2, Action.EDIT: 1, Action.ACCEPT: 0}


@dataclass(frozen=True)
class Logged:
    """A decision and its number among those of one reviewer about one item."""

    number: int
    decision: Decision


def item_digest(item: ReviewItem) -> str:
    """Digest of all that a reviewer was shown."""
    return digest(asdict(item))


def append(store: Store, base: str, decision: Decision) -> str:
    """Write a decision, and return its key. The same decision twice is one object."""
    earlier = [one for one in logged(store, base, decision.qid) if one.decision.reviewer == decision.reviewer]
    if earlier and earlier[-1].decision == decision:
        return _key(base, decision, earlier[-1].number)
    number = earlier[-1].number + 1 if earlier else 0
    while not store.create(_key(base, decision, number), canonical_json(asdict(decision))):
        number += 1
    return _key(base, decision, number)


def logged(store: Store, base: str, qid: str = "") -> list[Logged]:
    """All decisions, or those about one item, by item, reviewer and number."""
    prefix = f"{base}/{qid}" if qid else base
    entries = [Logged(_number(e.key), decision_of(parse_json(store.get(e.key)))) for e in store.list(prefix)]
    return sorted(entries, key=lambda one: (one.decision.qid, one.decision.reviewer, one.number))


def read_decisions(store: Store, base: str) -> dict[str, Decision]:
    """The decision that counts for each item."""
    latest: dict[tuple[str, str], Decision] = {}
    for one in logged(store, base):
        latest[one.decision.qid, one.decision.reviewer] = one.decision
    best: dict[str, Decision] = {}
    for (qid, _), decision in sorted(latest.items()):
        if qid not in best or _RANK[decision.action] > _RANK[best[qid].action]:
            best[qid] = decision
    return best


def decision_of(value: object) -> Decision:
    """From JSON. Raises UsageError naming what is wrong."""
    if not isinstance(value, dict):
        raise UsageError("a decision must be a JSON object")
    if unknown := sorted(value.keys() - Decision.__dataclass_fields__.keys()):
        raise UsageError(f"unknown field `{unknown[0]}` in a decision")
    try:
        decision = Decision(**{**value, "action": Action(value["action"])})
    except KeyError as error:
        raise UsageError(f"a decision needs the field {error}") from error
    except (TypeError, ValueError) as error:
        raise UsageError(f"invalid decision: {error}") from error
    if not all(isinstance(v, str) and v for v in (decision.qid, decision.reviewer)):
        raise UsageError("a decision needs an item (qid) and a reviewer")
    if decision.action is Action.EDIT and not decision.text:
        raise UsageError(f"the edit of item {decision.qid} has no text")
    return decision


def _key(base: str, decision: Decision, number: int) -> str:
    return f"{base}/{decision.qid}/{digest(decision.reviewer)[:16]}-{number:06d}.json"


def _number(key: str) -> int:
    return int(key.rpartition("-")[2].removesuffix(".json"))
