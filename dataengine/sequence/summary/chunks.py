"""Chunks of a token sequence: where summary tokens go (Kwai Summary Attention, arXiv 2604.24432).

A chunk is k tokens (the paper: 8), whatever documents they are of; the last is as long as what is left. On request a chunk also
ends where a document does, or where a picture begins or ends, so that none mixes two of them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Borders = NDArray[np.int64]


def chunk_borders(length: int, size: int, breaks: Iterable[int] = ()) -> Borders:
    """(C + 1,) borders of the chunks of ``length`` tokens: from 0, and from each of ``breaks``, a chunk every ``size``.

    Breaks outside the sequence change nothing. Raises ValueError for a size or length below 1.
    """
    if size < 1 or length < 1:
        raise ValueError(f"chunks of {size} tokens in a sequence of {length}: both must be at least 1")
    inside = {int(b) for b in breaks if 0 < b < length}
    starts = np.array([0, *sorted(inside)], np.int64)
    ends = np.append(starts[1:], length)
    counts = -(-(ends - starts) // size)
    first = np.repeat(starts, counts)
    number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.append(first + number * size, length).astype(np.int64)


def run_breaks(inside: NDArray[np.bool_]) -> Borders:
    """Where runs of ``inside`` (L,) begin and end: as ``breaks``, they align chunks with, say, the visual blocks."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(np.int8)))
    return edges.astype(np.int64)
