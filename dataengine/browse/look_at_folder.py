"""What a first recipe says of a folder: files that are neither media nor beside any, and what the texts beside media hold."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from dataengine.config.selection import CaptionForm, compiled

_SIDECARS = (".txt", ".json")
#: Patterns of one list, single names among them, texts that are read, and characters of each.
_PATTERNS, _NAMES, _TEXTS, _CHARACTERS = 8, 4, 40, 4000
_SENTENCE_ENDS = (".", "!", "?", "…", ":", ";", '"', "”", "。", "！", "？")


def chosen(names: Iterable[str], count: int) -> list[str]:
    """So many of the names, always the same, from everywhere in the list."""
    return heapq.nsmallest(count, names, key=lambda name: hashlib.sha256(name.encode("utf-8", "replace")).digest())


def excluded(names: Sequence[str], kind_of: Callable[[str], str]) -> tuple[list[str], int]:
    """Patterns for files that would only be failures, and how many these are: other endings than those of pictures and videos,
    and texts beside nothing. No patterns where there are too many kinds of them."""
    media = [name for name in names if kind_of(name) in ("image", "video")]
    stems = {*media, *(str(PurePosixPath(name).with_suffix("")) for name in media)}
    endings: Counter[str] = Counter()
    alone: list[str] = []
    for name in names:
        path = PurePosixPath(name)
        ending = path.suffix.lower()
        if ending in _SIDECARS:
            if str(path.with_suffix("")).removesuffix(".info") not in stems:
                alone.append(name)
        elif kind_of(name) not in ("image", "video"):
            endings[f"*{path.suffix}" if path.suffix else f"/{name}"] += 1
    patterns = [*endings, *(f"/{name}" for name in alone if len(alone) <= _NAMES)]
    patterns = [one for one in patterns if one.isprintable() and not set(one) & set("[]?\\") and "*" not in one[1:]]
    if len(patterns) > _PATTERNS:
        return [], 0
    patterns = [
        one for one in patterns if not any(map(compiled(one).fullmatch, media))
    ]  # a folder may be called `raw.old`
    return sorted(patterns), sum(endings[one] for one in patterns) + sum(f"/{name}" in patterns for name in alone)


def caption_form(folder: Path, names: Sequence[str]) -> tuple[CaptionForm, int]:
    """How the texts beside media seem to be meant, and how many of those that were read have several lines: one sentence that
    goes on from line to line is a caption in all of them."""
    several, wrapped = 0, 0
    for name in chosen((n for n in names if n.lower().endswith(".txt")), _TEXTS):
        with suppress(OSError):
            with (folder / name).open(encoding="utf-8", errors="replace") as file:
                lines = [line.strip() for line in file.read(_CHARACTERS).splitlines() if line.strip()]
            several += len(lines) > 1
            wrapped += len(lines) > 1 and all(map(_goes_on, lines[:-1], lines[1:]))
    return ("whole" if several and wrapped > several / 2 else "lines"), several


def _goes_on(line: str, following: str) -> bool:
    return not line.endswith(_SENTENCE_ENDS) and not following[0].isupper()
