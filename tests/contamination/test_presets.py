"""Contamination: the presets against their definitions, unreadable benchmarks, order and duplicates of the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataengine.contamination import presets as contamination
from dataengine.contamination.hits import HITS, REPORT, Contamination, merged
from dataengine.contamination.presets import bit_sets, keye_posttrain, keye_pretrain, near, ngram

PHASH = 0x0F0F_3C3C_5A5A_9696  # 32 bits set


def signed(value: int | None) -> int | None:
    return value - (1 << 64) if value is not None and value >= 1 << 63 else value


def pictures(rows: list[dict[str, Any]]) -> pa.Table:
    """Any of id, benchmark, item, phash, frame_hashes."""
    names = [n for n in ("id", "benchmark", "item") if n in rows[0]]
    columns: dict[str, Any] = {n: pa.array([r[n] for r in rows], pa.string()) for n in names}
    columns["phash"] = pa.array([signed(r.get("phash")) for r in rows], pa.int64())
    frames = [[signed(h) for h in r.get("frame_hashes", [])] for r in rows]
    columns["frame_hashes"] = pa.array(frames, pa.list_(pa.int64()))
    return pa.table(columns)


def embedded(names: dict[str, list[str]], image: list[list[float] | None], text: list[list[float] | None]) -> pa.Table:
    lists = {"image": pa.array(image, pa.list_(pa.float32(), 3)), "text": pa.array(text, pa.list_(pa.float32(), 2))}
    return pa.table({**{n: pa.array(v, pa.string()) for n, v in names.items()}, **lists})


def hits(found: Contamination) -> list[tuple[Any, ...]]:
    assert found.hits.schema == HITS and found.report.schema == REPORT
    return [tuple(r.values())[:4] for r in found.hits.to_pylist()]


def bits(value: int) -> set[int]:
    return {n for n, digit in enumerate(f"{value & (2**64 - 1):064b}") if digit == "1"}


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_a_hash_is_the_set_of_its_set_bits(values: list[int]) -> None:
    made = bit_sets(np.array(values, np.int64))
    assert [set(made.hashes[a:b].tolist()) for a, b in zip(made.starts, made.starts[1:], strict=False)] == [
        bits(v) for v in values
    ]


_hashes = st.builds(
    lambda base, flips: base ^ sum(1 << f for f in set(flips)),
    st.sampled_from([PHASH, 2**64 - 1, 2**60 - 1, 0]),
    st.lists(st.integers(0, 63), max_size=4),
)


@given(st.lists(_hashes, min_size=1, max_size=12), st.lists(_hashes, min_size=1, max_size=12))
@settings(deadline=None, max_examples=60)
def test_keye_pretrain_hits_only_by_its_definition_and_equal_hashes_always(ours: list[int], theirs: list[int]) -> None:
    samples = pictures([{"id": str(n), "phash": h} for n, h in enumerate(ours)])
    benchmarks = pictures([{"benchmark": str(n), "item": "i", "phash": h} for n, h in enumerate(theirs)])
    found = {(i, name) for i, name, _, _ in hits(keye_pretrain(samples, benchmarks))}
    for n, one in enumerate(ours):
        for m, other in enumerate(theirs):
            union = bits(one) | bits(other)
            alike = len(bits(one) & bits(other)) / len(union) if union else 0.0
            assert ((str(n), str(m)) in found) <= (alike > 0.95)
            if one == other and one:
                assert (str(n), str(m)) in found


def test_keye_pretrain_finds_nearly_every_pair_above_its_threshold() -> None:
    rng = np.random.default_rng(0)
    theirs = [int(v) for v in rng.integers(0, 2**64, 1000, dtype=np.uint64)]
    ours = [v | 1 << (63 - n % 64) for n, v in enumerate(theirs)]
    found = keye_pretrain(
        pictures([{"id": f"{n}", "phash": v} for n, v in enumerate(ours)]),
        pictures([{"benchmark": "b", "item": f"{n}", "phash": v} for n, v in enumerate(theirs)]),
    )
    pairs = zip(ours, theirs, strict=True)
    expected = {str(n) for n, (a, b) in enumerate(pairs) if len(bits(a) & bits(b)) / len(bits(a) | bits(b)) > 0.95}
    assert len(expected) > 900
    assert len({i for i, *_ in hits(found)} & expected) >= 0.995 * len(expected)


def test_two_bits_of_a_balanced_hash_are_too_many() -> None:
    benchmarks = pictures([{"benchmark": "b", "item": "1", "phash": PHASH}])
    moved = PHASH ^ 0b1000 ^ 0b10  # one bit goes, another comes
    assert moved.bit_count() == 32
    found = keye_pretrain(pictures([{"id": "one", "phash": PHASH ^ 0b1}, {"id": "two", "phash": moved}]), benchmarks)
    assert [i for i, *_ in hits(found)] == ["one"]


def test_one_picture_or_frame_of_a_sample_is_enough() -> None:
    other = 0xFFFF_0000_FFFF_0000
    samples = pictures(
        [
            {"id": "multi", "phash": other},
            {"id": "multi", "phash": PHASH},
            {"id": "multi", "phash": PHASH ^ 1},
            {"id": "video", "frame_hashes": [other ^ 0b11, PHASH, None]},
            {"id": "clean", "phash": ~PHASH & (2**64 - 1)},
            {"id": "flat"},
        ]
    )
    benchmarks = pictures(
        [
            {"benchmark": "mmmu", "item": "7", "phash": PHASH},
            {"benchmark": "video", "item": "v", "frame_hashes": [other]},
            {"benchmark": "mmmu", "item": "8"},
            {"benchmark": "broken", "item": "x"},
        ]
    )
    found = keye_pretrain(samples, benchmarks)
    assert hits(found) == [
        ("multi", "mmmu", "7", "image"),
        ("multi", "video", "v", "frame"),
        ("video", "mmmu", "7", "frame"),
    ]
    assert found.hits["similarity"].to_pylist() == [1.0, 1.0, 1.0]
    assert (found.samples, found.unreadable) == (4, 1)
    assert found.report.to_pylist() == [
        {"benchmark": "broken", "items": 1, "unreadable": 1, "hit_items": 0, "hits": 0},
        {"benchmark": "mmmu", "items": 2, "unreadable": 1, "hit_items": 1, "hits": 2},
        {"benchmark": "video", "items": 1, "unreadable": 0, "hit_items": 1, "hits": 1},
    ]


def test_order_of_the_rows_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    values = [int(v) for v in rng.integers(0, 2**64, 30, dtype=np.uint64)]
    samples = pictures([{"id": f"{n % 50}", "phash": values[n % 30]} for n in range(90)])
    benchmarks = pictures([{"benchmark": f"{n % 3}", "item": f"{n}", "phash": v} for n, v in enumerate(values)])
    once = keye_pretrain(samples, benchmarks)
    shuffled = (t.take(pa.array(rng.permutation(len(t)))) for t in (samples, benchmarks))
    again = keye_pretrain(*shuffled)
    assert once.hits.equals(again.hits) and once.report.equals(again.report) and len(once.hits) > 50


@given(st.lists(_hashes, min_size=1, max_size=12), st.lists(_hashes, min_size=1, max_size=12), st.integers(0, 8))
@settings(deadline=None, max_examples=100)
def test_near_is_all_pairs_within_the_radius(ours: list[int], theirs: list[int], radius: int) -> None:
    samples = pictures([{"id": f"{n:02}", "phash": h} for n, h in enumerate(ours)])
    benchmarks = pictures([{"benchmark": str(n), "item": "i", "phash": h} for n, h in enumerate(theirs)])
    found = near(samples, benchmarks, radius)
    told = {(r["id"], r["benchmark"]): r["similarity"] for r in found.hits.to_pylist()}
    apart = {(f"{n:02}", str(m)): (a ^ b).bit_count() for n, a in enumerate(ours) for m, b in enumerate(theirs)}
    assert told == {pair: 1 - d / 64 for pair, d in apart.items() if d <= radius}


def test_near_finds_all_pairs_of_many_hashes_too() -> None:
    rng = np.random.default_rng(9)
    theirs = rng.integers(-(2**63), 2**63, 1500)
    flips = np.array([sum(1 << int(b) for b in rng.permutation(63)[: n % 9]) for n in range(4000)], np.int64)
    ours = np.concatenate([theirs[rng.integers(0, 1500, 4000)] ^ flips, rng.integers(-(2**63), 2**63, 2000)])
    samples = pa.table({"id": [f"{n:04}" for n in range(6000)], "phash": ours})
    benchmarks = pa.table({"benchmark": [f"{n:04}" for n in range(1500)], "item": ["i"] * 1500, "phash": theirs})
    i, j = np.nonzero(np.bitwise_count(ours[:, None].view(np.uint64) ^ theirs[None].view(np.uint64)) <= 6)
    found = [(int(a), int(b)) for a, b, _, _ in hits(near(samples, benchmarks, 6))]
    assert found == list(zip(i.tolist(), j.tolist(), strict=True)) and len(found) > 3000


def test_near_finds_frames_and_what_keye_pretrain_does_not() -> None:
    benchmarks = pictures([{"benchmark": "b", "item": "1", "phash": PHASH}])
    samples = pictures([{"id": "video", "frame_hashes": [0, PHASH ^ 0b1010]}, {"id": "far", "phash": PHASH ^ 0xFF}])
    assert hits(keye_pretrain(samples, benchmarks)) == []
    assert hits(near(samples, benchmarks)) == [("video", "b", "1", "frame")]
    with pytest.raises(ValueError, match="radius"):
        near(samples, benchmarks, 13)


@pytest.mark.parametrize("preset", [keye_pretrain, near, ngram])
def test_what_every_item_has_is_told_with_one_of_them_and_hits_every_sample(preset: Any) -> None:
    """A blank picture, or "answer with the letter of the option": no quadratic table of hits."""
    rows = 500
    columns = {
        "phash": pa.array([PHASH] * rows, pa.int64()),
        "text": ["Answer with the letter of the right option. " * 3] * rows,
    }
    samples = pa.table({"id": [f"{n:03}" for n in range(rows)], **columns})
    listed = [f"{n:03}" for n in reversed(range(rows))]
    benchmarks = pa.table({"benchmark": [f"b{n % 2}" for n in range(rows)], "item": listed, **columns})
    found = preset(samples, benchmarks)
    assert len(found.hits) == rows * 2
    assert [(r["hits"], r["hit_items"]) for r in found.report.to_pylist()] == [(rows, rows // 2)] * 2
    assert set(found.hits["item"].to_pylist()) == {"000", "001"}


@given(
    st.lists(st.lists(st.integers(0, 2), max_size=9), min_size=1, max_size=8),
    st.lists(st.lists(st.integers(0, 2), max_size=9), min_size=1, max_size=8),
    st.sampled_from([0.0, 0.25, 0.5, 0.75, 0.99]),
)
@settings(deadline=None, max_examples=150)
def test_ngram_is_its_definition(ours: list[list[int]], theirs: list[list[int]], least: float) -> None:
    def runs(words: list[int]) -> set[tuple[int, ...]]:
        return {tuple(words[n : n + 2]) for n in range(len(words) - 1)}

    said, asked = ([" ".join(map(str, words)) for words in texts] for texts in (ours, theirs))
    benchmarks = pa.table({"benchmark": [f"{n}" for n in range(len(asked))], "item": ["i"] * len(asked), "text": asked})
    found = ngram(pa.table({"id": [f"{n}" for n in range(len(said))], "text": said}), benchmarks, 2, least)
    shares = {
        (f"{n}", f"{m}"): len(runs(a) & runs(b)) / len(runs(b)) if runs(b) else 0.0
        for n, a in enumerate(ours)
        for m, b in enumerate(theirs)
    }
    told = {(r["id"], r["benchmark"]): r["similarity"] for r in found.hits.to_pylist()}
    expected = {pair: share for pair, share in shares.items() if share > least}
    assert told == expected if least else set(told) == set(expected)


def test_pieces_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    values = rng.integers(-(2**63), 2**63, 60)
    texts = [" ".join(map(str, rng.integers(0, 3, 12))) for _ in range(60)]
    benchmarks = pa.table(
        {"benchmark": ["b"] * 60, "item": [f"{n}" for n in range(60)], "phash": values, "text": texts}
    )
    order = rng.integers(0, 60, 200)
    samples = pa.table({"id": [f"{n}" for n in range(200)], "phash": values[order], "text": [texts[n] for n in order]})
    presets = (keye_pretrain, lambda a, b: ngram(a, b, 5, 0.2))
    whole = [preset(samples, benchmarks) for preset in presets]
    monkeypatch.setattr(contamination, "_PIECE", 7)
    for preset, once in zip(presets, whole, strict=True):
        again = preset(samples, benchmarks)
        assert once.hits.equals(again.hits) and once.report.equals(again.report) and len(once.hits) >= 200
        parts = merged([preset(samples.slice(0, 90), benchmarks), preset(samples.slice(90), benchmarks)])
        assert parts.hits.equals(once.hits) and parts.report.equals(once.report)
        assert (parts.samples, parts.unreadable) == (once.samples, once.unreadable)


def test_ngrams_of_questions() -> None:
    question = "How many red cubes are to the left of the small metal sphere that is behind the cylinder?"
    samples = pa.table(
        {
            "id": ["quoted", "cut", "other", "short", "none"],
            "text": [
                f"Look: {question.upper()} Answer 3.",
                " ".join(question.split()[:12]),
                "A cat. " * 20,
                "How many",
                None,
            ],
        }
    )
    benchmarks = pa.table(
        {"benchmark": ["q", "q", "q"], "item": ["1", "2", "3"], "text": [question, "How many", None]},
    )
    found = ngram(samples, benchmarks)
    assert hits(found) == [("quoted", "q", "1", "ngram")] and found.hits["similarity"].to_pylist() == [1.0]
    assert found.unreadable == 3
    assert found.report.to_pylist() == [{"benchmark": "q", "items": 3, "unreadable": 2, "hit_items": 1, "hits": 1}]
    assert {i for i, *_ in hits(ngram(samples, benchmarks, n=12))} == {"quoted", "cut"}
    assert {i for i, *_ in hits(ngram(samples, benchmarks, n=12, least=0.5))} == {"quoted"}
    with pytest.raises(ValueError, match="shingles"):
        ngram(samples, benchmarks, n=0)


def test_empty_tables() -> None:
    benchmarks = pictures([{"benchmark": "b", "item": "1", "phash": PHASH}])
    samples = pictures([{"id": "a", "phash": PHASH}])
    assert hits(keye_pretrain(samples.slice(0, 0), benchmarks)) == []
    nothing = keye_pretrain(samples, benchmarks.slice(0, 0))
    assert hits(nothing) == [] and len(nothing.report) == 0
    questions = pa.table(
        {"benchmark": pa.array([], pa.string()), "item": pa.array([], pa.string()), "text": pa.array([], pa.string())}
    )
    assert hits(ngram(pa.table({"id": ["a"], "text": ["b " * 20]}), questions)) == []
    empty = embedded({"id": []}, [], [])
    assert hits(keye_posttrain(empty, embedded({"benchmark": ["b"], "item": ["1"]}, [[1, 0, 0]], [[1, 0]]))) == []
