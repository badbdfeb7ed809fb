"""Temporary folders go with their run; what killed runs left goes with the next, and nothing else does."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from dataengine.storage.scratch import Scratch, left_over

LEAVE = """
import os, sys
from dataengine.storage.scratch import Scratch
folder = Scratch("spark", sys.argv[1])
(folder.folder("blocks") / "0").write_text("rows")
print(folder.name, flush=True)
os._exit(9)
"""


def test_what_a_killed_run_left_goes_when_the_next_one_starts(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", LEAVE, str(tmp_path)], capture_output=True, text=True, check=False)
    left = Path(killed.stdout.strip())
    assert killed.returncode == 9 and (left / "blocks" / "0").exists()
    running = Scratch("duckdb", tmp_path)
    assert not left.exists() and running.path.parent == tmp_path


def test_only_folders_of_runs_that_are_no_more_are_left_over(tmp_path: Path) -> None:
    running = Scratch("ray", tmp_path)
    (tmp_path / "dataengine-tmp-ray-notes").write_text("a file of somebody")
    (tmp_path / "dataengine-corpus").mkdir()
    (tmp_path / "dataengine-tmp-work-link").symlink_to(tmp_path / "dataengine-corpus")
    assert list(left_over(tmp_path)) == []
    (tmp_path / "dataengine-tmp-work-old").mkdir()
    assert list(left_over(tmp_path)) == [tmp_path / "dataengine-tmp-work-old"]
    running.cleanup()
    running.cleanup()
    assert not running.path.exists() and (tmp_path / "dataengine-corpus").exists()


def test_where_folders_cannot_be_locked_none_is_taken_for_left_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(descriptor: int, how: int) -> None:
        raise OSError("Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", flock)
    first, second = Scratch("work", tmp_path), Scratch("work", tmp_path)
    assert first.path.exists() and list(left_over(tmp_path)) == []
    first.cleanup()
    assert [path.name for path in tmp_path.iterdir()] == [second.path.name]
