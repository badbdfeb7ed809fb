"""Reads a sequence of ids from a file: a JSON list, or an id a line."""

from __future__ import annotations

import json
from pathlib import Path

from dataengine.errors import UsageError

_BYTES = 16 << 20


def well_formed(option: str, text: str) -> str:
    """The text. Raises UsageError where it is not Unicode: halves of surrogate pairs, or bytes that no UTF-8 is."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{option} {text!a} is no well-formed text: give it in UTF-8") from None
    return text


def read(path: Path) -> list[str]:
    """Ids, the oldest first. Raises UsageError for a file that holds none."""
    if not path.is_file():
        raise UsageError(f"--history {path}: {'a folder, not a file' if path.is_dir() else 'no such file'}")
    if path.stat().st_size > _BYTES:
        raise UsageError(f"--history {path} has more than {_BYTES >> 20} MiB: give one sequence of ids")
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
        ids = json.loads(text) if text.startswith(("[", "{")) else [*filter(None, map(str.strip, text.split("\n")))]
    except OSError as error:
        raise UsageError(f"--history {path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--history {path} is no JSON list and no text with an id a line: {error}") from None
    if not ids:
        raise UsageError(f"--history {path} is empty: give ids, as a JSON list or one a line")
    if not isinstance(ids, list) or not all(isinstance(i, str | int) and not isinstance(i, bool) for i in ids):
        raise UsageError(f"--history {path}: give ids (texts or whole numbers), as a JSON list or one a line")
    return [well_formed("--history", str(id_)) for id_ in ids]
