"""Packing and balance against slow, obvious versions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.sequence.budgets import cut_of, plan_budgets, pools
from dataengine.sequence.packing import balance, bins

CAPACITY = 300
LENGTHS = st.lists(st.integers(1, CAPACITY), max_size=80).map(lambda lengths: np.array(lengths, np.int64))


def best_fit(lengths: list[int]) -> list[int]:
    """By looking at every sequence; of equally full ones the one that was filled last."""
    free: list[int] = []
    filled: list[int] = []
    out = [0] * len(lengths)
    for time, n in enumerate(sorted(range(len(lengths)), key=lambda n: -lengths[n])):
        fitting = [b for b in range(len(free)) if free[b] >= lengths[n]]
        if fitting:
            chosen = min(fitting, key=lambda b: (free[b], -filled[b]))
        else:
            chosen = len(free)
            free.append(CAPACITY)
            filled.append(0)
        free[chosen] -= lengths[n]
        filled[chosen] = time
        out[n] = chosen
    return out


def first_fit(lengths: list[int]) -> list[int]:
    free: list[int] = []
    out = []
    for length in lengths:
        chosen = next((b for b, left in enumerate(free) if left >= length), len(free))
        if chosen == len(free):
            free.append(CAPACITY)
        free[chosen] -= length
        out.append(chosen)
    return out


@given(LENGTHS)
def test_best_fit_is_best_fit_decreasing(lengths: np.ndarray) -> None:
    assert bins.best_fit(lengths, CAPACITY).tolist() == best_fit(lengths.tolist())


@given(LENGTHS)
def test_first_fit_takes_the_first(lengths: np.ndarray) -> None:
    assert bins.first_fit(lengths, CAPACITY).tolist() == first_fit(lengths.tolist())


@pytest.mark.parametrize("method", sorted(bins.METHODS))
@given(lengths=LENGTHS)
def test_no_sequence_holds_more_than_it_can(method: str, lengths: np.ndarray) -> None:
    groups = bins.sequences_of(bins.METHODS[method](lengths, CAPACITY))
    assert all(lengths[group].sum() <= CAPACITY for group in groups)
    assert sorted(n for group in groups for n in group.tolist()) == list(range(len(lengths)))


@given(LENGTHS)
def test_concatenated_pieces_are_all_positions_in_order(lengths: np.ndarray) -> None:
    sequences = bins.cuts(lengths, CAPACITY)
    pieces = [piece for sequence in sequences for piece in sequence]
    covered = [(document, position) for document, a, b in pieces for position in range(a, b)]
    assert covered == [(n, p) for n, length in enumerate(lengths.tolist()) for p in range(length)]
    assert all(sum(b - a for _, a, b in sequence) == CAPACITY for sequence in sequences[:-1])


def test_short_records_leave_little_padding_at_32k() -> None:
    lengths = np.clip(np.random.default_rng(1).lognormal(np.log(120), 1.1, 120_000).astype(np.int64), 8, 8_000)
    share = {
        name: bins.padding_share(lengths, method(lengths, 32_768), 32_768) for name, method in bins.METHODS.items()
    }
    assert share["best-fit"] <= share["first-fit"] < share["next-fit"] and share["best-fit"] <= 0.005


@given(costs=st.lists(st.floats(1, 100), min_size=1, max_size=70), ranks=st.sampled_from([1, 2, 4]))
def test_balance_moves_sequences_within_their_batch(costs: list[float], ranks: int) -> None:
    array, batch = np.array(costs), 8 * ranks
    order = balance.balanced(array, ranks, batch)
    for start in range(0, len(costs), batch):
        assert sorted(order[start : start + batch]) == list(range(start, min(start + batch, len(costs))))
    assert balance.imbalance(array[order], ranks, batch) <= balance.imbalance(array, ranks, batch) + 1e-9


def test_eight_ranks_are_within_two_percent() -> None:
    generator = np.random.default_rng(2)
    costs = 32_768 * (1 + generator.beta(0.5, 2, 1_280) * 3)
    before, after = (balance.imbalance(c, 8, 64) for c in (costs, costs[balance.balanced(costs, 8, 64)]))
    assert before > 0.1 > 0.02 > after


def test_attention_makes_long_documents_dearer() -> None:
    assert balance.flops([1000], 1000) == pytest.approx(1000 + 1000**2 / 12_000)
    assert balance.flops([32_768], 4096) > balance.flops([128] * 256, 4096) > 32_768


@pytest.mark.parametrize(
    ("shares", "total", "expected"),
    [
        ({}, None, {"a": 100, "b": 300, "c": 0}),
        ({}, 200, {"a": 50, "b": 150}),
        ({}, 1000, {"a": 100, "b": 300, "c": 0}),
        ({"a": 1, "b": 1}, None, {"a": 100, "b": 100}),
        ({"a": 0.2, "b": 0.8}, 1000, {"a": 200, "b": 800}),
        ({"a": 1, "c": 1}, None, {"a": 100, "c": 100}),
        ({"a": 1, "b": 0}, None, {"a": 100}),
    ],
)
def test_budgets(shares: dict[str, float], total: int | None, expected: dict[str, int]) -> None:
    assert plan_budgets({"a": 100, "b": 300, "c": 0}, shares, total) == expected


def test_a_budget_ends_in_the_first_range_that_it_cannot_hold() -> None:
    by_bucket = {2: 40, 5: 50, 9: 30, 11: 500, 12: 9}
    assert vars(cut_of("a", by_bucket, 95, 16)) == {"cell": "a", "bucket": 9, "stop": 12, "left": 5}
    assert vars(cut_of("a", by_bucket, 10**6, 16)) == {"cell": "a", "bucket": 16, "stop": 16, "left": 10**6 - 629}


@given(st.dictionaries(st.integers(0, 99), st.integers(1, 50), min_size=1), st.integers(1, 400))
def test_pools_are_runs_of_the_shuffle(by_bucket: dict[int, int], tokens: int) -> None:
    pool = pools(by_bucket, tokens)
    numbers = [pool[bucket] for bucket in sorted(by_bucket)]
    assert numbers == sorted(numbers) and numbers[0] == 0
    assert max(numbers) < max(1, sum(by_bucket.values()) // tokens)
