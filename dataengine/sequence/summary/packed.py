"""The summary layout of packed sequences: summaries put in, taken out, and the labels and visibility of what is stored.

A sequence with summaries is a packed sequence like any other, whose summary positions have the role SUMMARY and no loss.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dataengine.sequence.model import DocumentSpan, MediaSpan, PackedSequence, Role
from dataengine.sequence.summary.insert import (
    IGNORED,
    Summarised,
    chunk_documents,
    insert,
    next_token_labels,
    remove,
    spread,
)
from dataengine.sequence.summary.settings import SummarySettings

_VISUAL = (Role.CODE, Role.MEDIA)


def with_summaries(sequence: PackedSequence, settings: SummarySettings, fill: int = 0) -> PackedSequence:
    """The sequence with summary tokens after its chunks; its padding is chunked too. ``fill``: the end of block, where tokens
    are rows. Raises ValueError for a sequence that has summaries already."""
    if (sequence.roles == Role.SUMMARY).any():
        raise ValueError("the sequence has summary tokens already")
    visual = np.isin(sequence.roles, _VISUAL)
    done = insert(sequence.tokens, sequence.positions, sequence.cu_seqlens, settings, visual=visual, fill=fill)
    places = np.append(np.flatnonzero(~done.summary), len(done.summary))
    return PackedSequence(
        done.tokens,
        spread(sequence.roles, done.summary, Role.SUMMARY),
        spread(sequence.loss_mask, done.summary, 0),
        done.positions,
        done.cu_seqlens,
        *_moved(sequence, places),
    )


def without_summaries(sequence: PackedSequence) -> PackedSequence:
    """The inverse of ``with_summaries`` (positions come back where those of text are the original ones)."""
    summary = sequence.roles == Role.SUMMARY
    before = np.concatenate([[0], np.cumsum(~summary)])
    return PackedSequence(
        remove(sequence.tokens, summary),
        remove(sequence.roles, summary),
        remove(sequence.loss_mask, summary),
        sequence.positions[..., ~summary],
        before[sequence.cu_seqlens].astype(np.int32),
        *_moved(sequence, before),
    )


def chunks_of(sequence: PackedSequence, settings: SummarySettings) -> Summarised:
    """The chunks of a sequence with summaries, for ``visibility``. Raises ValueError where it does not end with a summary."""
    summary = sequence.roles == Role.SUMMARY
    if not summary.any() or not summary[-1]:
        raise ValueError("the sequence does not end with a summary token: it has no summary layout")
    after = np.flatnonzero(summary & ~np.append(summary[1:], False)) + 1
    borders = np.concatenate([[0], np.cumsum(~summary)[after - 1]]).astype(np.int64)
    text = np.concatenate([[0], np.cumsum(~summary)])[sequence.cu_seqlens].astype(np.int32)
    documents = chunk_documents(borders, text, settings)
    return Summarised(sequence.tokens, sequence.positions, summary, sequence.cu_seqlens, borders, documents)


def labels_of(sequence: PackedSequence) -> NDArray[np.int64]:
    """(L,) or (L, N) labels: at each position the next token of its document that is no summary, where that has loss; -100
    elsewhere. Of rows all columns are labels, also those after the first end of block (``tokenize.pack`` masks them)."""
    summary = sequence.roles == Role.SUMMARY
    before = np.concatenate([[0], np.cumsum(~summary)])
    labels = next_token_labels(
        remove(sequence.tokens, summary),
        remove(sequence.loss_mask, summary),
        before[sequence.cu_seqlens].astype(np.int32),
    )
    return spread(labels, summary, IGNORED)


def _moved(
    sequence: PackedSequence, places: NDArray[np.int64]
) -> tuple[tuple[DocumentSpan, ...], tuple[MediaSpan, ...]]:
    """Documents and media with their positions moved to ``places``."""

    def at(span: DocumentSpan | MediaSpan) -> dict[str, int]:
        return {"start": int(places[span.start]), "stop": int(places[span.stop])}

    documents = tuple(replace(span, **at(span)) for span in sequence.documents)  # type: ignore[arg-type]
    return documents, tuple(replace(span, **at(span)) for span in sequence.media)  # type: ignore[arg-type]
