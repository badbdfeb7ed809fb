from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from threadpoolctl import threadpool_limits

from dataengine.tokenize.kmeans import kmeans, nearest

small = st.integers(-300, 300)
points_2d = hnp.arrays(np.int16, st.tuples(st.integers(1, 80), st.just(2)), elements=small)


def _spread(points: np.ndarray, centres: np.ndarray) -> float:
    apart = points.astype(np.int64) - centres[nearest(points, centres)]
    return float((apart * apart).sum())


@given(points_2d, hnp.arrays(np.int16, st.tuples(st.integers(1, 9), st.just(2)), elements=small))
def test_nearest_is_the_first_of_the_closest(points: np.ndarray, centres: np.ndarray) -> None:
    all_distances = ((points.astype(np.int64)[:, None] - centres[None]) ** 2).sum(-1)
    assert nearest(points, centres).tolist() == all_distances.argmin(1).tolist()


def test_nearest_is_exact_at_the_largest_features() -> None:
    centres = np.array([[-28672, 28672] * 6, [28672, -28672] * 6, [28672, -28672] * 5 + [28672, -28671]], np.int16)
    assert nearest(centres, centres).tolist() == [0, 1, 2]


@settings(deadline=None)
@given(points_2d, st.integers(2, 6), st.randoms(use_true_random=False))
def test_order_of_the_points_does_not_matter(points: np.ndarray, entries: int, random: object) -> None:
    again = points.copy()
    np.random.default_rng(len(points)).shuffle(again)
    one, two = (kmeans(p, entries, iterations=5, seed=1) for p in (points, again))
    assert one.tobytes() == two.tobytes()


@given(points_2d, st.integers(1, 100))
def test_fewer_distinct_points_than_entries_are_kept_as_they_are(points: np.ndarray, entries: int) -> None:
    distinct = np.unique(points, axis=0)
    centres = kmeans(points, entries, iterations=3, seed=0)
    assert 1 <= len(centres) <= entries
    if len(distinct) <= entries:
        assert centres.tolist() == distinct.tolist()


def test_separate_clouds_get_a_centre_each() -> None:
    rng = np.random.default_rng(0)
    middles = np.array([[-3000, 0], [3000, 0], [0, 3000], [0, -3000]])
    points = np.concatenate([m + rng.integers(-50, 50, (300, 2)) for m in middles]).astype(np.int16)
    centres = kmeans(points, 4, iterations=20, seed=3)
    assert np.abs(np.sort(centres, axis=0) - np.sort(middles, axis=0)).max() < 15


def test_iterations_bring_points_closer_and_seeds_differ() -> None:
    points = np.random.default_rng(1).normal(0, 500, (4000, 4)).astype(np.int16)
    first, later = (_spread(points, kmeans(points, 32, iterations=n, seed=0)) for n in (1, 15))
    assert later < 0.97 * first
    assert kmeans(points, 32, iterations=2, seed=0).tobytes() != kmeans(points, 32, iterations=2, seed=1).tobytes()


def test_threads_do_not_change_a_bit() -> None:
    points = np.random.default_rng(2).normal(0, 3000, (20_000, 12)).astype(np.int16)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(kmeans(points, 64, iterations=4, seed=0).tobytes())
    assert found[0] == found[1]
