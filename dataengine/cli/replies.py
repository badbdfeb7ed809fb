"""What ``dataengine cot grade`` reads and prints."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dataengine.cot.checks.grade_file import GradedLine, graded_lines
from dataengine.errors import UsageError


def graded(file: Path) -> list[GradedLine]:
    """The grades of a file's lines, of stdin for ``-``. Raises UsageError for a file that cannot be read or has no lines."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from None
    lines = list(graded_lines(text.split("\n")))
    if not lines:
        raise UsageError(f"{file} has no lines; write one JSON object a line (docs/cot.md)")
    return lines


def rows(lines: Sequence[GradedLine]) -> list[list[str]]:
    """A row a line: id, grade, answer, reasons."""
    return [[line.id, line.grade or "-", line.answer[:60], line.error or ", ".join(line.reasons)] for line in lines]


def summary(lines: Sequence[GradedLine]) -> list[tuple[str, str]]:
    """How many lines have each grade."""
    counts = Counter(line.grade or "not graded" for line in lines)
    return [(grade, f"{count:,} ({count / len(lines):.0%})") for grade, count in sorted(counts.items())]
