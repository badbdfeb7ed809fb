"""A tokenized document as it is stored, and its arrays in each layout.

Both discrete layouts are stored alike: the first token of each row, -1 in its place for codes, and the codes' global ids apart. A
row of text takes one position in either; a row of N codes one position in next-block layout, N with one code a position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dataengine.sequence.model import MediaSpan

#: In ``first``: a row of codes.
CODE = -1
I32: TypeAlias = NDArray[np.int32]
U8: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Document:
    """``first`` (R,) int32 token of each row, ``codes`` (V, N) int32 global ids of its V rows of codes, ``roles`` (R,) and
    ``loss`` (R,) uint8, ``cuts`` rows before which it may be split, ``media`` spans of rows."""

    first: I32
    codes: I32
    roles: U8
    loss: U8
    cuts: I32
    media: tuple[MediaSpan, ...] = ()

    def length(self, layout: str) -> int:
        """Positions in a layout."""
        return positions_of(len(self.first), len(self.codes), self.codes.shape[1], layout)

    def to_bytes(self) -> bytes:
        """The arrays one after the other, little-endian."""
        first = self.first.astype("<i4", copy=False).tobytes()
        codes = self.codes.astype("<i4", copy=False).tobytes() if len(self.codes) else b""
        return b"".join((first, codes, self.roles.tobytes(), self.loss.tobytes()))


def positions_of(rows: int, visual: int, codebooks: int, layout: str) -> int:
    """Positions that ``rows`` rows, ``visual`` of them codes, take in a layout."""
    return rows + visual * (codebooks - 1) if layout == "codes" else rows


def from_bytes(data: bytes, rows: int, visual: int, codebooks: int, media: Sequence[MediaSpan] = ()) -> Document:
    """The inverse of ``Document.to_bytes``, without cuts. Raises ValueError for another size."""
    if len(data) != 6 * rows + 4 * visual * codebooks:
        raise ValueError(f"{len(data):,} bytes are not {rows:,} rows and {visual:,} of {codebooks} codes")
    first = np.frombuffer(data, "<i4", rows).astype(np.int32)
    codes = np.frombuffer(data, "<i4", visual * codebooks, 4 * rows).astype(np.int32).reshape(visual, codebooks)
    rest = np.frombuffer(data, np.uint8, 2 * rows, 4 * rows + 4 * visual * codebooks)
    return Document(first, codes, rest[:rows], rest[rows:], np.empty(0, np.int32), tuple(media))


def piece(document: Document, start: int, stop: int) -> Document:
    """Rows ``[start, stop)``."""
    before = int((document.first[:start] == CODE).sum())
    inside = int((document.first[start:stop] == CODE).sum())
    media = tuple(
        replace(span, start=span.start - start, stop=span.stop - start)
        for span in document.media
        if span.start >= start and span.stop <= stop
    )
    return Document(
        document.first[start:stop],
        document.codes[before : before + inside],
        document.roles[start:stop],
        document.loss[start:stop],
        np.empty(0, np.int32),
        media,
    )


@dataclass(frozen=True, eq=False)
class Expanded:
    """A document's arrays in a layout: ``tokens`` (L,) or (L, N + 1), ``roles`` and ``loss`` (L,)."""

    tokens: I32
    roles: U8
    loss: U8


def expand(document: Document, layout: str, eob: int) -> Expanded:
    """The arrays of a document. Rows of next-block prediction are filled with ``eob``."""
    if layout == "blocks":
        tokens = np.full((len(document.first), document.codes.shape[1] + 1), eob, np.int32)
        tokens[:, 0] = document.first
        tokens[document.first == CODE, :-1] = document.codes
        return Expanded(tokens, document.roles, document.loss)
    if layout != "codes" or not len(document.codes):
        return Expanded(document.first, document.roles, document.loss)
    visual = document.first == CODE
    counts = np.where(visual, document.codes.shape[1], 1)
    flat = np.repeat(document.first, counts)
    flat[flat == CODE] = document.codes.reshape(-1)
    return Expanded(flat, np.repeat(document.roles, counts), np.repeat(document.loss, counts))
