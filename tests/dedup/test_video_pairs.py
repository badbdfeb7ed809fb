"""Video pairs are exactly those of the definition, whatever frames the videos have in common."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dedup_tables import to_int64

from dataengine.dedup.hash_sets import hash_sets
from dataengine.dedup.video import required, video_pairs

Videos = list[list[int]]


def column(videos: Videos) -> pa.ChunkedArray:
    signed = [[to_int64(h % 2**64) for h in video] for video in videos]
    return pa.chunked_array([signed[: len(videos) // 2], signed[len(videos) // 2 :]], pa.list_(pa.int64()))


def pairs(videos: Videos, radius: int = 2, overlap: float = 0.6) -> list[tuple[int, int, float]]:
    found = video_pairs(hash_sets(column(videos)), radius, overlap)
    return list(zip(*(part.tolist() for part in found), strict=True))


def share(a: set[int], b: set[int], radius: int) -> tuple[int, int]:
    """(matched, of how many), the definition."""

    def matched(x: set[int], y: set[int]) -> int:
        return sum(any(((u ^ v) % 2**64).bit_count() <= radius for v in y) for u in x)

    if len(a) == len(b):
        return min(matched(a, b), matched(b, a)), len(a)
    return (matched(a, b), len(a)) if len(a) < len(b) else (matched(b, a), len(b))


def naive(videos: Videos, radius: int, overlap: float) -> list[tuple[int, int, float]]:
    sets = [set(v) for v in videos]
    first = {frozenset(s): i for i, s in reversed(list(enumerate(sets)))}
    found = [(first[frozenset(s)], i, 0.0) for i, s in enumerate(sets) if s and first[frozenset(s)] != i]
    firsts = sorted(i for s, i in first.items() if s)
    for n, i in enumerate(firsts):
        for j in firsts[n + 1 :]:
            matched, size = share(sets[i], sets[j], radius)
            if matched / size >= overlap and matched >= min(2, size):
                found.append((i, j, 1 - matched / size))
    return sorted(found)


_frame = st.sampled_from([0, 1, 3, 0xFF00, 0xFF01, 0xFFFF << 20, 0xF0F0F0 << 30, -1, -2, 0x5555])


@given(
    st.lists(st.lists(_frame, max_size=7), max_size=10),
    st.integers(0, 8),
    st.sampled_from([0.1, 0.34, 0.5, 0.6, 0.75, 1.0]),
)
@settings(deadline=None, max_examples=300)
def test_pairs_are_those_of_the_definition(videos: Videos, radius: int, overlap: float) -> None:
    assert pairs(videos, radius, overlap) == naive(videos, radius, overlap)


FILM = [0x1111 << 4 * n for n in range(10)]
OTHER = [0x7777777777 << 2 * n for n in range(10)]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (FILM[:], 0.0),
        (FILM[2:7], 0.0),  # a trim
        ([f ^ 1 for f in FILM], 0.0),  # a re-encode
        (FILM[:6] + OTHER[:4], 0.4),
        (FILM[:5] + OTHER[:5], None),
        (FILM[:1] + OTHER[:1], None),  # one hash of two is too few
        (FILM[:1], 0.0),  # all of one
        (OTHER, None),
        ([], None),
    ],
)
def test_copies_trims_and_strangers(other: list[int], expected: float | None) -> None:
    found = pairs([FILM, other], radius=1)
    assert found == ([] if expected is None else [(0, 1, pytest.approx(expected))])


def test_a_frame_in_all_videos_costs_nothing_and_makes_no_pair() -> None:
    videos = [[0, *(0x9E3779B97F4A7C15 * (3 * n + k) % 2**63 for k in (1, 2, 3))] for n in range(20_000)]
    assert pairs(videos, radius=1) == []


def test_a_hundred_thousand_equal_videos_are_a_star() -> None:
    found = pairs([[0, 7]] * 100_000)
    assert len(found) == 99_999
    assert {i for i, _, _ in found} == {0}


def test_hash_sets_leave_out_absent_hashes_and_repeats() -> None:
    sets = hash_sets(pa.chunked_array([[[3, None, 1, 3], [], [None]], [[2]]], pa.list_(pa.int64())))
    assert (sets.starts.tolist(), sets.hashes.tolist()) == ([0, 2, 2, 2, 3], [1, 3, 2])


def test_required_counts() -> None:
    assert required(hash_sets(column([[1], [1, 2], [1, 2, 3, 4, 5]])).sizes, 0.6).tolist() == [1, 2, 3]
