"""The examples run on a release, as the documentation says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.slow
@pytest.mark.parametrize(
    "example, options",
    [("dataloader.py", ["--workers", "1", "--batch", "2"]), ("next_block_rows.py", ["--max-length", "4000"])],
)
def test_an_example_reads_every_sample(small: Path, example: str, options: list[str]) -> None:
    command = [sys.executable, str(EXAMPLES / example), str(small), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    samples = re.search(r"([\d,]+) samples, .*\d", done.stdout)
    assert samples and int(samples[1].replace(",", "")) >= 4


def test_every_example_is_named_in_the_documentation() -> None:
    pages = "".join(
        page.read_text() for page in [*EXAMPLES.parent.glob("*.md"), *(EXAMPLES.parent / "docs").glob("*.md")]
    )
    examples = sorted(EXAMPLES.glob("*.py"))
    assert examples and all(f"examples/{example.name}" in pages for example in examples)
