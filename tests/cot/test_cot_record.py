"""The record contract: canonical bytes, nothing in it that depends on where or when it was made."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.cot_corpus import pictures, records, sample, videos

from dataengine.cot.core.formats import parse, to_text, without_switch
from dataengine.cot.core.record import MODES, Record
from dataengine.errors import InputError


def test_records_come_back_from_their_bytes() -> None:
    for kept in records():
        data = kept.record.to_bytes()
        assert Record.from_bytes(data) == kept.record
        assert json.dumps(json.loads(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == data


def own_pictures(block: dict[str, Any]) -> list[int]:
    """Numbers of the record's own pictures that a block shows: one, or the frames of a video."""
    kind, _, first = str(block.get(block["type"], "")).partition(":")
    return list(range(int(first), int(first) + block.get("nframes", 1))) if kind == "obs" else []


def test_a_record_is_in_the_shape_of_chat_messages() -> None:
    for kept in records():
        fields = json.loads(kept.record.to_bytes())
        assert [m["role"] for m in fields["messages"]] == ["user", "assistant"]
        for block in (b for m in fields["messages"] for b in m["content"]):
            assert block["type"] in block and block[block["type"]]
        shown = [own for m in fields["messages"] for b in m["content"] for own in own_pictures(b)]
        assert shown == list(range(len(kept.images)))
        assert len({p["name"] for p in fields["params"]}) == len(fields["params"]) > 0


def test_records_of_a_family_have_the_same_pictures_and_kinds_of_blocks() -> None:
    """Readers that take a shard's columns from its first records then lose none of the later ones."""
    shapes: dict[str, set[tuple[int, frozenset[str]]]] = {}
    for kept in records():
        kinds = frozenset(block["type"] for block in json.loads(kept.record.to_bytes())["messages"][0]["content"])
        family = (
            f"canvas_{len(kept.images)}" if kept.record.family == "canvas" else kept.record.family
        )  # as of their shards
        shapes.setdefault(family, set()).add((len(kept.images), kinds))
    assert len(shapes) > 4 and {family for family, several in shapes.items() if len(several) > 1} == set()


def test_texts_have_the_form_of_their_style() -> None:
    for kept in records():
        question, reply = (to_text(m.content)[0] for m in kept.record.messages)
        assert parse(kept.record.style, reply).render() == reply
        without_switch(question, kept.record.style)


def test_ids_are_unique_and_modes_are_all_there() -> None:
    ids = [kept.record.id for kept in records()]
    assert len(set(ids)) == len(ids)
    assert {kept.record.mode for kept in records()} == set(MODES)
    assert {kept.record.style for kept in records()} == {"thinking", "non_thinking", "auto", "agentic"}


def test_nothing_in_a_record_tells_where_or_when_it_was_made() -> None:
    for kept in records():
        assert kept.record.parents[0] == sample(kept.record.parents[0]).id
        assert set(kept.record.parents[1:]) <= set(videos() | pictures())
        assert len(set(kept.record.parents)) == len(kept.record.parents)
        assert b"/tmp" not in kept.record.to_bytes() and b"/home" not in kept.record.to_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "dreaming"},
        {"id": "XYZ"},
        {"seed": 1 << 60},
        {"seed": "1"},
        {"parents": []},
        {"messages": []},
        {"answer": ""},
        {"extra": 1},
        {"evidence": [{"name": "a", "value": "1"}]},
    ],
)
def test_malformed_records_are_refused(change: dict[str, Any]) -> None:
    fields = json.loads(records()[0].record.to_bytes()) | change
    with pytest.raises(InputError, match="bad_record"):
        Record.from_bytes(json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())


def test_other_bytes_of_the_same_record_are_refused() -> None:
    data = records()[0].record.to_bytes()
    for other in (data + b"\n", json.dumps(json.loads(data)).encode(), data[:-1], b"[]", b"\xff"):
        with pytest.raises(InputError, match="bad_record"):
            Record.from_bytes(other)
