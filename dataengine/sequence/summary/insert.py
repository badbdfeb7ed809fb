"""Summary tokens put into a sequence, and taken out again: pure numpy (Kwai Summary Attention, arXiv 2604.24432).

Labels are built on the sequence as it was, before anything is inserted: the token after the last of a chunk is the next
chunk's first, not the summary between them. The published code derives the positions of summary tokens from ``i *
chunk_text_len`` with the length of the chunk at hand, which is wrong for a short last chunk (with one summary token only in the
mode last_chunk_slice_left); here they count from where the chunk begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dataengine.sequence.summary.chunks import Borders, chunk_borders, run_breaks
from dataengine.sequence.summary.settings import Documents, SummaryPositions, SummarySettings, TextPositions

#: Label of a position without loss.
IGNORED = -100
_Any = TypeVar("_Any", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Summarised:
    """A sequence with summary tokens, L' positions of which L are text. ``tokens`` (L',) or (L', N), ``positions`` (L',) or
    (3, L'), ``summary`` (L',) bool, ``cu_seqlens`` int32 in L'; ``borders`` (C + 1,) of the chunks in L. ``documents`` (C,)
    counts the documents of chunks where they are kept apart, and is 0 where not."""

    tokens: NDArray[np.int32]
    positions: NDArray[np.int32]
    summary: NDArray[np.bool_]
    cu_seqlens: NDArray[np.int32]
    borders: Borders
    documents: NDArray[np.int32]


def insert(
    tokens: NDArray[np.int32],
    positions: NDArray[np.int32],
    cu_seqlens: NDArray[np.int32],
    settings: SummarySettings,
    *,
    visual: NDArray[np.bool_] | None = None,
    fill: int = 0,
) -> Summarised:
    """Insert summary tokens after each chunk of ``tokens`` (L,) or (L, N).

    ``visual`` (L,) marks codes and media, for ``align_visual``; of rows, all but the first column of a summary are ``fill``.
    Raises ValueError for arrays whose lengths differ, and where ``align_visual`` has no ``visual``.
    """
    length = len(tokens)
    if positions.shape[-1] != length or (visual is not None and len(visual) != length):
        raise ValueError(f"{length} tokens, {positions.shape[-1]} positions: a position each is needed")
    borders = borders_of(length, cu_seqlens, settings, visual)
    summary = summary_mask(borders, settings.tokens)
    at = np.flatnonzero(~summary)
    return Summarised(
        _with_tokens(tokens, summary, settings, fill),
        _with_positions(positions, borders, summary, settings),
        summary,
        expanded_borders(cu_seqlens, at, len(summary)),
        borders,
        chunk_documents(borders, cu_seqlens, settings),
    )


def borders_of(
    length: int, cu_seqlens: NDArray[np.int32], settings: SummarySettings, visual: NDArray[np.bool_] | None
) -> Borders:
    """(C + 1,) borders of the chunks. Raises ValueError as ``insert``."""
    breaks: list[int] = []
    if settings.documents is Documents.within:
        breaks += cu_seqlens.tolist()
    if settings.align_visual:
        if visual is None:
            raise ValueError("chunks are aligned with visual blocks, but nothing says which tokens are visual")
        breaks += run_breaks(visual).tolist()
    return chunk_borders(length, settings.chunk, breaks)


def summary_mask(borders: Borders, tokens: int) -> NDArray[np.bool_]:
    """(L',) whether a position is one of the ``tokens`` summaries that follow each chunk."""
    lengths = np.diff(borders)
    blocks = np.stack([lengths, np.full_like(lengths, tokens)], axis=1).ravel()
    return np.repeat(np.arange(len(blocks)) % 2 == 1, blocks)


def expanded_borders(cu_seqlens: NDArray[np.int32], text_at: NDArray[np.int64], length: int) -> NDArray[np.int32]:
    """Borders of documents in the sequence with summaries: ``b + b // k`` as published, and at its end the whole length, which
    that formula misses after a short last chunk. A summary belongs to the document of the token after it."""
    places = np.append(text_at, length)
    moved: NDArray[np.int32] = places[cu_seqlens].astype(np.int32)
    return moved


def chunk_documents(borders: Borders, cu_seqlens: NDArray[np.int32], settings: SummarySettings) -> NDArray[np.int32]:
    """(C,) document of each chunk where documents are kept apart, else 0."""
    if settings.documents is Documents.across:
        return np.zeros(len(borders) - 1, np.int32)
    return (np.searchsorted(cu_seqlens, borders[:-1], side="right") - 1).astype(np.int32)


def spread(values: NDArray[_Any], summary: NDArray[np.bool_], fill: int) -> NDArray[_Any]:
    """``values`` (L, …) of the text at their places in the sequence with summaries, ``fill`` at the summaries."""
    out = np.full((len(summary), *values.shape[1:]), fill, values.dtype)
    out[~summary] = values
    return out


def remove(values: NDArray[Any], summary: NDArray[np.bool_]) -> NDArray[Any]:
    """What ``spread`` and ``insert`` were given: the inverse, for tokens, roles, masks and labels (L', …)."""
    return values[~summary]


def next_token_labels(
    tokens: NDArray[np.int32], loss_mask: NDArray[np.uint8], cu_seqlens: NDArray[np.int32] | None = None
) -> NDArray[np.int64]:
    """(L,) or (L, N) labels of the sequence without summaries: at each position the next token where ``loss_mask`` has it,
    IGNORED elsewhere, at the end and, given ``cu_seqlens``, at the end of each document (the published code goes across)."""
    shape = (-1,) + (1,) * (tokens.ndim - 1)
    wanted = loss_mask.astype(bool)
    if cu_seqlens is not None:
        wanted = wanted.copy()
        wanted[cu_seqlens[cu_seqlens < len(tokens)]] = False
    targets = np.where(wanted.reshape(shape), tokens, IGNORED).astype(np.int64)
    return np.concatenate([targets[1:], np.full((1, *tokens.shape[1:]), IGNORED, np.int64)])


def _with_tokens(
    tokens: NDArray[np.int32], summary: NDArray[np.bool_], settings: SummarySettings, fill: int
) -> NDArray[np.int32]:
    out = spread(tokens, summary, fill)
    first = out if out.ndim == 1 else out[:, 0]
    first[summary] = np.tile(np.array(settings.ids, np.int32), int(summary.sum()) // settings.tokens)
    return out


def _with_positions(
    positions: NDArray[np.int32], borders: Borders, summary: NDArray[np.bool_], settings: SummarySettings
) -> NDArray[np.int32]:
    starts, lengths = borders[:-1], np.diff(borders)
    text = positions
    if settings.text_positions is TextPositions.inner_chunk:
        inner = np.arange(positions.shape[-1]) - np.repeat(starts, lengths)
        text = np.broadcast_to(inner, positions.shape).astype(np.int32)
    out = np.empty((*positions.shape[:-1], len(summary)), np.int32)
    out[..., ~summary] = text
    out[..., summary] = _summary_positions(positions, starts, lengths, settings)
    return out


def _summary_positions(
    positions: NDArray[np.int32], starts: Borders, lengths: Borders, settings: SummarySettings
) -> NDArray[np.int32] | int:
    """Positions of all summaries in order; of the text as it was, whatever the mode of the text."""
    mode = settings.summary_positions
    if mode is SummaryPositions.zeros:
        return 0
    slices = np.arange(settings.tokens) + (1 if mode is SummaryPositions.right else 0)
    last = starts[:, None] + slices[None, :] * lengths[:, None] // settings.tokens - 1
    last_positions: NDArray[np.int32] = positions[..., np.maximum(last, starts[:, None]).ravel()]
    return last_positions
