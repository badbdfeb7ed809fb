"""Runs from Python: in this thread and beside it, cancelled, interrupted, failed, and again after each."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import letters

import dataengine
from dataengine import pipeline
from dataengine.api.notebook import NotebookProgress, notebook_display
from dataengine.progress import PartReport, RunReport, Silent, StageReport
from dataengine.stage import RecordEngine
from dataengine.storage.lease import holders
from dataengine.storage.store import Store
from dataengine.testing import InProcess
from dataengine.timings import Work

TEXT = "abcdefghijklmnopqrst"


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The stages that recipes have; 0.05 seconds a part."""
    stages: list[Any] = [*letters.plan(TEXT, 0.05)]
    monkeypatch.setattr(pipeline, "stages", lambda recipe: stages)
    yield stages


def run(folder: Path, engine: RecordEngine | None = None, **options: Any) -> dataengine.Run:
    options = {"progress": False, "record_engine": engine or InProcess()} | options
    return dataengine.run(letters.recipe(folder), **options)


class Signals(Silent):
    """Says when the first part is made; ``error`` is raised then. The run waits there for ``cancel``, if that is to come."""

    def __init__(self, error: BaseException | None = None, waits: bool = False) -> None:
        self.begun, self.error = threading.Event(), error
        self._goes_on = threading.Event()
        if not waits:
            self._goes_on.set()

    def cancel(self, one: dataengine.Run) -> None:
        """Cancel the run that waits, which lasts until it has ended."""
        cancelling = threading.Thread(target=one.cancel)
        cancelling.start()
        assert one._watch.cancelled.wait(60)
        self._goes_on.set()
        cancelling.join()

    def advance(self, part: PartReport) -> None:
        self.begun.set()
        assert self._goes_on.wait(300)
        if self.error is not None:
            raise self.error


def is_free(folder: Path) -> bool:
    return not holders(Store(folder))


def test_a_run_and_its_stages(tmp_path: Path, plan: list[Any]) -> None:
    first = run(tmp_path)
    assert [(one.name, one.state, one.made) for one in first.stages] == [("count", "done", 20), ("sum", "done", 1)]
    assert first.state == "done" and first.wait() is first and "done, 2 stages" in repr(first)
    beside = run(tmp_path, wait=False).wait()
    assert [one.state for one in beside.stages] == ["up to date"] * 2
    beside.cancel()
    assert beside.state == "done", "what has ended is not cancelled"


def test_a_cancelled_run_keeps_what_is_committed(tmp_path: Path, plan: list[Any]) -> None:
    signals = Signals(waits=True)
    one = run(tmp_path, progress=signals, wait=False)
    assert signals.begun.wait(300) and one.state == "running"
    with pytest.raises(dataengine.UsageError, match="another run is at work in this process"):
        run(tmp_path / "other")
    signals.cancel(one)
    assert one.state == "cancelled" and one.stages == [] and is_free(tmp_path)
    with pytest.raises(dataengine.CancelledError, match="Committed work is kept"):
        one.wait()
    again = run(tmp_path)
    assert again.state == "done" and 0 < again.stages[0].made < len(TEXT)


def test_an_interrupted_run_ends_its_workers(tmp_path: Path, plan: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(letters.CountWorker, "close", lambda self: closed.append(True))
    with pytest.raises(KeyboardInterrupt, match="run again to resume") as kept:
        run(tmp_path, progress=Signals(KeyboardInterrupt()))
    assert closed == [True] and is_free(tmp_path) and kept.value.__traceback__ is not None
    assert run(tmp_path).stages[0].made == len(TEXT) - 1


def test_a_failed_run(tmp_path: Path, plan: list[Any]) -> None:
    (tmp_path / "fail").mkdir()
    (tmp_path / "fail" / "c").touch()
    with pytest.raises(dataengine.RunError, match="part-c cannot be made"):
        run(tmp_path)
    beside = run(tmp_path, wait=False)
    for _ in range(2):
        with pytest.raises(dataengine.RunError, match="part-c cannot be made"):
            beside.wait()
    assert beside.state == "failed" and "part-c cannot be made" in repr(beside)
    (tmp_path / "fail" / "c").unlink()
    assert run(tmp_path).state == "done"


@pytest.mark.slow
def test_on_ray_twice_and_after_an_interrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "stages", lambda recipe: [*letters.plan(TEXT, 0.3)])

    def committed() -> int:
        return len(list((tmp_path / "stages" / "count" / "parts").glob("*.json")))

    with pytest.raises(KeyboardInterrupt):
        dataengine.run(letters.recipe(tmp_path), progress=Signals(KeyboardInterrupt()))
    done = -1
    while done != (done := committed()):  # a worker that is being ended may still have been writing
        time.sleep(1)
    assert done < len(TEXT), "no worker goes on"
    signals = Signals(waits=True)
    beside = dataengine.run(letters.recipe(tmp_path), progress=signals, wait=False)
    assert signals.begun.wait(300)
    signals.cancel(beside)
    assert beside.state == "cancelled" and is_free(tmp_path)
    last = dataengine.run(letters.recipe(tmp_path), progress=False)
    assert last.state == "done" and last.stages[0].made < len(TEXT) - done


HOSTILE = "<script>\x1b[2J\u202e"


def test_progress_in_a_notebook_is_one_table_drawn_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[list[str]] = []

    def show(text: str) -> Any:
        shown.append([text])
        return shown[-1].append

    clock = iter(range(1000))
    monkeypatch.setattr("dataengine.api.notebook.time.monotonic", lambda: float(next(clock)))
    progress = NotebookProgress(show)
    progress.begin(RunReport("1", HOSTILE, "work", ("count", "sum", "old")))
    progress.end(StageReport("old", "up to date", 3))
    progress.start("count", 10, 4)
    progress.advance(PartReport("count", "a", {}, 0, Work()))
    progress.note("count", HOSTILE)
    progress.tick()
    progress.end(StageReport("count", "done", 10, 4, 12.34))
    progress.finish(dataengine.RunError(f"lost {HOSTILE}"))
    [drawings] = shown
    assert len(drawings) > 4 and any("value='7'" in one and "7/10" in one for one in drawings)
    assert "12.3 s" in drawings[-1] and "1 stages are up to date" in drawings[-1] and "ended: lost" in drawings[-1]
    assert not any("<script>" in one or "\x1b" in one or "\u202e" in one for one in drawings)
    assert notebook_display() is None, "no notebook here"


def test_it_is_drawn_a_few_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr("dataengine.api.notebook.time.monotonic", lambda: 100.0)
    progress = NotebookProgress(lambda text: drawn.append)
    progress.begin(RunReport("1", "a", "work", ("count",)))
    progress.start("count", 1000, 1000)
    for _ in range(1000):
        progress.advance(PartReport("count", "a", {}, 0, Work()))
    assert drawn == []
    progress.finish(None)
    assert len(drawn) == 1 and "1,000/1,000" in drawn[0] and "done" in drawn[0]
