"""Requests to storage are counted as the client makes them, and extrapolated from what was counted."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MIB = 1 << 20


@pytest.fixture(scope="module")
def bench() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield importlib.import_module("storage_requests")


@pytest.mark.parametrize(
    ("starts", "lengths", "requests"),
    [
        ([], [], 0),
        ([0], [10], 1),
        ([0, 10 + MIB], [10, 10], 1),
        ([0, 11 + MIB], [10, 10], 2),
        ([5 * MIB, 0, MIB], [1, MIB, 1], 2),
        ([0, 5, 3 * MIB], [4 * MIB, 1, 1], 1),
    ],
)
def test_ranges_that_lie_near_are_one_request(bench: Any, starts: list[int], lengths: list[int], requests: int) -> None:
    assert bench.joined(starts, lengths) == requests


def test_totals_follow_from_constants_parts_samples_and_shards(bench: Any) -> None:
    nothing = {kind: [0.0, 0.0, 0.0, 0.0] for kind in bench.KINDS}
    stages = {
        "a": {**nothing, "get": [5.0, 2.0, 1.0, 10.0], "written": [0.0, 0.0, float(5 * MIB), 0.0]},
        "tokenize.fit": {**nothing, "get": [1.0, 1.0, 100.0, 0.0]},
    }
    total = bench.at(stages, 4000, 256e6 / 2000)
    assert total["get"] == 5 + 2 * 4 + 4000 + 10 * 2 + 1 + 4
    assert total["put"] == 4000, "a part of an upload for each 5 MiB"
    assert bench.shown([3.0, 0.0, 2.0, 0.001]) == "3 + 2 n"


@pytest.mark.slow
def test_a_run_is_counted_by_stage(bench: Any, tmp_path: Path) -> None:
    size, counts = bench.run(tmp_path, 6, 2, 10**9)
    assert (size.parts, size.samples, size.shards) == (2, 6, 1)
    assert counts["ingest"]["written"] > sum(path.stat().st_size for path in (tmp_path / "in").iterdir())
    assert counts["shard.write"]["get"] >= 2 * 6, "media and codes of each sample"
    assert counts["shard.write"]["written"] > counts["shard.write"]["read"] // 2 > 0
    assert counts["filter"]["put"] == 3 and counts["filter"]["read"] > 0
