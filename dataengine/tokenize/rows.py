"""Codes and text as rows of next-block prediction, and back: pure numpy, as in the Kelix report (arXiv 2602.09843).

A sample is ``(L, N + 1)``: one row a position, ``[t, EOB, EOB, …]`` for a token of text and ``[c1, …, cN, EOB]`` for a visual
token with the global ids of its N codes. A run of codes stands between ``<|vision_start|>`` and ``<|vision_end|>``, and before
each row of the patch grid ``<|mm_pos_start|>row,columns<|mm_pos_end|>``. Frames of a video have ``<|frame|>`` and their seconds
before them; fast ones stand between ``<|fast_start|>`` and ``<|fast_end|>`` (Keye-VL-1.5, arXiv 2509.01563).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from dataengine.media.video.sampling import FAST, SLOW
from dataengine.tokenize.base import Codes, Timeline, code_dtype
from dataengine.tokenize.vocabulary import Decode, Layout

Rows = NDArray[np.int64]
#: Text, ids, or codes of a picture or video.
Part = str | Sequence[int] | Codes

_CODE = -1


def rows_of(parts: Iterable[Part], layout: Layout) -> Rows:
    """``(L, N + 1)`` rows of the parts, one after the other; nothing is put between or around them.

    Raises ValueError for codes that do not fit the layout's codebooks, and for ids that text cannot have.
    """
    first: list[int] = []
    codes: list[NDArray[np.int64]] = []
    for part in parts:
        if isinstance(part, Codes):
            first += visual_ids(part, layout)
            codes.append(global_ids(part, layout))
        else:
            first += text_ids(part, layout)
    rows = np.full((len(first), layout.width), layout.vocabulary.eob, np.int64)
    rows[:, 0] = first
    if codes:
        rows[rows[:, 0] == _CODE, :-1] = np.concatenate(codes)
    return rows


def global_ids(codes: Codes, layout: Layout) -> NDArray[np.int64]:
    """``(T, N)`` ids in the language model's vocabulary. Raises ValueError for codes of other codebooks."""
    sizes = np.array(layout.codebook_sizes, np.int64)
    if codes.tokens.shape[1] != len(sizes):
        raise ValueError(f"codes of {codes.tokens.shape[1]} codebooks, the layout has {len(sizes)}")
    local = codes.tokens.astype(np.int64)
    if (local >= sizes).any():
        raise ValueError(f"codes past the end of codebooks with {layout.codebook_sizes} entries")
    global_ids: NDArray[np.int64] = local + layout.offsets
    return global_ids


def text_ids(part: str | Sequence[int], layout: Layout) -> list[int]:
    """Ids of a text; ids pass through. Raises ValueError for ids past the vocabulary, the end of block, and special tokens
    that a text has spelled."""
    words = layout.vocabulary
    ids = [int(i) for i in (layout.encode(part) if isinstance(part, str) else part)]
    if wrong := [i for i in ids if not 0 <= i < words.vocab_size or i == words.eob]:
        raise ValueError(f"{wrong[0]} is not the id of a text token")
    if isinstance(part, str) and (spelled := set(ids).intersection(words.special)):
        raise ValueError(f"a text has the special token {min(spelled)}: {part[:80]!r}")
    return ids


def visual_ids(codes: Codes, layout: Layout) -> list[int]:
    """First column of the rows of a picture or video, with -1 in place of each row of codes."""
    words = layout.vocabulary
    ids = [words.vision_start]
    line = codes.timeline
    if line is None and codes.grid[0] == 1:
        ids += _grid_ids(*codes.grid[1:], layout)
    else:
        t, h, w = codes.grid
        frames = (
            zip(line.kinds, line.times, line.grids(codes.grid), strict=True) if line else [(SLOW, None, (h, w))] * t
        )
        for kind, seconds, grid in frames:
            ids += [words.frame, *(layout.encode(f"{seconds:.1f}") if seconds is not None else ())]
            inside = _grid_ids(*grid, layout) if layout.frame_markers else [_CODE] * (grid[0] * grid[1])
            ids += [words.fast_start, *inside, words.fast_end] if kind == FAST else inside
    return [*ids, words.vision_end]


def _grid_ids(h: int, w: int, layout: Layout) -> list[int]:
    words = layout.vocabulary
    ids: list[int] = []
    for row in range(words.first_row, words.first_row + h):
        ids += [words.mm_pos_start, *layout.encode(f"{row},{w}"), words.mm_pos_end, *[_CODE] * w]
    return ids


