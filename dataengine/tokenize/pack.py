"""Samples of rows with their loss, and many samples packed into one sequence, as the Kelix trainer takes them (arXiv
2602.09843 and its code). Attention and labels never cross from one sample to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataengine.tokenize.rows import Part, Rows, is_visual, rows_of
from dataengine.tokenize.vocabulary import Layout, Vocabulary

#: Label of a position without loss.
IGNORED = -100


@dataclass(frozen=True, eq=False)
class Sample:
    """``rows`` (L, N + 1) int64 and ``loss`` (L,) bool: whether a row is to be predicted from those before it."""

    rows: Rows
    loss: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Pack:
    """Samples one after the other, then padding, L rows in all; ``labels`` and ``weights`` as ``labels_of`` and ``weights_of``.
    ``cu_seqlens`` are the borders of the samples and of the padding, ``sample_idx`` (L,) counts the samples and is -1 in
    the padding, ``positions`` (L,) start at 0 in each."""

    rows: Rows
    labels: NDArray[np.int64]
    weights: NDArray[np.float32]
    positions: NDArray[np.int64]
    sample_idx: NDArray[np.int32]
    cu_seqlens: NDArray[np.int32]


def document(parts: Iterable[Part], layout: Layout, *, vision_loss: bool = False) -> Sample:
    """A sample for pre-training: text and codes in any order, then ``<|endoftext|>``, which has no loss (as there). Without
    ``vision_loss`` nothing from ``<|vision_start|>`` to ``<|vision_end|>`` has. Raises ValueError as ``rows_of``."""
    rows = rows_of([*parts, [layout.vocabulary.end_of_text]], layout)
    return _sample(rows, np.ones(len(rows), np.bool_), layout, vision_loss)


def chat(
    turns: Iterable[tuple[str, Sequence[Part]]],
    layout: Layout,
    *,
    system: str | None = "You are a helpful assistant.",
    vision_loss: bool = False,
) -> Sample:
    """Turns of (role, parts) in ChatML, with loss on the assistant's alone, ``<|im_end|>`` and line break included.

    ``system`` goes before them, where the first is no system turn. Raises ValueError as ``rows_of``.
    """
    words, conversation = layout.vocabulary, list(turns)
    if system is not None and not (conversation and conversation[0][0] == "system"):
        conversation.insert(0, ("system", [system]))
    parts: list[Part] = []
    for role, content in conversation:
        head = words.assistant if role == "assistant" else layout.encode(f"{role}\n")
        parts += [[words.im_start, *head], *content, [words.im_end, words.line_break]]
    rows = rows_of([*parts, [words.end_of_text]], layout)
    return _sample(rows, assistant_turns(rows, words), layout, vision_loss)


def assistant_turns(rows: Rows, words: Vocabulary) -> NDArray[np.bool_]:
    """(L,) from after ``<|im_start|>assistant\\n`` to ``<|im_end|>\\n``, which is included."""
    first = rows[:, 0]
    begins = _occurrences(first, (words.im_start, *words.assistant)) + 1 + len(words.assistant)
    ends = _occurrences(first, (words.im_end, words.line_break)) + 2
    inside = np.zeros(len(rows) + 1, np.int64)
    for begin in begins:
        after = ends[ends > begin]
        inside[begin] += 1
        inside[after[0] if len(after) else len(rows)] -= 1
    return np.cumsum(inside[:-1]) > 0


def labels_of(sample: Sample, layout: Layout) -> NDArray[np.int64]:
    """``(L, N + 1)``: at each position the next row up to its first end of block, that included; IGNORED behind it, in rows
    without loss and at the last position."""
    blocks = sample.rows == layout.vocabulary.eob
    wanted = (np.cumsum(blocks, axis=1) - blocks == 0) & sample.loss[:, None]
    targets = np.where(wanted, sample.rows, IGNORED)
    return np.concatenate([targets[1:], np.full((1, layout.width), IGNORED)])


def weights_of(labels: NDArray[np.int64], layout: Layout) -> NDArray[np.float32]:
    """``(L, N + 1)`` weight of each label, 0 for IGNORED: ``(2 + N + 1) / 2`` a row, shared by its 2 tokens if it is text and
    its N + 1 if it is codes, so that both kinds of row weigh the same."""
    row = (2 + layout.width) / 2
    shared = np.where(is_visual(labels, layout), row / layout.width, row / 2)
    return np.where(labels == IGNORED, 0, shared[:, None]).astype(np.float32)


def pack(samples: Iterable[Sample], layout: Layout, max_length: int, multiple: int = 8) -> Iterator[Pack]:
    """Samples in their order, as many to a pack as ``max_length`` rows hold, padded to a multiple with ``<|endoftext|>``.

    Raises ValueError for a sample longer than that: codes cannot be shrunk, leave it out or tokenize with fewer tokens.
    """
    if multiple < 1 or max_length < 1 or max_length % multiple:
        raise ValueError(f"a pack of {max_length} rows is no multiple of {multiple}")
    waiting: list[Sample] = []
    length = 0
    for number, sample in enumerate(samples):
        if len(sample.rows) > max_length:
            raise ValueError(f"sample {number} has {len(sample.rows)} rows, a pack {max_length}")
        if length + len(sample.rows) > max_length:
            yield _packed(waiting, layout, multiple)
            waiting, length = [], 0
        waiting.append(sample)
        length += len(sample.rows)
    if waiting:
        yield _packed(waiting, layout, multiple)


def _packed(samples: Sequence[Sample], layout: Layout, multiple: int) -> Pack:
    lengths = [len(s.rows) for s in samples]
    index = [np.full(n, i, np.int32) for i, n in enumerate(lengths)]
    labels = [labels_of(s, layout) for s in samples]
    rows = [s.rows for s in samples]
    if missing := -sum(lengths) % multiple:
        lengths.append(missing)
        index.append(np.full(missing, -1, np.int32))
        rows.append(rows_of([[layout.vocabulary.end_of_text] * missing], layout))
        labels.append(np.full((missing, layout.width), IGNORED))
    joined = np.concatenate(labels)
    return Pack(
        np.concatenate(rows),
        joined,
        weights_of(joined, layout),
        np.concatenate([np.arange(n) for n in lengths]),
        np.concatenate(index),
        np.cumsum([0, *lengths], dtype=np.int32),
    )


def _sample(rows: Rows, loss: NDArray[np.bool_], layout: Layout, vision_loss: bool) -> Sample:
    words, first = layout.vocabulary, rows[:, 0]
    loss[-1] = False
    if not vision_loss:
        begun = np.cumsum(first == words.vision_start)
        ended = np.cumsum(first == words.vision_end) - (first == words.vision_end)
        loss = loss & (begun == ended)
    return Sample(rows, loss)


def _occurrences(ids: NDArray[np.int64], pattern: Sequence[int]) -> NDArray[np.int64]:
    """Indices at which ``pattern`` begins."""
    if len(ids) < len(pattern):
        return np.empty(0, np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(ids, len(pattern))
    return np.flatnonzero((windows == np.array(pattern)).all(axis=1))
