"""Executors die; what they held of a frame that is kept is made again."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_what_is_lost_with_an_executor_is_made_again() -> None:
    command = [sys.executable, "-m", "support.lost_executor"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    assert answers["killed"] >= 1 and len(answers["before"]) == 7
    assert answers["internals"] == answers["public means"] == answers["before"]
