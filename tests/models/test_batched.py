"""Batches of one shape on a device, and what becomes of them where its memory does not suffice."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from dataengine.errors import RunError
from dataengine.models.batched import Batched, BatchSize, uploaded


class Model:
    """Doubles its rows; has memory for ``most`` of them at once."""

    def __init__(self, most: int = 1 << 30) -> None:
        self.most, self.sizes = most, list[int]()

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        if len(batch) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB. And so on.")
        self.sizes.append(len(batch))
        return batch.float() * 2


ROWS = [np.arange(n, n + 3, dtype=np.uint8).reshape(3, 1) for n in range(5)]


@pytest.mark.parametrize("size", [1, 4, 15, 64])
def test_every_batch_has_the_same_shape_and_every_row_a_result(size: int) -> None:
    model = Model()
    results = Batched("cpu", size, model)(ROWS)
    assert np.array_equal(results, np.concatenate(ROWS) * 2.0) and results.dtype == np.float32
    assert set(model.sizes) == {size}


def test_rows_of_read_only_arrays() -> None:
    rows = np.arange(4, dtype=np.int64).reshape(4, 1)
    rows.flags.writeable = False
    assert np.array_equal(Batched("cpu", 3, Model())([rows]), rows * 2)
    assert np.array_equal(uploaded(rows, "cpu").numpy(), rows)


def test_out_of_memory_halves_the_batch_once_for_the_same_rows(caplog: pytest.LogCaptureFixture) -> None:
    model = Model(most=4)
    batched = Batched("cpu", 8, model)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert np.array_equal(batched(ROWS), np.concatenate(ROWS) * 2.0)
    assert set(model.sizes) == {4}
    [record] = caplog.records
    assert record.getMessage() == "CUDA out of memory; from here on a batch has 4 rows instead of 8"


@pytest.mark.parametrize(("size", "most"), [(8, 3), (1, 0)])
def test_where_half_does_not_fit_either_the_run_ends(size: int, most: int) -> None:
    batched = Batched("cpu", size, Model(most))
    for _ in range(2):
        with pytest.raises(RunError, match=r"CUDA out of memory, though a batch has .* make batches smaller"):
            batched(ROWS)


def test_two_lanes_that_run_out_together_halve_once() -> None:
    size = BatchSize(8, "tokens")

    def work(most: int) -> int:
        if most == 8:
            size.size = 4  # what the other lane has done meanwhile
            raise torch.OutOfMemoryError("CUDA out of memory")
        return most

    assert size.fitting(work) == 4 == size.size
