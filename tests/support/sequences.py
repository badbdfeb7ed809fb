"""Codes of small pictures and films, and documents as one packed sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dataengine.config.sequence import SetConfig
from dataengine.sequence.document import Document, expand
from dataengine.sequence.model import PackedSequence
from dataengine.sequence.packed import Piece, packed
from dataengine.sequence.text_tokenizer import TextTokenizer
from dataengine.tokenize.base import Codes, Timeline

SIZES = (32, 32, 16)


def picture(h: int = 2, w: int = 3, seed: int = 0) -> Codes:
    generator = np.random.default_rng(seed)
    return Codes(np.stack([generator.integers(0, n, h * w) for n in SIZES], axis=1).astype(np.uint8), (1, h, w))


def film(kinds: tuple[int, ...] = (0, 1, 0), seed: int = 0) -> Codes:
    """Slow frames of 2 x 2, fast ones of 1 x 2."""
    generator = np.random.default_rng(seed)
    count = sum(2 if kind else 4 for kind in kinds)
    tokens = np.stack([generator.integers(0, n, count) for n in SIZES], axis=1).astype(np.uint8)
    return Codes(tokens, (len(kinds), 2, 2), Timeline(kinds, tuple(0.5 * n for n in range(len(kinds))), (1, 2)))


def packed_of(documents: Sequence[Document], one: SetConfig, words: TextTokenizer) -> PackedSequence:
    """The documents in their order, called 0, 1, …"""
    eob = words.special["eob"]
    pieces = [Piece(str(n), "it", 0, 0, expand(d, one.layout, eob), d.media) for n, d in enumerate(documents)]
    codebooks = documents[0].codes.shape[1]
    return packed(pieces, one, words.special["end_of_text"], eob, codebooks)
