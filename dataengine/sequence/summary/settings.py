"""Settings of the summary layout, with those of the published recipe (arXiv 2604.24432 and its code) as defaults."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dataengine.errors import UsageError
from dataengine.text.layer_windows import PUBLISHED, parse_windows


class TextPositions(StrEnum):
    """Position ids of text: as without summary tokens, or from 0 in each chunk."""

    origin = "origin"
    inner_chunk = "inner_chunk"


class SummaryPositions(StrEnum):
    """Position ids of the summary tokens of a chunk, which is cut into as many slices: each has the position of the last token
    of its own slice, of the last token before it (at least the chunk's first), or 0."""

    right = "last_chunk_slice_right"
    left = "last_chunk_slice_left"
    zeros = "zeros"


class Documents(StrEnum):
    """``across``: chunks and attention go on over the borders of documents, as published. ``within``: a chunk ends with its
    document, and nothing of another document is visible."""

    across = "across"
    within = "within"


@dataclass(frozen=True)
class SummarySettings:
    """``chunk`` text tokens, then ``tokens`` summary tokens, of ids ``begin``, ``begin`` + 1, … — or all 0 where the model has
    an embedding of its own for them (``independent``, as in the published recipe). ``windows``: how many chunks before its own
    a text token sees as text, by layer; older ones it sees by their summaries. Raises UsageError."""

    chunk: int = 8
    tokens: int = 1
    begin: int = 151_936
    independent: bool = True
    text_positions: TextPositions = TextPositions.origin
    summary_positions: SummaryPositions = SummaryPositions.right
    windows: str | int = PUBLISHED
    documents: Documents = Documents.across
    align_visual: bool = False

    def __post_init__(self) -> None:
        for name, least in (("chunk", 1), ("tokens", 1), ("begin", 0)):
            if (value := getattr(self, name)) < least:
                raise UsageError(f"summary.{name} must be at least {least}, not {value}")
        parse_windows(self.windows)

    @property
    def layers(self) -> list[int]:
        """Window of each layer; one number where it is the same in all."""
        return parse_windows(self.windows)

    @property
    def ids(self) -> list[int]:
        """Ids that stand for the summary tokens of a chunk."""
        return [0] * self.tokens if self.independent else [self.begin + i for i in range(self.tokens)]
