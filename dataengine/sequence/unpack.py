"""Tokens back to samples: the texts and codes of each document of a packed sequence of a discrete layout, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import RunError
from dataengine.sequence.model import DocumentSpan, PackedSequence
from dataengine.sequence.text_tokenizer import TextTokenizer
from dataengine.tokenize.base import Codes
from dataengine.tokenize.rows import codes_of
from dataengine.tokenize.vocabulary import Layout


@dataclass(frozen=True)
class Unpacked:
    """A document's texts and codes in their order; special tokens and markers are left out. A text between two special tokens is
    one text."""

    span: DocumentSpan
    parts: tuple[str | Codes, ...]


def unpack(sequence: PackedSequence, layout: Layout, tokenizer: TextTokenizer) -> Iterator[Unpacked]:
    """Each document of a sequence. Raises RunError for codes that are cut (a piece of a split document) or another layout's."""
    for span, tokens in sequence.pieces():
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
    words = layout.vocabulary
    at = held = 0
    first = rows[:, 0]
    special = np.isin(first, tokenizer.special_ids)
    while at < len(rows):
        if first[at] == words.vision_start:
            stop = at + 1 + int(np.flatnonzero(first[at:] == words.vision_end)[0])
            yield from codes_of(rows[at:stop], layout, tokenizer.decode)
            at = stop
        elif special[at]:
            at += 1
        else:
            held = at
            while at < len(rows) and not special[at]:
                at += 1
            yield tokenizer.decode(first[held:at].tolist())
