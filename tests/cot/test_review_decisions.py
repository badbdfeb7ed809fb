"""Decisions: logged at once, never lost, one per item that counts; out to other tools and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.review_items import items

from dataengine.cot.review.base import Action, Decision
from dataengine.cot.review.board import Board, parse_decision
from dataengine.cot.review.decisions import append, item_digest, logged, read_decisions
from dataengine.cot.review.exchange import LABEL_STUDIO_CONFIG, export_jsonl, export_label_studio, import_decisions
from dataengine.errors import UsageError
from dataengine.storage.store import Store


def decided(reviewer: str, action: Action, text: str | None = None, qid: str = "q") -> Decision:
    return Decision(qid, reviewer, action, 0, text, "", "digest")


def test_every_decision_stays_in_the_log(tmp_path: Path) -> None:
    store = Store(tmp_path)
    told = [decided("ann", Action.ACCEPT), decided("ann", Action.REJECT), decided("bob", Action.EDIT, "text")]
    for decision in (*told, told[-1]):
        append(store, "log", decision)
    assert [one.decision for one in logged(store, "log")] in ([*told], [told[2], *told[:2]])
    assert sorted(one.number for one in logged(store, "log")) == [0, 0, 1]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_the_strictest_decision_counts_whoever_was_first(tmp_path: Path, order: tuple[int, ...]) -> None:
    store = Store(tmp_path)
    told = [decided("ann", Action.ACCEPT), decided("bob", Action.REJECT), decided("cyd", Action.EDIT, "text")]
    for n in order:
        append(store, "log", told[n])
    assert read_decisions(store, "log") == {"q": told[1]}
    append(store, "log", decided("bob", Action.ACCEPT))
    assert read_decisions(store, "log") == {"q": told[2]}


def test_a_decision_about_an_older_item_is_told(tmp_path: Path) -> None:
    item = items()[0]
    with pytest.raises(UsageError, match="has changed"):
        parse_decision(item, {"qid": item.qid, "reviewer": "ann", "action": "accept", "item": "older"})


def test_two_reviewers_never_hold_the_same_item(tmp_path: Path) -> None:
    board = Board(items(), Store(tmp_path), "log")
    ann, bob = board.next("ann"), board.next("bob")
    assert ann["item"]["qid"] != bob["item"]["qid"]
    with pytest.raises(UsageError, match="ann is reviewing"):
        board.decide({"qid": ann["item"]["qid"], "reviewer": "bob", "action": "accept", "item": ann["digest"]})
    board.decide({"qid": ann["item"]["qid"], "reviewer": "ann", "action": "accept", "item": ann["digest"]})
    with pytest.raises(UsageError, match="ann has already decided"):
        board.decide({"qid": ann["item"]["qid"], "reviewer": "bob", "action": "reject", "item": ann["digest"]})
    assert board.next("bob")["item"] and board.next("cyd")["item"]
    assert Board(items(), Store(tmp_path), "log").next("dee")["decided"] == 1


def test_an_item_that_is_held_too_long_goes_to_the_next(tmp_path: Path) -> None:
    board = Board(items(1), Store(tmp_path), "log", hold=0.0)
    assert board.next("ann")["item"] and board.next("bob")["item"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reviewer": " "}, "enter your name"),
        ({"action": "shrug"}, "unknown action .shrug.: use accept"),
        ({"path": 9}, "has no path 9"),
        ({"action": "edit", "text": "no tags"}, "does not have the form of thinking"),
    ],
)
def test_what_cannot_be_a_decision_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    board = Board(items(), Store(tmp_path), "log")
    told = {"qid": items()[0].qid, "reviewer": "ann", "action": "accept"} | change
    with pytest.raises(UsageError, match=message):
        board.decide(told)
    assert logged(Store(tmp_path), "log") == []


def test_items_leave_as_jsonl_and_decisions_come_back() -> None:
    lines = [json.loads(line) for line in export_jsonl(items()).splitlines()]
    assert [line["item"] for line in lines] == [item_digest(item) for item in items()]
    told = [{"qid": x["qid"], "item": x["item"], "reviewer": "ann", "action": "accept", "path": 1} for x in lines]
    found = import_decisions("\n".join(map(json.dumps, told)).encode(), items())
    assert [(d.qid, d.path, d.action) for d in found] == [(x["qid"], 1, Action.ACCEPT) for x in lines]


def test_label_studio_and_back() -> None:
    tasks = json.loads(export_label_studio(items()))
    text = items()[1].paths[1].text
    results = [
        [
            {"from_name": "action", "value": {"choices": ["reject"]}},
            {"from_name": "comment", "value": {"text": ["bad"]}},
        ],
        [
            {"from_name": "action", "value": {"choices": ["edit"]}},
            {"from_name": "text", "value": {"text": [text]}},
            {"from_name": "path", "value": {"number": 1}},
        ],
    ]
    assert len(tasks) > len(results)
    for task, result in zip(tasks, results, strict=False):
        task["annotations"] = [{"completed_by": {"email": "ann@x"}, "result": result}]
    first, second = import_decisions(json.dumps(tasks).encode(), items())
    assert (first.action, first.comment, first.reviewer) == (Action.REJECT, "bad", "ann@x")
    assert (second.action, second.text, second.path) == (Action.EDIT, text, 1)
    names = {part["from_name"] for result in results for part in result}
    assert all(f'name="{name}"' in LABEL_STUDIO_CONFIG for name in names)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"qid": 1', "line 1: not JSON"),
        (b"[1]", "task 1: no data"),
        (b'\n{"qid": "x"}', "line 2: no item"),
    ],
)
def test_bad_lines_are_named(data: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        import_decisions(data, items())
