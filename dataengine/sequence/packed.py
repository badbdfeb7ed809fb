"""Puts pieces of documents into one sequence: tokens, roles, loss, positions that start anew in each, borders and padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dataengine.config.sequence import SetConfig
from dataengine.sequence.document import Expanded
from dataengine.sequence.model import DocumentSpan, MediaSpan, PackedSequence, Role
from dataengine.sequence.positions import rope_3d, text_positions


@dataclass(frozen=True)
class Piece:
    """A document, or a part of one, in its layout; ``media`` by its own positions."""

    id: str
    source: str
    part: int
    occurrence: int
    arrays: Expanded
    media: tuple[MediaSpan, ...] = ()


def packed(pieces: Sequence[Piece], one: SetConfig, padding: int, eob: int, codebooks: int) -> PackedSequence:
    """The pieces one after the other, padded to the set's length with ``padding`` (end of text). The first position of a document
    is no target: nothing before it is of the same document."""
    spans, media, starts = [], list[MediaSpan](), [0]
    for piece in pieces:
        start = starts[-1]
        stop = start + len(piece.arrays.tokens)
        spans.append(DocumentSpan(piece.id, piece.source, start, stop, piece.part, piece.occurrence))
        media += [replace(span, start=span.start + start, stop=span.stop + start) for span in piece.media]
        starts.append(stop)
    missing = one.length - starts[-1]
    pad = _padding(missing, padding, eob, codebooks if one.layout == "blocks" else None)
    loss = np.concatenate([*(p.arrays.loss for p in pieces), np.zeros(missing, np.uint8)])
    loss[np.array(starts[:-1], np.int64)] = 0
    return PackedSequence(
        np.concatenate([*(p.arrays.tokens for p in pieces), pad]),
        np.concatenate([*(p.arrays.roles for p in pieces), np.full(missing, Role.PADDING, np.uint8)]),
        loss,
        np.concatenate([*(_positions(p, one) for p in pieces), _positions_of(missing, one)], axis=-1),
        np.array([*starts, one.length] if missing else starts, np.int32),
        tuple(spans),
        tuple(media),
    )


def _padding(count: int, token: int, eob: int, codebooks: int | None) -> NDArray[np.int32]:
    if codebooks is None:
        return np.full(count, token, np.int32)
    rows = np.full((count, codebooks + 1), eob, np.int32)
    rows[:, 0] = token
    return rows


def _positions(piece: Piece, one: SetConfig) -> NDArray[np.int32]:
    length = len(piece.arrays.tokens)
    return rope_3d(length, piece.media, one.layout == "qwen-vl") if one.positions == "3d" else text_positions(length)


def _positions_of(count: int, one: SetConfig) -> NDArray[np.int32]:
    positions = text_positions(count)
    return np.stack([positions] * 3) if one.positions == "3d" else positions
