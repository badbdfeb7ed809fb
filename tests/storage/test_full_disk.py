"""A full disk ends a run with a message, wherever it is met; /dev/full is one."""

from __future__ import annotations

import errno
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from dataengine.cli.common import exits
from dataengine.engines.ray_gang import cause_of
from dataengine.errors import RunError
from dataengine.stage import Job, Part
from dataengine.storage.disk import disk_error
from dataengine.storage.release_folder import ReleaseFolder
from dataengine.storage.store import Store

FULL = OSError(errno.ENOSPC, "No space left on device")
MESSAGE = r"No space left on device\. Committed work is kept: make room .* rerun to resume"
NOWHERE = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")


def test_a_shard_that_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new#0").symlink_to("/dev/full")
    monkeypatch.setattr(uuid, "uuid4", lambda: SimpleNamespace(hex="new"))
    with pytest.raises(RunError, match=f"{tmp_path}: {MESSAGE}"):
        ReleaseFolder(Store(tmp_path), "r").put_tar("shards/a.tar", iter([("a.txt", b"x" * 100_000)]), 1)
    assert not list(tmp_path.iterdir()), "nothing is left of it"


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), Store(tmp_path).new_file() as path:
        path.open()
    assert str(disk_error(NOWHERE)).startswith("No usable temporary directory found in ['/tmp']. Committed work")
    assert disk_error(ValueError("x")) is None and disk_error(OSError(errno.EIO, "x")) is None


def test_in_a_worker_of_ray_and_in_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    job = Job(Part("train-00000", "key", None), "marker", in_place=False)
    assert "train-00000" in str(cause_of(SimpleNamespace(cause=ValueError("x")), job))
    error = cause_of(SimpleNamespace(cause=FULL), job)
    assert isinstance(error, RunError) and str(error).startswith("partition train-00000: No space left on device. ")

    @exits
    def command() -> None:
        raise OSError(errno.EROFS, "Read-only file system", "/data/ws")

    with pytest.raises(typer.Exit) as left:
        command()
    assert left.value.exit_code == 1
    assert capsys.readouterr().err.startswith("error: /data/ws: Read-only file system. Committed work is kept")
