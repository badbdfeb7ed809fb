"""One row a distinct sample: first mention's facts, everybody's captions."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dedup_tables import caption, samples

from dataengine.contracts import SAMPLES, UNIQUE
from dataengine.dedup.unique_samples import unique_samples


def test_facts_of_the_first_mention_and_captions_of_all() -> None:
    table = samples(
        {"id": "b", "source": "web", "uri": "1", "captions": ["a cat", "  ", "a dog"], "license": "MIT"},
        {"id": "a", "source": "web", "uri": "2", "captions": []},
        {
            "id": "b",
            "source": "table",
            "uri": "9",
            "captions": ["a dog", "a bird"],
            "media": "media/7.tar",
            "offset": 5,
        },
        {"id": "b", "source": "web", "uri": "0", "captions": ["a cat", "a cat"]},
    )
    found = unique_samples(table)
    assert found.schema == UNIQUE
    a, b = found.to_pylist()
    assert (a["id"], a["mentions"], a["captions"]) == ("a", 1, [])
    assert (b["id"], b["mentions"], b["license"], b["media"], b["offset"]) == ("b", 3, None, "media/7.tar", 5)
    assert b["captions"] == [
        caption("a dog", "table", "9"),
        caption("a bird", "table", "9"),
        caption("a cat", "web", "0"),
    ]


def test_empty_and_single() -> None:
    assert unique_samples(SAMPLES.empty_table()) == UNIQUE.empty_table()
    one = unique_samples(samples({"id": "a", "source": "s", "uri": "u", "captions": ["é", "e\u0301"]}))
    assert one["captions"].to_pylist() == [[caption("é"), caption("e\u0301")]]


def definition(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda r: (r["id"], r["source"], r["uri"])):
        sample = made.setdefault(row["id"], {"id": row["id"], "uri": row["uri"], "captions": {}, "mentions": 0})
        sample["mentions"] += 1
        for text in row["captions"]:
            if text.strip():
                sample["captions"].setdefault(text, caption(text, row["source"], row["uri"]))
    return [
        {**s, "captions": list(s["captions"].values()), "media": f"{s['id']}{s['uri']}", "uri": None}
        for s in made.values()
    ]


_row = st.fixed_dictionaries(
    {
        "id": st.sampled_from("abc"),
        "source": st.sampled_from(["s", "t"]),
        "uri": st.text("xyz", min_size=1, max_size=2),
        "captions": st.lists(st.sampled_from(["", " ", "cat", "dog", "Dog"]), max_size=3),
    }
)


@given(st.lists(_row, max_size=12, unique_by=lambda r: (r["source"], r["uri"])), st.integers(1, 5))
@settings(deadline=None)
def test_law_and_order_of_arrival(rows: list[dict[str, Any]], pieces: int) -> None:
    table = samples(*({**r, "media": r["id"] + r["uri"]} for r in rows))
    found = unique_samples(table)
    expected = definition(rows)
    assert [{n: row[n] for n in ("id", "captions", "mentions", "media")} for row in found.to_pylist()] == [
        {n: row[n] for n in ("id", "captions", "mentions", "media")} for row in expected
    ]
    order = random.Random(pieces).sample(range(len(rows)), len(rows))
    shuffled = table.take(pa.array(order, pa.int64()))
    bounds = [n * len(rows) // pieces for n in range(pieces + 1)]
    parts = [shuffled.slice(low, high - low) for low, high in pairwise(bounds)]
    assert unique_samples(pa.concat_tables(parts)) == found
