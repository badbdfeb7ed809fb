"""SIGTERM as Ray starts (to the whole process group, as schedulers send it), in a stage and in a shuffle of Spark: exit code 143;
no lease, folder or process is left; a rerun has the same bytes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.clusters import processes
from support.command import COMMAND, WIDE
from support.small_corpus import Setup, digests

SECONDS = 600.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """For temporary files; of a short name, for Ray's sockets."""
    path = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def ray_starts(folder: Path, setup: Setup) -> bool:
    return any(folder.glob("dataengine-tmp-ray-*/session_*/logs/*"))


def a_part_is_there(folder: Path, setup: Setup) -> bool:
    return any(Path(setup.workspace, "stages").glob("ingest/parts/**/*.json"))


def spark_shuffles(folder: Path, setup: Setup) -> bool:
    return any(folder.glob("dataengine-tmp-spark-*/blocks/**/shuffle_*"))


def is_reached(point: Callable[[Path, Setup], bool], folder: Path, setup: Setup) -> bool:
    """Folders may go while they are listed."""
    with suppress(FileNotFoundError):
        return point(folder, setup)
    return False


POINTS: list[tuple[Callable[[Path, Setup], bool], Callable[[int, int], None], tuple[str, ...]]] = [
    (ray_starts, os.killpg, ()),
    (a_part_is_there, os.kill, ("--workers", "2")),
    (spark_shuffles, os.kill, ("--engine", "spark")),
]


def of_session(session: int) -> list[str]:
    """Commands of the processes that a run started, as far as they are still there."""
    return [command for pid, (_, command) in processes().items() if command and _session(pid) == session]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def terminated(
    setup: Setup,
    folder: Path,
    reached: Callable[[Path, Setup], bool],
    send: Callable[[int, int], None],
    options: tuple[str, ...],
) -> str:
    """Send SIGTERM to a run once a point is reached; its standard error."""
    environment = {**os.environ, **WIDE, "TMPDIR": str(folder), "RAY_TMPDIR": str(folder)}
    command = [COMMAND, "run", str(setup.recipe), *options]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    end = time.monotonic() + SECONDS
    while not is_reached(reached, folder, setup):
        assert process.poll() is None and time.monotonic() < end, "ended before the point was reached"
        time.sleep(0.005)
    send(process.pid, signal.SIGTERM)
    _, text = process.communicate(timeout=SECONDS)
    assert process.returncode == 143, text
    end = time.monotonic() + SECONDS
    while (left := of_session(process.pid)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left
    return text


def test_sigterm_ends_a_run_and_the_next_goes_on(base: Setup, tmp_path: Path, folder: Path) -> None:
    setup = Setup(tmp_path, base.corpus, str(tmp_path / "ws")).write()
    for reached, send, options in POINTS:
        text = terminated(setup, folder, reached, send, options)
        assert text.splitlines()[-1] == "Terminated. Committed work is kept; rerun to resume."
        assert "Traceback" not in text and "SIGTERM received" not in text, text
        assert not list(Path(setup.workspace, "lease").glob("*")), "the lease is given back"
        assert not list(folder.glob("dataengine-*")), "no temporary folder stays"
    setup.run()
    assert digests(setup.release) == digests(base.release)
