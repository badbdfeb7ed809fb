"""Which files of a folder a source takes: ``include`` and ``exclude``, patterns over names as in a ``.gitignore``."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal

from pydantic import AfterValidator


def _is_pattern(value: str) -> str:
    if not value.strip("/ "):
        raise ValueError("use a pattern such as `*.jpg`, `thumbs/` or `2024/**`")
    return value


CaptionForm = Literal["lines", "first-line", "whole"]
"""What a text beside a file holds: a caption in each line, one in its first line, or one in all lines together."""

Patterns = list[Annotated[str, AfterValidator(_is_pattern)]]
"""``*`` and ``?`` stand for any characters but ``/``, ``[ab]`` for one of several, ``**`` for any number of folders. A pattern
without a slash matches a file or folder of that name anywhere, one with a slash the path from the source's folder. What matches a
folder takes all below it; with a slash at its end it matches folders alone. Upper and lower case differ."""


@dataclass(frozen=True)
class Selection:
    """Patterns of the files that are taken (none: all) and left out. Names are relative to the folder; those of folders end with
    a slash."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def excludes(self, name: str) -> bool:
        """Whether the file or folder, or one that it lies in, is left out."""
        return any(compiled(pattern).fullmatch(name) for pattern in self.exclude)

    def takes(self, name: str) -> bool:
        """Whether a media file is an input. A folder is taken unless it is left out: what it holds is not known from its name."""
        included = not self.include or name.endswith("/") or any(compiled(p).fullmatch(name) for p in self.include)
        return included and not self.excludes(name)


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern as an expression over whole names."""
    *outer, last = pattern.strip("/").split("/")
    text = "" if "/" in pattern.rstrip("/") else r"(?:[^/]+/)*"
    for part in outer:
        text += r"(?:[^/]+/)*" if part == "**" else f"{_one(part)}/"
    below = "/.*" if pattern.endswith("/") else "(?:/.*)?"
    return re.compile(text + (".*" if last == "**" else _one(last) + below), re.S)


def _one(part: str) -> str:
    """The expression of one step of a pattern."""
    text, at = "", 0
    while at < len(part):
        end = part.find("]", at + 2) if part[at] == "[" else -1
        if end > 0:
            text += "(?!/)" + fnmatch.translate(part[at : end + 1]).removesuffix(r"\Z")
            at = end
        else:
            text += {"*": "[^/]*", "?": "[^/]"}.get(part[at]) or re.escape(part[at])
        at += 1
    return text
