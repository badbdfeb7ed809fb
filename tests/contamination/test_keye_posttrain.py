"""Contamination by pictures and texts of one item (Keye-VL's post-training preset) against all pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from test_presets import embedded, hits

from dataengine.contamination.presets import keye_posttrain


def test_keye_posttrain_needs_picture_and_text_of_one_item() -> None:
    def unit(cosine: float, *rest: float) -> list[float]:
        return [cosine, (1 - cosine**2) ** 0.5, *rest]

    samples = embedded(
        {"id": ["both", "picture", "text", "split", "edge", "null", "zero", "nan"]},
        [unit(0.99, 0), unit(0.99, 0), unit(0.9, 0), unit(1, 0), unit(0.98, 0), None, [0, 0, 0], [float("nan"), 0, 0]],
        [unit(0.6), unit(0.4), unit(0.9), [0, 1], unit(0.9), [1, 0], [1, 0], [1, 0]],
    )
    benchmarks = embedded(
        {"benchmark": ["b", "b", "b"], "item": ["1", "2", "3"]},
        [[2, 0, 0], [0, 0, 1], [1, 0, 0]],
        [[3, 0], [0, 1], None],
    )
    found = keye_posttrain(samples, benchmarks)
    assert hits(found) == [("both", "b", "1", "image+text")]
    assert found.hits["similarity"].to_pylist() == [0.99] and found.hits["text_similarity"].to_pylist() == [0.6]
    assert (found.samples, found.unreadable) == (8, 3)
    assert found.report.to_pylist() == [{"benchmark": "b", "items": 3, "unreadable": 1, "hit_items": 1, "hits": 1}]


def test_keye_posttrain_equals_all_with_all() -> None:
    rng = np.random.default_rng(1)
    theirs = rng.normal(size=(200, 64)).astype(np.float32)
    ours = theirs[rng.integers(0, 200, 3000)] + rng.uniform(0, 0.5, (3000, 1)) * rng.normal(size=(3000, 64))
    words, said = rng.normal(size=(200, 16)), rng.normal(size=(3000, 16)) + 1

    found = keye_posttrain(
        vectors({"id": [f"{n:04}" for n in range(3000)]}, ours, said),
        vectors({"benchmark": ["b"] * 200, "item": [f"{n:04}" for n in range(200)]}, theirs, words),
    )

    def cosine(a: Any, b: Any) -> Any:
        a, b = (m.astype(np.float16).astype(np.float64) for m in (a, b))
        return np.round((a / np.linalg.norm(a, axis=1)[:, None]) @ (b / np.linalg.norm(b, axis=1)[:, None]).T, 4)

    i, j = np.nonzero((cosine(ours, theirs) > 0.98) & (cosine(said, words) > 0.5))
    assert [(int(a), int(b)) for a, _, b, _ in hits(found)] == list(zip(i.tolist(), j.tolist(), strict=True)) != []


def vectors(names: dict[str, list[str]], image: Any, text: Any) -> pa.Table:
    lists = [
        pa.FixedSizeListArray.from_arrays(pa.array(m.astype(np.float16).ravel()), m.shape[1]) for m in (image, text)
    ]
    return pa.table({**names, "image": lists[0], "text": lists[1]})


@pytest.mark.slow
def test_the_bound_loses_no_pair_in_many_dimensions() -> None:
    """More dimensions than the bound has axes, and pictures that mostly are long in few of them, as real ones are."""
    rng = np.random.default_rng(5)
    scale = np.r_[np.full(20, 3.0), np.full(236, 0.5)]
    theirs = rng.normal(size=(300, 256)) * scale + 1
    ours = theirs[rng.integers(0, 300, 2000)] + rng.uniform(0, 0.3, (2000, 1)) * rng.normal(size=(2000, 256)) * scale
    words, said = np.ones((300, 8)), np.ones((2000, 8))
    found = keye_posttrain(
        vectors({"id": [f"{n:04}" for n in range(2000)]}, ours, said),
        vectors({"benchmark": ["b"] * 300, "item": [f"{n:04}" for n in range(300)]}, theirs, words),
    )

    def units(m: Any) -> Any:
        m = m.astype(np.float16).astype(np.float64)
        return m / np.linalg.norm(m, axis=1)[:, None]

    i, j = np.nonzero(np.round(units(ours) @ units(theirs).T, 4) > 0.98)
    assert [(int(a), int(b)) for a, _, b, _ in hits(found)] == list(zip(i.tolist(), j.tolist(), strict=True))
    assert 500 < len(i) < 1900
