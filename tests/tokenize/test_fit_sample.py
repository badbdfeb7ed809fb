from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.tokenize.sample import PatchSample, chosen

ids = st.lists(st.text("0123456789abcdef", min_size=32, max_size=32), unique=True, max_size=40)


@given(ids, st.integers(0, 50), st.integers(0, 3))
def test_chosen_ids_do_not_depend_on_order(given_ids: list[str], count: int, seed: int) -> None:
    picked = chosen(given_ids, seed=seed, count=count)
    assert picked == chosen(reversed(given_ids), seed=seed, count=count)
    assert len(picked) == min(count, len(given_ids)) and set(picked) <= set(given_ids)


@given(ids, st.integers(1, 40))
def test_leaving_out_an_unchosen_id_changes_nothing(given_ids: list[str], count: int) -> None:
    picked = chosen(given_ids, seed=0, count=count)
    assert chosen([i for i in given_ids if i in picked], seed=0, count=count) == picked


def _samples(count: int, rows: int) -> list[tuple[str, np.ndarray]]:
    return [(f"{i:032x}", np.arange(i * rows, (i + 1) * rows, dtype=np.int16)[:, None]) for i in range(count)]


@pytest.mark.parametrize("limit", [1, 50, 300, 10_000])
def test_rows_are_a_set_whatever_the_order_of_arrival(limit: int) -> None:
    forward, backward = PatchSample(limit, seed=5), PatchSample(limit, seed=5)
    samples = _samples(20, 37)
    for sample in samples:
        forward.add(*sample)
    for sample in reversed(samples):
        backward.add(*sample)
    rows = forward.rows()
    assert len(rows) == min(limit, 20 * 37)
    assert len(np.unique(rows)) == len(rows)
    assert rows.tolist() == backward.rows().tolist()


def test_the_sample_is_uniform_over_samples_and_places() -> None:
    sample = PatchSample(4000, seed=0)
    for id_, rows in _samples(100, 200):
        sample.add(id_, rows)
    picked = sample.rows()[:, 0].astype(np.int64)
    by_sample, by_place = np.bincount(picked // 200, minlength=100), np.bincount(picked % 200, minlength=200)
    assert by_sample.min() > 15 and by_sample.max() < 70  # 40 expected
    assert by_place.min() > 4 and by_place.max() < 45  # 20 expected


def test_memory_is_bounded() -> None:
    sample = PatchSample(100, seed=0)
    for id_, rows in _samples(300, 50):
        sample.add(id_, rows)
        assert sum(len(r) for r in sample._smallest._rows) <= 2 * 100 + 50
