"""What is said of a text, and of the texts of a sample: types that the child process answers with."""

from __future__ import annotations

import msgspec

#: Of a text that a filter would keep.
PASSES = "pass"
#: Of an address that the filter fails on.
UNREADABLE = "unreadable"
#: Filters over a text, by their names in the recipe.
FILTERS = ("gopher_quality", "gopher_repetition", "c4", "fineweb")


class Verdict(msgspec.Struct, frozen=True):
    """Of one text. ``reasons``: by filter, PASSES or why datatrove would drop the text, None where the filter failed on it.
    ``emails`` and ``ips``: how many of each; ``cut``: whether the text is longer than what was judged; ``error``: what a filter
    failed with, "" where none did."""

    reasons: dict[str, str | None]
    language: str | None
    language_score: float | None
    emails: int
    ips: int
    cut: bool
    error: str


class SampleVerdict(msgspec.Struct, frozen=True):
    """Of a sample's texts, in their order, and of its address."""

    texts: list[Verdict]
    url: str | None
