"""The command ``dataengine``: called in this process where the start of a process is not the point, else as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

COMMAND = str(Path(sys.executable).with_name("dataengine"))
WIDE = {"COLUMNS": "200", "RAY_USAGE_STATS_ENABLED": "0"}


@dataclass(frozen=True)
class Completed:
    """What a call of the command printed and how it ended."""

    returncode: int
    stdout: str
    stderr: str


def dataengine(*arguments: str, ok: bool = True) -> Completed:
    """Call the command in this process, on its Ray and Spark session if they run; with ``ok`` it must succeed.

    Workers of Ray have the environment of when Ray started: what they shall read from a test's own (credentials of S3)
    needs ``dataengine_process``.
    """
    from dataengine.cli.main import app

    done = CliRunner(env=WIDE).invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0 or not ok, done.stdout + done.stderr
    return Completed(done.exit_code, done.stdout, done.stderr)


def dataengine_process(*arguments: str, ok: bool = True, **kwargs: Any) -> Completed:
    """Run the command as a user does; with ``ok`` it must succeed."""
    kwargs = {"env": {**os.environ, **WIDE}, **kwargs}
    done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False, **kwargs)
    assert done.returncode == 0 or not ok, done.stdout + done.stderr
    return Completed(done.returncode, done.stdout, done.stderr)
