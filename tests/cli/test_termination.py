"""SIGTERM ends a command as Ctrl-C does: with 143, one line, and whatever its end needs done first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import typer
from typer.testing import CliRunner

from dataengine.cli.common import exits
from dataengine.cli.termination import Terminated
from dataengine.errors import RunError
from dataengine.progress import exit_code


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    before, hook = signal.getsignal(signal.SIGTERM), sys.unraisablehook
    yield
    signal.signal(signal.SIGTERM, before)
    sys.unraisablehook = hook


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def twice() -> None:
    try:
        terminate()
    finally:
        terminate()  # to the process, then to its group: the end goes on
        print("lease given back")


def dropped() -> None:
    """Python drops what is raised in a finalizer, as beside a fork."""

    class Finalizer:
        def __del__(self) -> None:
            terminate()

    Finalizer()
    time.sleep(20)


def worse() -> None:
    """An engine's own error for a query that the signal interrupted."""
    try:
        terminate()
    except KeyboardInterrupt:
        raise RuntimeError("query interrupted") from None


def lost() -> None:
    try:
        terminate()
    except KeyboardInterrupt:
        raise RunError("a worker died") from None


def interrupt() -> None:
    raise KeyboardInterrupt


def spoiled() -> None:
    """An interrupted call fails as it is given up, as Spark's do."""
    try:
        interrupt()
    finally:
        fail()


def fail() -> None:
    raise RunError("no space left")


TERMINATED = "Terminated. Committed work is kept; rerun to resume.\n"
CASES = [
    (terminate, 143, TERMINATED),
    (twice, 143, TERMINATED),
    (dropped, 143, TERMINATED),
    (worse, 143, TERMINATED),
    (lost, 143, TERMINATED),
    (interrupt, 130, "Interrupted. Committed work is kept; rerun to resume.\n"),
    (spoiled, 130, "Interrupted. Committed work is kept; rerun to resume.\n"),
    (fail, 1, "error: no space left\n"),
]


@pytest.mark.parametrize(("command", "code", "text"), CASES)
def test_how_a_command_ends(command: Callable[[], None], code: int, text: str) -> None:
    app = typer.Typer()
    app.command()(exits(command))
    ended = CliRunner().invoke(app, [])
    assert (ended.exit_code, ended.stderr) == (code, text)
    assert ended.stdout == ("lease given back\n" if command is twice else "")


def test_a_bug_keeps_its_traceback_and_the_process_its_handler() -> None:
    before = signal.getsignal(signal.SIGTERM)

    @exits
    def bug() -> None:
        assert signal.getsignal(signal.SIGTERM) != before
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bug()
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_a_run_reports_of_its_end_is_what_it_exits_with() -> None:
    assert (exit_code(Terminated()), exit_code(KeyboardInterrupt())) == (143, 130)


def test_what_is_registered_for_the_exit_runs_before_it_is_left_at_once() -> None:
    script = (
        "import atexit; from dataengine.cli.termination import leave; atexit.register(print, 'deleted'); leave(143)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (143, "deleted\n", "")
