"""The account of time: it adds up, survives damage, and is no part of what stages commit."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dataengine.config.share import Share
from dataengine.errors import RunError
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Sandbox
from dataengine.storage.store import Store
from dataengine.timings import Meter, Work, costs, spent


def test_runs_add_up(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for parts in (3, 2):
        with spent(store, "cats", "ingest") as cost:
            cost.parts = parts
    with spent(store, "cats", "score"):
        pass
    found = costs(store, "cats")
    assert {name: (c.parts, c.runs) for name, c in found.items()} == {"ingest": (5, 2), "score": (0, 1)}
    assert 0 <= found["ingest"].last <= found["ingest"].seconds + 0.002
    assert costs(store, "dogs") == {} and costs(store, "cat") == {}


def test_a_failed_run_counts_and_keeps_its_error(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(RunError, match="lost"), spent(store, "cats", "ingest") as cost:
        cost.parts = 1
        raise RunError("lost")
    assert costs(store, "cats")["ingest"].runs == 1


def test_the_error_within_is_not_hidden_by_one_in_the_account() -> None:
    with pytest.raises(RunError, match="lost"), spent(Store("gs://nowhere"), "cats", "ingest"):
        raise RunError("lost")


@pytest.mark.parametrize("data", [b"", b"[]", b'{"stage": 1, "hours": 2}'])
def test_what_is_no_account_is_begun_anew(tmp_path: Path, data: bytes) -> None:
    store = Store(tmp_path)
    store.put("costs/cats/ingest.json", data)
    with spent(store, "cats", "ingest"):
        pass
    assert json.loads(store.get("costs/cats/ingest.json"))["runs"] == 1


def test_work_adds_up_over_runs(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for work in (Work(1.5, 2.25, 10), Work(0.5, 1.0, 3)):
        with spent(store, "cats", "ingest") as cost:
            cost.add(work)
    total = costs(store, "cats")["ingest"]
    assert (total.cpu, total.decode_cpu, total.decoded) == (2.0, 3.25, 13)


def test_decoded_files_and_their_cpu_seconds_are_measured_once(tmp_path: Path) -> None:
    meter = Meter()
    with Sandbox("support.sandbox_functions:burn", 0.3, workers=1, limits=Limits(), answer=int) as sandbox:
        assert len(list(sandbox.map([1, 2]))) == 2
        running = meter.take()
    ended = meter.take()
    assert running.decoded == 2 and running.decode_cpu >= 0.55
    assert ended.decoded == 0 and ended.decode_cpu < 0.3


def test_shares_that_end_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    """Each has read what was there before either writes."""
    both = threading.Barrier(2)

    class Together(Store):
        def put(self, key: str, data: bytes | Path, sha256: str = "") -> str:
            both.wait(60)
            return super().put(key, data, sha256)

    def make(number: int) -> None:
        with spent(Together(tmp_path), "cats", "score", Share(number, 2)) as cost:
            cost.parts = number
            cost.add(Work(cpu=1.5, decoded=10))

    for _ in range(2):
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(make, (1, 2)))
    with spent(Store(tmp_path), "cats", "score") as cost:
        cost.parts = 4
    total = costs(Store(tmp_path), "cats")["score"]
    assert (total.parts, total.runs, total.cpu, total.decoded) == (10, 5, 6.0, 40)
    assert sorted(p.name for p in (tmp_path / "costs" / "cats").rglob("*.json")) == [
        "1-of-2.json",
        "2-of-2.json",
        "score.json",
    ]
