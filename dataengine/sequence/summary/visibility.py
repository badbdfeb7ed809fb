"""Who sees whom under the summary layout, in O(chunks) numbers (Kwai Summary Attention, arXiv 2604.24432).

A text token sees the text of its own chunk up to itself, all text of the W chunks before, and of older chunks the summaries
alone: no chunk is seen both ways. A summary token sees all text of its own chunk and that chunk's summaries up to itself.
Where documents are kept apart, nothing before the first chunk of a document is seen from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dataengine.sequence.summary.insert import Summarised


@dataclass(frozen=True, eq=False)
class Visibility:
    """By chunk (C,), positions in the sequence with summaries: its text is [``start``, ``text_end``), its summaries
    [``text_end``, ``end``). Its text sees all text of chunks [``near``, c) and all summaries of chunks [``first``, ``near``)."""

    start: NDArray[np.int64]
    text_end: NDArray[np.int64]
    end: NDArray[np.int64]
    near: NDArray[np.int64]
    first: NDArray[np.int64]

    @property
    def length(self) -> int:
        """Positions of the sequence."""
        return int(self.end[-1])

    @cached_property
    def chunk_of(self) -> NDArray[np.int64]:
        """(L',) chunk of each position."""
        return np.repeat(np.arange(len(self.start)), self.end - self.start)

    @cached_property
    def is_summary(self) -> NDArray[np.bool_]:
        """(L',) whether a position is a summary."""
        return np.asarray(np.arange(self.length) >= self.text_end[self.chunk_of])

    def keys_of(self, position: int) -> list[tuple[int, int]]:
        """Ranges of positions that one position sees, in order, neighbouring ones joined."""
        c = int(np.searchsorted(self.end, position, side="right"))
        own = (int(self.start[c]), position + 1)
        if position >= self.text_end[c]:
            return [own]
        far = [(int(self.text_end[d]), int(self.end[d])) for d in range(self.first[c], self.near[c])]
        near = [(int(self.start[d]), int(self.text_end[d])) for d in range(self.near[c], c)]
        ranges: list[tuple[int, int]] = []
        for begin, end in [*far, *near, own]:
            if ranges and ranges[-1][1] == begin:
                begin = ranges.pop()[0]
            ranges.append((begin, end))
        return ranges

    def keys(self) -> int:
        """Pairs of a position and one that it sees: what attention computes."""
        texts, summaries = self.text_end - self.start, self.end - self.text_end
        text_before = np.concatenate([[0], np.cumsum(texts)])
        summaries_before = np.concatenate([[0], np.cumsum(summaries)])
        chunks = np.arange(len(texts))
        outside = (
            text_before[chunks] - text_before[self.near] + summaries_before[self.near] - summaries_before[self.first]
        )
        own = texts * (texts + 1) // 2 + summaries * texts + summaries * (summaries + 1) // 2
        return int((texts * outside + own).sum())


def visibility(sequence: Summarised, window: int) -> Visibility:
    """Of a layer with a window of so many chunks."""
    lengths = np.diff(sequence.borders)
    summaries = int(sequence.summary.sum()) // len(lengths)
    end = np.cumsum(lengths + summaries)
    chunks = np.arange(len(lengths))
    first = np.searchsorted(sequence.documents, sequence.documents, side="left").astype(np.int64)
    near = np.maximum(chunks - window, first)
    return Visibility(end - lengths - summaries, end - summaries, end, near, first)


def dense_mask(sequence: Summarised, window: int) -> NDArray[np.bool_]:
    """(L', L') whether a row's position sees a column's, straight from the rules, token by token: the reference that tests
    compare with; its memory is quadratic."""
    length = len(sequence.summary)
    chunk, document = np.zeros(length, int), np.zeros(length, int)
    c = 0
    for position in range(length):
        chunk[position] = c
        document[position] = sequence.documents[c]
        if sequence.summary[position] and (position + 1 == length or not sequence.summary[position + 1]):
            c += 1
    mask = np.zeros((length, length), np.bool_)
    for q in range(length):
        for k in range(q + 1):
            behind = chunk[q] - chunk[k]
            if behind == 0:
                mask[q, k] = True
            elif not sequence.summary[q] and document[q] == document[k]:
                mask[q, k] = sequence.summary[k] == (behind > window)
    return mask
