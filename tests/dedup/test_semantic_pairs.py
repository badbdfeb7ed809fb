"""Semantic pairs: exact verification, recall against brute force, and the same result for any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dataengine.dedup import semantic
from dataengine.dedup.semantic import SemanticPairs, also_similar, semantic_pairs
from dataengine.errors import RunError


def topics(n: int, dim: int, seed: int, spread: float = 0.8, near: float = 0.2) -> NDArray[np.float32]:
    """Unit vectors around topics, a share ``near`` of them close to another one (cosines 0.85 to 1)."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(max(2, n // 200), dim))
    made = centres[rng.integers(0, len(centres), n)] + spread * rng.normal(size=(n, dim))
    copies = rng.choice(n, int(near * n), replace=False)
    noise = rng.normal(size=(len(copies), dim)) * rng.uniform(0, 0.6, (len(copies), 1))
    made[copies] = made[rng.integers(0, n, len(copies))] * (1 + noise * 0) + noise
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def brute(vectors: NDArray[np.floating], threshold: float, rows: int | None = None) -> set[tuple[int, int]]:
    """All pairs, or those whose smaller index is one of the first ``rows``."""
    unit = vectors.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    found: set[tuple[int, int]] = set()
    for start in range(0, rows or len(unit), 1000):
        i, j = np.nonzero(np.round(unit[start : start + 1000] @ unit.T, 4) >= threshold)
        found |= {(a + start, b) for a, b in zip(i.tolist(), j.tolist(), strict=True) if a + start < b}
    return found


def as_set(pairs: SemanticPairs) -> set[tuple[int, int]]:
    return set(zip(pairs.i.tolist(), pairs.j.tolist(), strict=True))


def assert_same(one: SemanticPairs, other: SemanticPairs) -> None:
    np.testing.assert_array_equal(one.i, other.i)
    np.testing.assert_array_equal(one.j, other.j)
    np.testing.assert_array_equal(one.similarity, other.similarity)
    assert (one.comparisons, one.recall, one.sampled) == (other.comparisons, other.recall, other.sampled)


@pytest.mark.parametrize("kind", [np.float16, np.float32])
@pytest.mark.parametrize("threshold", [0.9, 0.98, 1.0])
def test_small_inputs_are_compared_all_with_all(kind: type[np.floating], threshold: float) -> None:
    vectors = topics(1500, 48, seed=1).astype(kind)
    found = semantic_pairs(vectors, threshold)
    assert as_set(found) == brute(vectors, threshold)
    assert found.exact and found.comparisons == found.brute_force == 1500 * 1499 // 2
    if threshold < 1:
        assert len(found.i) > 20 and found.recall == 1.0


@pytest.fixture(scope="module")
def many() -> NDArray[np.float16]:
    return topics(60_000, 32, seed=2).astype(np.float16)


@pytest.mark.slow
def test_near_cells_hold_nearly_all_pairs_at_a_small_cost(many: NDArray[np.float16]) -> None:
    found = semantic_pairs(many, 0.9)
    expected = brute(many, 0.9, 5000)
    those = {pair for pair in as_set(found) if pair[0] < 5000}
    assert len(expected) > 1000
    assert those <= expected
    assert len(those) >= 0.99 * len(expected)
    assert found.comparisons <= 0.05 * found.brute_force
    assert found.recall is not None and found.recall >= 0.98 and found.sampled > 50
    assert list(zip(found.i, found.j, strict=True)) == sorted(zip(found.i, found.j, strict=True))


@pytest.mark.slow
def test_the_triangle_inequality_gives_every_pair(many: NDArray[np.float16], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(semantic, "BUDGET", 10.0)
    found = semantic_pairs(many, 0.97)
    assert found.exact and found.cells > 1
    assert {pair for pair in as_set(found) if pair[0] < 5000} == brute(many, 0.97, 5000)


def test_threads_do_not_change_pairs_or_figures(many: NDArray[np.float16]) -> None:
    once = semantic_pairs(many, 0.9, threads=1)
    assert_same(once, semantic_pairs(many, 0.9, threads=3))


def test_order_of_the_rows_only_renames_pairs_where_the_search_is_exact() -> None:
    vectors = topics(3000, 32, seed=4)
    shuffle = np.random.default_rng(0).permutation(len(vectors))
    found = semantic_pairs(vectors[shuffle], 0.9)
    back = {(min(shuffle[a], shuffle[b]), max(shuffle[a], shuffle[b])) for a, b in as_set(found)}
    assert back == as_set(semantic_pairs(vectors, 0.9))


def test_zero_and_broken_vectors_are_left_out_and_counted() -> None:
    vectors = topics(50, 16, seed=5)
    vectors[7] = vectors[3]
    vectors[10], vectors[11], vectors[12, 2] = 0, np.nan, np.inf
    found = semantic_pairs(vectors, 0.99)
    assert found.left_out == 3 and (3, 7) in as_set(found)
    assert not {10, 11, 12} & set(np.concatenate([found.i, found.j]).tolist())


@pytest.mark.parametrize("count", [0, 1, 2])
def test_nothing_to_pair(count: int) -> None:
    found = semantic_pairs(np.eye(3, 8, dtype=np.float16)[:count], 0.9)
    assert (len(found.i), found.recall, found.sampled) == (0, None, 0)


def test_equal_vectors_are_a_star() -> None:
    vectors = np.repeat(topics(2, 32, seed=6), [1, 100_000], axis=0)
    vectors[50_000] = -vectors[1]
    found = semantic_pairs(vectors, 0.9)
    assert found.distinct == 3
    assert set(found.i.tolist()) == {1} and len(found.j) == 99_998
    assert found.comparisons == 3


def test_rounding_decides_at_the_threshold() -> None:
    def at(cosine: float) -> NDArray[np.float32]:
        return np.array([[1, 0], [cosine, (1 - cosine**2) ** 0.5]], np.float32)

    assert len(semantic_pairs(at(0.90004), 0.9).i) == len(semantic_pairs(at(0.89996), 0.9).i) == 1
    assert len(semantic_pairs(at(0.89994), 0.9).i) == 0


def test_length_does_not_matter() -> None:
    vectors = topics(400, 24, seed=8)
    longer = vectors * np.random.default_rng(1).uniform(0.01, 50, (400, 1)).astype(np.float32)
    assert as_set(semantic_pairs(longer, 0.9)) == as_set(semantic_pairs(vectors, 0.9)) != set()


def test_a_second_embedding_must_agree() -> None:
    pairs = (np.array([0, 0, 1]), np.array([1, 2, 3]))
    captions = np.array([[1, 0], [0.6, 0.8], [np.nan, 0], [0.6, 0.8]], np.float32)
    assert also_similar(pairs, captions, 0.6).tolist() == [True, False, True]
    assert also_similar(pairs, captions, 0.7).tolist() == [False, False, True]


def test_too_many_pairs_are_refused_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(semantic, "MAX_PAIRS", 1000)
    crowd = np.ones((500, 8), np.float32) + np.random.default_rng(0).normal(0, 0.01, (500, 8)).astype(np.float32)
    with pytest.raises(RunError, match=r"raise dedup\.semantic\.threshold"):
        semantic_pairs(crowd, 0.9)


@pytest.mark.parametrize("threshold", [0.0, 1.1, -1.0])
def test_a_threshold_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        semantic_pairs(np.ones((2, 2), np.float32), threshold)
