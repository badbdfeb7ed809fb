"""Recursive balanced 2-means: balanced, the same for any threads and order, and able to route what it has not seen."""

from __future__ import annotations

import numpy as np
import pytest
from support.item_tables import clusters
from threadpoolctl import threadpool_limits

from dataengine.index.leaves import directions, distances, nearest, settled, sums_of
from dataengine.index.planes import Points, depth_for, fit, integers, points_of

IDS = [f"{n:08x}" for n in range(4096)]


def points(count: int, dim: int = 16) -> Points:
    return points_of(IDS[:count], clusters(count, dim))


@pytest.mark.parametrize("count", [1024, 1000, 37])
def test_leaves_differ_by_one_vector(count: int) -> None:
    some = points(count)
    sizes = np.bincount(fit(some, 5).route(some), minlength=32)
    assert sizes.sum() == count and sizes.max() - sizes.min() <= 1


def test_equal_vectors_are_halved_by_their_ids() -> None:
    some = points_of(IDS[:256], np.ones((256, 8)))
    assert set(np.bincount(fit(some, 4).route(some), minlength=16)) == {16}


def test_fewer_vectors_than_leaves_leave_some_empty() -> None:
    some = points(3)
    leaves = fit(some, 4).route(some)
    assert len(set(leaves.tolist())) == 3 and leaves.max() < 16


def test_the_same_planes_for_any_order_and_threads() -> None:
    some = points(2000)
    whole = fit(some, 6)
    shuffled = np.random.default_rng(1).permutation(len(some))
    with threadpool_limits(1):
        again = fit(Points(some.vectors[shuffled], some.hashes[shuffled]), 6)
    assert (whole.normals == again.normals).all() and (whole.cuts == again.cuts).all()


def test_neighbours_share_leaves_more_often_than_chance() -> None:
    vectors = clusters(4096, each=32)
    some = points_of(IDS, vectors)
    leaves = fit(some, 6).route(some)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = np.arange(0, 4096, 64)
    nearest = np.argsort(-(unit[queries] @ unit.T), axis=1)[:, 1]
    assert (leaves[nearest] == leaves[queries]).mean() > 0.3  # 1/64 by chance


def test_leaves_gather_their_likes_again() -> None:
    vectors = clusters(4096, each=32)
    some = points_of(IDS, vectors)
    halved = fit(some, 7).route(some)
    leaves, centres = settled(some, halved, 128)
    apart = [
        distances(some, c, leaf).mean()
        for c, leaf in ((directions(sums_of(some, halved, 128)), halved), (centres, leaves))
    ]
    assert apart[1] < 0.8 * apart[0]
    assert (nearest(some, halved, centres) == nearest(some, leaves, centres)).mean() > 0.99
    equal = points_of(IDS[:64], np.ones((64, 8)))
    assert set(np.bincount(settled(equal, fit(equal, 3).route(equal), 8)[0])) == {8}, "ties stay where they are"


def test_what_comes_later_is_routed_beside_its_likes() -> None:
    some = points(1024)
    planes = fit(some, 5)
    same = planes.route(Points(some.vectors[:50], some.hashes[:50]))
    assert (same == planes.route(some)[:50]).all()


def test_rounding_moves_a_cosine_by_little() -> None:
    vectors = clusters(200, 512)
    exact = vectors.astype("f8") / np.linalg.norm(vectors, axis=1, keepdims=True)
    rounded = integers(vectors).astype("f8")
    rounded /= np.linalg.norm(rounded, axis=1, keepdims=True)
    assert np.abs(exact @ exact.T - rounded @ rounded.T).max() < 5e-4
    assert (np.linalg.norm(integers(vectors).astype("f8"), axis=1) < 4096).all()


@pytest.mark.parametrize(
    ("count", "size", "depth"), [(0, 64, 0), (64, 64, 0), (65, 64, 1), (1_000_000, 64, 14), (5, 1, 3)]
)
def test_depth(count: int, size: int, depth: int) -> None:
    assert depth_for(count, size) == depth
