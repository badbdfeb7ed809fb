"""The log of runs in a workspace, and what ``dataengine status`` reads from it on any machine."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from support import letters
from support.command import dataengine

from dataengine.cli import follow as following
from dataengine.errors import RunError
from dataengine.monitoring import run_log, watch
from dataengine.pipeline import execute
from dataengine.stage import Run
from dataengine.storage.lease import Lease, holders
from dataengine.storage.store import Store
from dataengine.storage.workspace import canonical_json
from dataengine.testing.in_process import InProcess


def run(workspace: Path, text: str = "abc", dry_run: bool = False) -> watch.RecipeStatus:
    recipe = letters.recipe(workspace)
    reports = execute(recipe, plan=letters.plan(text), engine=InProcess(), dry_run=dry_run)
    store = Store(workspace)
    return watch.planned(store, recipe.name, reports) if dry_run else watch.status(store, recipe.name)


def states(status: watch.RecipeStatus) -> dict[str, str]:
    return {stage.stage: stage.state for stage in status.stages}


def test_a_finished_run_is_known_from_the_workspace_alone(tmp_path: Path) -> None:
    status = run(tmp_path)
    assert (status.state, states(status)) == ("finished", {"count": "done", "sum": "done"})
    count = status.stages[0]
    assert (count.parts, count.finished, count.counts) == (3, 3, {"letters": 3})
    assert status.holder is None and status.run is not None and status.run.exit_code == 0


def test_a_run_with_nothing_to_do_writes_nothing(tmp_path: Path) -> None:
    run(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}
    run(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")} == before


def test_a_plan_says_what_is_done_pending_and_changed_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert states(run(tmp_path, dry_run=True)) == {"count": "pending", "sum": "waiting"}
    assert list(tmp_path.iterdir()) == []
    run(tmp_path)
    assert states(run(tmp_path, dry_run=True)) == {"count": "done", "sum": "done"}
    changed = run(tmp_path, "abcd", dry_run=True)
    assert states(changed) == {"count": "changed", "sum": "waiting"}
    assert (changed.stages[0].finished, changed.stages[0].parts) == (3, 4)
    assert changed.stages[0].why == "what it lists changed"
    monkeypatch.setattr(letters.Sum, "version", "2")
    newer = run(tmp_path, dry_run=True)
    assert [s.why for s in newer.stages] == ["", "the engine's code changed (1 to 2)"]


def test_a_failed_run_names_its_stage_and_error_without_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(self: letters.Sum, run: Run, key: str) -> None:
        raise RunError("https://me:hunter2@host/x was lost\nwith open sesame\x1b[1m")

    monkeypatch.setenv("MY_API_TOKEN", "open sesame")
    monkeypatch.setattr(letters.Sum, "compute", lost)
    with pytest.raises(RunError):
        run(tmp_path)
    status = watch.status(Store(tmp_path), "letters")
    assert status.run is not None and (status.state, status.run.exit_code) == ("failed", 1)
    assert states(status) == {"count": "done", "sum": "failed"}
    assert status.run.error == "https://[redacted]@host/x was lost\nwith [redacted]\\x1b[1m"
    stored = b"".join(p.read_bytes() for p in tmp_path.rglob("*.json"))
    assert b"hunter2" not in stored and b"open sesame" not in stored


def _running(workspace: Path) -> Lease:
    """A run at work on the first stage, as its objects tell another machine."""
    run(workspace, "ab")
    store = Store(workspace)
    lease = Lease(store, "letters", term=600.0)
    log = run_log.RunLog(store)
    log.begin(run_log.RunReport(lease.holder.run, "letters", str(workspace), ("count", "sum")))
    lease.take()
    log.start("count", 4, 2)
    return lease


def test_a_run_at_work_is_seen_and_a_killed_one_told_apart(tmp_path: Path) -> None:
    lease = _running(tmp_path)
    status = watch.status(Store(tmp_path), "letters")
    assert (status.state, states(status)) == ("running", {"count": "running", "sum": "waiting"})
    [(number, holder)] = holders(Store(tmp_path)).items()
    lease.close()
    assert watch.status(Store(tmp_path), "letters").state == "killed", "its lease is gone, and it said no last word"
    foreign = replace(holder, machine="elsewhere", renewed=time.time() - 6000)
    Store(tmp_path).put(f"lease/{number:08d}.json", canonical_json(asdict(foreign)))
    assert states(watch.status(Store(tmp_path), "letters")) == {"count": "killed", "sum": "not reached"}


def test_follow_shows_changes_and_ends_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_SECONDS", 0.05)
    update, shown = following._Lines.update, threading.Event()

    def updated(self: following._Lines, status: watch.RecipeStatus) -> None:
        update(self, status)
        shown.set()

    monkeypatch.setattr(following._Lines, "update", updated)
    lease = _running(tmp_path)
    store = Store(tmp_path)

    def end() -> None:
        log = run_log.read(store, "letters")
        assert log.run is not None
        assert shown.wait(60)
        failed = replace(log.run, state="failed", error="the disk is full", exit_code=4)
        store.put("runs/letters/run.json", canonical_json(asdict(failed)))

    thread = threading.Thread(target=end)
    thread.start()
    done = dataengine("status", str(tmp_path), "--follow", "--json", ok=False)
    thread.join()
    lease.close()
    assert done.returncode == 4
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["state"] for line in lines] == ["running", "failed"]
    assert lines[0]["holder"]["run"] == lease.holder.run and "machine" not in lines[0]["holder"]


def test_the_command_on_a_workspace(tmp_path: Path) -> None:
    run(tmp_path)
    table = dataengine("status", str(tmp_path))
    assert "finished" in table.stdout and "3 letters" in table.stdout
    raw = json.loads(dataengine("status", str(tmp_path), "--json", "--name", "letters").stdout)
    assert [stage["state"] for stage in raw["stages"]] == ["done", "done"]
    for arguments, message in ((("--name", "x"), "there are letters"), (("--workspace", "w"), "name the workspace")):
        done = dataengine("status", str(tmp_path), *arguments, ok=False)
        assert done.returncode == 2 and message in done.stderr
    empty = dataengine("status", str(tmp_path / "letters"), ok=False)
    assert empty.returncode == 2 and "no run has reported here" in empty.stderr


def test_damage_in_the_log_counts_as_none(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / "runs/letters/run.json").write_text("[]")
    (tmp_path / "runs/letters/stages/sum.json").write_text('{"stage": 1}')
    status = watch.status(Store(tmp_path), "letters")
    assert (status.state, states(status)) == ("new", {"count": "done"})


@pytest.mark.parametrize(
    ("change", "state", "stages"),
    [
        ({"since": "noon"}, "new", ["count", "sum"]),
        ({"counts": [1]}, "finished", ["count"]),
        ({"seconds": None}, "finished", ["count"]),
        ({"of_a_later_version": 1}, "finished", ["count", "sum"]),
    ],
)
def test_fields_that_cannot_be_used_count_as_damage_and_later_ones_are_passed_over(
    tmp_path: Path, change: dict[str, object], state: str, stages: list[str]
) -> None:
    run(tmp_path)
    for name in ("run", "stages/sum"):
        path = tmp_path / f"runs/letters/{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    status = watch.status(Store(tmp_path), "letters")
    assert (status.state, [s.stage for s in status.stages if s.state == "done"]) == (state, stages)
