"""The benchmark of sequences with few documents."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_benchmark_of_sequences_goes_through_the_stages(tmp_path: Path) -> None:
    sizes = ("--documents", "2000", "--texts", "300", "--staged", "400", "--length", "2048", "--rounds", "1")
    command = [sys.executable, "-m", "benchmarks", "sequence", *sizes, "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "sequence.md").read_text()
    assert "| 32,768 | concatenate and cut |" in text and "| sequence.pack |" in text and "imbalance before" in text
