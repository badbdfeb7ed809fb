"""Tokens back to samples: the texts of each document of a packed sequence with its codes, or spans of media, exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import RunError
from dataengine.sequence.model import DocumentSpan, MediaSpan, PackedSequence
from dataengine.sequence.text_tokenizer import TextTokenizer
from dataengine.tokenize.base import Codes
from dataengine.tokenize.rows import codes_of
from dataengine.tokenize.vocabulary import Layout


@dataclass(frozen=True)
class Unpacked:
    """A document's texts and codes in their order; special tokens and markers are left out. A text between two special tokens is
    one text. In continuous layouts a picture or video is the spans of its frames, as positions of the sequence."""

    span: DocumentSpan
    parts: tuple[str | Codes | tuple[MediaSpan, ...], ...]


def unpack(sequence: PackedSequence, layout: Layout | None, tokenizer: TextTokenizer) -> Iterator[Unpacked]:
    """Each document of a sequence; ``layout`` of its codes, None for continuous layouts. Raises RunError for codes that are cut
    (a piece of a split document) or another layout's."""
    for span, tokens in sequence.pieces():
        if layout is None:
            yield Unpacked(span, tuple(_media_parts(tokens, span.start, sequence.media, tokenizer)))
            continue
        rows = tokens if tokens.ndim == 2 else _rows(tokens, layout)
        try:
            yield Unpacked(span, tuple(_parts(rows.astype(np.int64), layout, tokenizer)))
        except ValueError as error:
            raise RunError(f"document {span.id}: {error}") from None


def _rows(tokens: NDArray[np.int32], layout: Layout) -> NDArray[np.int32]:
    """Rows of N codes, of tokens with one code a position."""
    codebooks = layout.width - 1
    visual = tokens >= layout.vocabulary.vocab_size
    if visual.sum() % codebooks:
        raise RunError(f"{visual.sum()} codes do not fill rows of {codebooks}")
    # Of each run of codes the first of every N begins a row.
    number = np.cumsum(visual) - 1
    begins = ~visual | (number % codebooks == 0)
    rows = np.full((int(begins.sum()), layout.width), layout.vocabulary.eob, np.int32)
    rows[:, 0] = tokens[begins]
    rows[rows[:, 0] >= layout.vocabulary.vocab_size, :-1] = tokens[visual].reshape(-1, codebooks)
    return rows


def _parts(rows: NDArray[np.int64], layout: Layout, tokenizer: TextTokenizer) -> Iterator[str | Codes]:
    for visual, part in _runs(rows[:, 0], tokenizer):
        if visual:
            yield from codes_of(rows[part], layout, tokenizer.decode)
        else:
            yield tokenizer.decode(rows[part, 0].tolist())


def _media_parts(
    tokens: NDArray[np.int32], start: int, media: Sequence[MediaSpan], tokenizer: TextTokenizer
) -> Iterator[str | tuple[MediaSpan, ...]]:
    for visual, part in _runs(tokens, tokenizer):
        if visual:
            yield tuple(m for m in media if start + part.start <= m.start and m.stop <= start + part.stop)
        else:
            yield tokenizer.decode(tokens[part].tolist())


def _runs(first: NDArray[np.signedinteger[Any]], tokenizer: TextTokenizer) -> Iterator[tuple[bool, slice]]:
    """Runs of text, and (True) those from a begin of vision to its end."""
    special = np.isin(first, tokenizer.special_ids)
    at = 0
    while at < len(first):
        if first[at] == tokenizer.special["vision_start"]:
            ends = np.flatnonzero(first[at:] == tokenizer.special["vision_end"])
            if not len(ends):
                raise RunError("a begin of vision has no end: the document was cut there")
            stop = at + 1 + int(ends[0])
            yield True, slice(at, stop)
            at = stop
        elif special[at]:
            at += 1
        else:
            following = np.flatnonzero(special[at:])
            stop = at + int(following[0]) if len(following) else len(first)
            yield False, slice(at, stop)
            at = stop
