"""Near pairs are exactly those of brute force, at every radius and by every way of getting there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dataengine.dedup import hamming
from dataengine.dedup.hamming import Pairs, brute_force, k_for, multi_index, near_pairs

PLANS = [(radius, k) for radius in (*range(1, 9), 10, 12) for k in (1, 2, 3, 4)]


def naive(hashes: list[int], radius: int) -> list[tuple[int, int, int]]:
    """The definition, in Python integers."""
    first = {h: i for i, h in reversed(list(enumerate(hashes)))}
    found = [(first[h], i, 0) for i, h in enumerate(hashes) if first[h] != i]
    distinct = sorted(first.values())
    for n, i in enumerate(distinct):
        for j in distinct[n + 1 :]:
            distance = ((hashes[i] ^ hashes[j]) & (2**64 - 1)).bit_count()
            if distance <= radius:
                found.append((i, j, distance))
    return sorted(found)


def as_tuples(pairs: Pairs) -> list[tuple[int, int, int]]:
    return list(zip(*(column.tolist() for column in pairs), strict=True))


def clustered(n: int, seed: int) -> NDArray[np.int64]:
    """Half random hashes, half copies of some with 0 to 10 bits flipped, in a few runs of neighbouring bits too."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 2**64, n // 2, dtype=np.uint64)
    copies = base[rng.integers(0, max(1, len(base) // 8), n - len(base))]
    for row, flips in enumerate(rng.integers(0, 11, len(copies))):
        bits = rng.integers(0, 64, flips) if row % 2 else rng.integers(0, 54) + np.arange(flips)
        copies[row] ^= np.bitwise_or.reduce(np.uint64(1) << bits.astype(np.uint64), initial=np.uint64(0))
    hashes = np.concatenate([base, copies])
    rng.shuffle(hashes)
    return hashes.view(np.int64)


_near_a_few = st.builds(
    lambda base, flips: base ^ sum(1 << f for f in set(flips)),
    st.sampled_from([0, 2**64 - 1, 0x0123456789ABCDEF, 0x0123456789ABCDEE]),
    st.lists(st.integers(0, 63), max_size=10),
)


@given(st.lists(_near_a_few | st.integers(0, 2**64 - 1), max_size=40), st.integers(0, 12))
@settings(deadline=None, max_examples=200)
def test_near_pairs_are_those_of_the_definition(hashes: list[int], radius: int) -> None:
    given_hashes = np.array(hashes, np.uint64).view(np.int64)
    assert as_tuples(near_pairs(given_hashes, radius)) == naive(hashes, radius)


@given(st.lists(_near_a_few, min_size=2, max_size=40, unique=True), st.sampled_from(PLANS))
@settings(deadline=None, max_examples=200)
def test_multi_index_finds_every_pair_once(hashes: list[int], plan: tuple[int, int]) -> None:
    radius, k = plan
    found = as_tuples(multi_index(np.array(hashes, np.uint64), radius, k, 1))
    assert sorted(found) == naive(hashes, radius)


@pytest.mark.parametrize(("radius", "k"), PLANS)
def test_multi_index_equals_brute_force_on_clusters(radius: int, k: int) -> None:
    hashes = np.unique(clustered(1500, seed=radius).view(np.uint64))
    expected = sorted(as_tuples(brute_force(hashes, radius)))
    assert len(expected) > 50
    assert sorted(as_tuples(multi_index(hashes, radius, k, 2))) == expected


@pytest.mark.parametrize("radius", [6, 8, 12])
def test_large_inputs_take_the_index_and_agree_with_brute_force(radius: int) -> None:
    hashes = clustered(12_000, seed=3)
    distinct, first = np.unique(hashes.view(np.uint64), return_index=True)
    assert len(distinct) > hamming._BRUTE_FORCE
    i, j, distance = brute_force(distinct, radius)
    lows, highs = np.minimum(first[i], first[j]), np.maximum(first[i], first[j])
    expected = set(zip(lows.tolist(), highs.tolist(), distance.tolist(), strict=True))
    found = as_tuples(near_pairs(hashes, radius))
    assert found == sorted(found)
    assert {pair for pair in found if pair[2]} == expected


def test_threads_do_not_change_the_result() -> None:
    hashes = clustered(6000, seed=5)
    once = near_pairs(hashes, 8, threads=1)
    for threads in (2, 5):
        for one, other in zip(once, near_pairs(hashes, 8, threads), strict=True):
            np.testing.assert_array_equal(one, other)


def test_pairs_exactly_at_the_radius_spread_over_all_blocks() -> None:
    """The worst case of the pigeonhole: as many blocks hit as there are bits to flip."""
    for radius, k in PLANS:
        count = radius + k
        firsts = [64 * b // count for b in range(count)]
        for skipped in range(count - radius + 1):
            flipped = sum(1 << bit for bit in firsts[skipped : skipped + radius])
            found = multi_index(np.array([0, flipped, 2**64 - 1], np.uint64), radius, k, 1)
            assert as_tuples(found) == [(0, 1, radius)]


def test_equal_hashes_are_a_star_not_a_square() -> None:
    blank = np.zeros(100_000, np.int64)
    blank[[7, 70_000]] = [-1, 1]
    found = near_pairs(blank, 8)
    assert len(found.i) == 99_997 + 1
    assert set(found.i.tolist()) == {0}
    assert as_tuples(found)[-1] == (0, 99_999, 0)
    assert found.distance.sum() == 1


@pytest.mark.parametrize("hashes", [[], [5], [5, -5]])
def test_nothing_to_pair(hashes: list[int]) -> None:
    assert as_tuples(near_pairs(np.array(hashes, np.int64), 8)) == []


@pytest.mark.parametrize("radius", [-1, 13])
def test_a_radius_out_of_range_is_refused(radius: int) -> None:
    with pytest.raises(ValueError, match=r"not in 0\.\.12"):
        near_pairs(np.zeros(2, np.int64), radius)


def test_more_hashes_are_indexed_by_more_equal_blocks() -> None:
    chosen = [k_for(n, 6) for n in (3_000, 100_000, 1_000_000, 10_000_000, 1_000_000_000)]
    assert chosen == sorted(chosen)
    assert chosen[0] < chosen[-1]
