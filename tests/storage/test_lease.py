"""One run at a time on a workspace: who holds it is told, who is dead is replaced, tasks of one run share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from support import letters

from dataengine.errors import HeldError
from dataengine.pipeline import execute
from dataengine.storage.lease import RUN, Holder, Lease
from dataengine.storage.store import Store
from dataengine.testing import InProcess

TERM = 0.6


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(tmp_path if request.param == "folder" else f"{request.getfixturevalue('s3_conditional')}/ws")


def lease(store: Store, recipe: str = "r") -> Lease:
    return Lease(store, recipe, term=TERM)


def leases(store: Store) -> list[str]:
    return [entry.key for entry in store.list("lease")]


def left_by(store: Store, number: int = 1, **changes: object) -> Holder:
    """A lease of a run on another machine, which no process renews."""
    holder = replace(lease(store, "other").holder, machine="elsewhere", host="far", pid=7, **changes)  # type: ignore[arg-type]
    store.put(f"lease/{number:08d}.json", json.dumps(asdict(holder)).encode())
    return holder


def test_a_second_run_is_told_who_holds_the_workspace(store: Store) -> None:
    first, second = lease(store, "mine"), lease(store)
    first.take()
    first.take()
    with pytest.raises(HeldError) as caught:
        second.take()
    text = str(caught.value)
    assert caught.value.exit_code == 5 and f"run {first.holder.run} of recipe `mine` holds" in text
    assert f"process {os.getpid()} on " in text and " UTC" in text and RUN in text
    first.close()
    assert leases(store) == []
    second.take()
    second.close()


def test_a_lease_that_is_renewed_outlives_its_term(store: Store) -> None:
    first = lease(store)
    first.take()
    beat = first.holder.beat
    end = time.monotonic() + 100 * TERM
    while first.holder.beat < beat + 5 and time.monotonic() < end:
        time.sleep(0.05)
    assert first.holder.beat >= beat + 5
    with pytest.raises(HeldError):
        lease(store).take()
    first.close()


@pytest.mark.parametrize("renewed", [-1e6, 1e6], ids=["expired", "from the future"])
def test_a_lease_that_nobody_renews_is_taken_over_once_it_was_watched(store: Store, renewed: float) -> None:
    left_by(store, number=4, renewed=time.time() + renewed)
    texts: list[str] = []
    mine = Lease(store, "r", texts.append, TERM)
    mine.take()
    assert "looks expired: watching it" in texts[0] and leases(store) == ["lease/00000005.json"]
    mine.close()


def test_a_fresh_lease_of_another_machine_is_not_taken_over(store: Store) -> None:
    left_by(store, renewed=time.time() + 0.0, term=600.0)
    with pytest.raises(HeldError, match=r"process 7 on far.* expires in [56]\d\d s"):
        lease(store).take()
    assert leases(store) == ["lease/00000001.json"]


def test_a_run_with_another_clock_is_seen_to_live(store: Store) -> None:
    """Its lease looks expired by ours, but is renewed while we watch."""
    left = left_by(store, renewed=5.0, term=30.0)  # for so long it is watched at most
    stop = threading.Event()

    def renew() -> None:
        beat = left.beat
        while not stop.wait(TERM / 6):
            beat += 1
            store.put("lease/00000001.json", json.dumps(asdict(replace(left, beat=beat))).encode())

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        with pytest.raises(HeldError, match="on far"):
            lease(store).take()
    finally:
        stop.set()
        thread.join()


def test_a_run_whose_process_is_gone_from_this_machine_is_replaced_at_once(tmp_path: Path) -> None:
    code = "import sys; from dataengine.storage.lease import Lease; from dataengine.storage.store import Store; "
    code += "Lease(Store(sys.argv[1]), 'r', term=3600).take(); print('held', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    with pytest.raises(HeldError, match=f"process {process.pid} "):
        lease(Store(tmp_path)).take()
    process.kill()
    process.communicate()
    mine = lease(Store(tmp_path))
    mine.take()
    assert leases(Store(tmp_path)) == ["lease/00000002.json"]
    mine.close()


@pytest.mark.slow
def test_processes_of_one_run_share_its_lease_and_leave_it_to_expire(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUN, "nightly-7")
    first, second = (Lease(store, "r", term=600.0) for _ in range(2))
    first.take()
    second.take()
    monkeypatch.delenv(RUN)
    other = lease(store)
    with pytest.raises(HeldError, match="run nightly-7"):
        other.take()
    first.close()
    second.close()
    assert leases(store) == ["lease/00000001.json"]
    left = json.loads(store.get("lease/00000001.json"))
    store.put("lease/00000001.json", json.dumps({**left, "renewed": left["renewed"] - 601, "term": TERM}).encode())
    other.take()
    other.close()


def test_a_run_that_was_displaced_is_told(store: Store) -> None:
    mine = lease(store)
    mine.take()
    left_by(store, number=2, renewed=time.time())
    end = time.monotonic() + 100 * TERM
    with pytest.raises(HeldError, match="on far"):
        while time.monotonic() < end:
            mine.take()
            time.sleep(0.02)
    mine.close()
    assert "lease/00000002.json" in leases(store)


def test_of_many_at_once_at_most_one_holds(store: Store) -> None:
    runs = [lease(store) for _ in range(8)]
    barrier, held = threading.Barrier(len(runs)), []

    def take(run: Lease) -> None:
        barrier.wait()
        try:
            run.take()
            held.append(run)
        except HeldError:
            pass

    threads = [threading.Thread(target=take, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) <= 1
    for run in held:
        run.close()
    assert leases(store) == []


def test_a_run_takes_the_lease_with_its_first_write_and_gives_it_back(tmp_path: Path) -> None:
    recipe, plan = letters.recipe(tmp_path), letters.plan("ab")
    rival = lease(Store(tmp_path))
    rival.take()
    with pytest.raises(HeldError):
        execute(recipe, plan=plan, engine=InProcess())
    rival.close()
    execute(recipe, plan=plan, engine=InProcess())
    assert leases(Store(tmp_path)) == []
    other = lease(Store(tmp_path))
    other.take()
    assert {r.state for r in execute(recipe, plan=plan, engine=InProcess())} == {"up to date"}
    other.close()


def test_two_versions_of_the_engine_do_not_share_a_run(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks of one scheduled run, one of them on a node that was not upgraded."""
    monkeypatch.setenv(RUN, "nightly")
    left_by(store, engine="0.0.9 (code 00000000)", renewed=time.time(), term=60.0)
    mine = lease(store)
    with pytest.raises(HeldError) as caught:
        mine.take()
    text = str(caught.value)
    assert "two versions of the engine in run nightly: process 7 on far has dataengine 0.0.9 (code 00000000)" in text
    assert f"this one {mine.holder.engine}." in text and caught.value.exit_code == 5
    left_by(store, engine=mine.holder.engine, renewed=time.time(), term=60.0)
    mine.take()
    mine.close()


def test_an_upgraded_run_goes_on_once_the_old_tasks_are_gone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUN, "nightly")
    left_by(store, engine="0.0.9 (code 00000000)", renewed=time.time() - 1e6, term=TERM)
    mine = lease(store)
    mine.take()
    [key] = leases(store)
    assert json.loads(store.get(key))["engine"] == mine.holder.engine
    mine.close()


def test_the_lease_of_a_later_version_is_a_lease(store: Store) -> None:
    """It may say more than this version knows."""
    content = asdict(left_by(store, renewed=time.time(), term=60.0)) | {"invented": [1]}
    store.put("lease/00000001.json", json.dumps(content).encode())
    with pytest.raises(HeldError, match="process 7 on far"):
        lease(store).take()