def codes_of(rows: Rows, layout: Layout, decode: Decode | None = None, dtype: DTypeLike | None = None) -> list[Codes]:
    """The codes of all pictures and videos in rows, in order: the inverse of ``rows_of``.

    ``decode`` reads the seconds of frames and is needed where there are any; they are rounded to 0.1. ``dtype``: the smallest
    that holds the codebooks. A video without fast frames has its slow grid in ``Timeline.fast``, one without slow frames the
    fast one in ``grid``: the rows do not tell. Raises ValueError for runs that are damaged or another layout's, and for
    videos where the layout has no ``frame_markers``.
    """
    words, first = layout.vocabulary, rows[:, 0]
    starts, ends = (np.flatnonzero(first == i) for i in (words.vision_start, words.vision_end))
    if len(starts) != len(ends) or (starts > ends).any() or (starts[1:] < ends[:-1]).any():
        raise ValueError("begins and ends of vision do not take turns")
    dtype = code_dtype(layout.codebook_sizes) if dtype is None else dtype
    return [_visual(rows[a + 1 : b], layout, decode, dtype) for a, b in zip(starts, ends, strict=True)]


def _visual(rows: Rows, layout: Layout, decode: Decode | None, dtype: DTypeLike) -> Codes:
    """The codes of one run, without its begin and end."""
    words = layout.vocabulary
    borders = np.flatnonzero(rows[:, 0] == words.frame)
    if not len(borders):
        h, w = _grid(rows, layout)
        return Codes(_local(rows, layout, dtype), (1, h, w))
    frames = [_frame(part[1:], layout, decode) for part in np.split(rows, borders)[1:]]
    if borders[0]:
        raise ValueError("codes stand before the first frame")
    slow = {grid for kind, _, grid in frames if kind == SLOW}
    fast = {grid for kind, _, grid in frames if kind == FAST}
    if len(slow) > 1 or len(fast) > 1:
        raise ValueError(f"slow frames have grids of {sorted(slow)}, fast ones of {sorted(fast)}")
    [(h, w)] = slow or fast
    [small] = fast or slow
    times = [seconds for _, seconds, _ in frames if seconds is not None]
    if times and len(times) < len(frames):
        raise ValueError("some frames have no time")
    kinds = tuple(kind for kind, _, _ in frames)
    line = Timeline(kinds, tuple(times), small) if times else None
    return Codes(_local(rows, layout, dtype), (len(frames), h, w), line)


def _frame(rows: Rows, layout: Layout, decode: Decode | None) -> tuple[int, float | None, tuple[int, int]]:
    """Kind, seconds and grid of what follows a ``<|frame|>``."""
    words, first = layout.vocabulary, rows[:, 0]
    marks = np.flatnonzero((first == words.mm_pos_start) | (first == words.fast_start))
    if not len(marks):
        raise ValueError("a frame without codes")
    head, body = first[: marks[0]].tolist(), rows[marks[0] :]
    fast = body[0, 0] == words.fast_start
    if fast and body[-1, 0] != words.fast_end:
        raise ValueError("a fast frame without its end")
    if head and decode is None:
        raise ValueError("frames have times: decode is needed to read them")
    seconds = float(decode(head)) if head and decode else None
    return (FAST if fast else SLOW), seconds, _grid(body[1:-1] if fast else body, layout)


def _grid(rows: Rows, layout: Layout) -> tuple[int, int]:
    """(h, w) of one picture or frame, whose rows are exactly what such a grid has."""
    h = int((rows[:, 0] == layout.vocabulary.mm_pos_start).sum())
    codes = int(is_visual(rows, layout).sum())
    w = codes // h if h else 0
    expected = np.where(is_visual(rows, layout), _CODE, rows[:, 0])
    if not w or _grid_ids(h, w, layout) != expected.tolist():
        raise ValueError(f"{codes} tokens and {h} row markers are not the rows of a grid")
    return h, w


def is_visual(rows: Rows, layout: Layout) -> NDArray[np.bool_]:
    """(L,) whether each row is one of codes: its first token lies past the text's vocabulary."""
    return rows[:, 0] >= layout.vocabulary.vocab_size


def _local(rows: Rows, layout: Layout, dtype: DTypeLike) -> NDArray[Any]:
    local = rows[is_visual(rows, layout), :-1] - layout.offsets
    if (local < 0).any() or (local >= np.array(layout.codebook_sizes)).any():
        raise ValueError("a code lies outside its codebook")
    return local.astype(dtype)
