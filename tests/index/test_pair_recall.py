"""Recall of held-out pairs: that of a full ranking, whatever is level."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dataengine.index.align.retrieval import recall
from dataengine.index.align.training import Pairs


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_recall_is_that_of_a_full_ranking() -> None:
    rng = np.random.default_rng(0)
    a, b, others = (unit(rng.normal(size=(n, 6))) for n in (40, 40, 60))
    group = np.repeat(np.arange(20), 2)
    pairs = Pairs(a, b, np.ones(40, np.float32), group)
    hits = 0
    for n in range(40):
        candidates = [b[n], *(b[m] for m in range(40) if group[m] != group[n]), *others]
        scores = np.array(candidates) @ a[n]
        hits += int((scores > scores[0] + 1e-6).sum() < 10)
    assert recall(pairs, others, 10) == hits / 40
    assert recall(pairs, np.zeros((0, 6), np.float32), 5) < 1
    equal = Pairs(*(np.ones((40, 1), np.float32),) * 2, np.ones(40, np.float32), np.arange(40))
    assert recall(equal, np.ones((60, 1), np.float32), 10) == pytest.approx(10 / 100), "equal vectors find nothing"
    assert np.isnan(recall(pairs.take(np.zeros(0, np.int64)), others))
