"""The commit protocol and the Ray engine, with stages that count letters."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import letters

from dataengine.errors import RunError, UsageError
from dataengine.pipeline import execute
from dataengine.progress import StageReport


def states(reports: list[StageReport]) -> dict[str, tuple[str, int]]:
    return {r.name: (r.state, r.made) for r in reports}


def run(workspace: Path, text: str = "abcdef", **kwargs: object) -> dict[str, tuple[str, int]]:
    return states(execute(letters.recipe(workspace), plan=letters.plan(text), **kwargs))  # type: ignore[arg-type]


def test_a_second_run_makes_nothing_and_a_changed_input_one_part(tmp_path: Path) -> None:
    assert run(tmp_path) == {"count": ("done", 6), "sum": ("done", 1)}
    assert run(tmp_path) == {"count": ("up to date", 0), "sum": ("up to date", 0)}
    assert run(tmp_path, "abcdefg") == {"count": ("done", 1), "sum": ("done", 1)}
    assert run(tmp_path) == {"count": ("up to date", 0), "sum": ("up to date", 0)}, "the old result is still there"


def test_dry_run_says_what_would_be_made_and_writes_nothing(tmp_path: Path) -> None:
    assert run(tmp_path, dry_run=True) == {"count": ("pending", 0), "sum": ("waiting", 0)}
    assert list(tmp_path.rglob("*.json")) == []


def test_a_stage_alone_wants_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"count is not up to date: run `dataengine count RECIPE` first"):
        run(tmp_path, only="sum")
    assert run(tmp_path, only="count") == {"count": ("done", 6)}
    assert run(tmp_path, only="sum") == {"count": ("up to date", 0), "sum": ("done", 1)}


def test_a_worker_that_dies_is_replaced_and_its_part_made(tmp_path: Path) -> None:
    (tmp_path / "die").mkdir()
    (tmp_path / "die" / "c").touch()
    assert run(tmp_path)["count"] == ("done", 6)
    assert not (tmp_path / "die" / "c").exists()


def processes(workspace: Path) -> tuple[set[str], set[str]]:
    """Those that have made the parts of the first stage, and of a later one."""
    made = execute(letters.recipe(workspace), plan=[*letters.plan("abcdef", 0.1), letters.Again("abcdef", 0.1)])
    assert states(made) == {"count": ("done", 6), "sum": ("done", 1), "again": ("done", 6)}
    first, later = ({path.read_text() for path in (workspace / "pids").glob(f"{name}-*")} for name in ("part", "again"))
    return first, later


def test_small_processes_go_from_stage_to_stage(tmp_path: Path) -> None:
    first, later = processes(tmp_path)
    assert later & first


def test_processes_with_torch_do_not(tmp_path: Path) -> None:
    (tmp_path / "torch").touch()
    first, later = processes(tmp_path)
    assert not later & first


def test_processes_that_died_between_stages_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "kill").touch()
    first, later = processes(tmp_path)
    assert not later & first


def test_a_worker_that_cannot_be_read_where_it_works(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"(?s)partition part-a: .*another version of this class"):
        execute(letters.recipe(tmp_path), plan=[letters.Foreign("a", 0)])


def test_a_part_that_fails_for_good_names_itself_and_keeps_the_others(tmp_path: Path) -> None:
    (tmp_path / "fail").mkdir()
    (tmp_path / "fail" / "c").touch()
    with pytest.raises(RunError, match="part-c"):
        run(tmp_path)
    (tmp_path / "fail" / "c").unlink()
    state, made = run(tmp_path)["count"]
    assert state == "done" and made < 6


def test_killed_in_the_middle_it_goes_on_where_it_was(tmp_path: Path) -> None:
    script = "from support import letters; import pathlib, sys; from dataengine.pipeline import execute; "
    script += "execute(letters.recipe(pathlib.Path(sys.argv[1]), 1), plan=letters.plan('abcdef'))"
    (tmp_path / "hold").mkdir()  # however late the signal comes
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], start_new_session=True)
    markers = tmp_path / "stages" / "count" / "parts"
    while len(list(markers.glob("*.json"))) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list((tmp_path / "stages" / "count").glob("*.json")), "no commit without all parts"
    (tmp_path / "hold").rmdir()
    state, made = run(tmp_path)["count"]
    assert state == "done" and 1 <= made <= 3
