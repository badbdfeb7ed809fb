"""Tokenizes drafts in batches: one call of the text tokenizer for all texts of a batch, then arrays, document by document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import InputError
from dataengine.media.video.sampling import FAST, SLOW
from dataengine.sequence.document import CODE, Document
from dataengine.sequence.draft import Draft, Run, Token, Visual, Words
from dataengine.sequence.model import MediaSpan, Role
from dataengine.sequence.text_tokenizer import TextTokenizer
from dataengine.tokenize.rows import global_ids, visual_ids
from dataengine.tokenize.vocabulary import Layout

_NO_CUTS = np.empty(0, np.int32)


@dataclass
class Assembler:
    """``family``: ``discrete``, or the name of a continuous layout; ``codebook_sizes`` are empty there. ``splittable_from``:
    documents with more rows have ``cuts``, where they may be split; None: none has."""

    tokenizer: TextTokenizer
    family: str
    codebook_sizes: tuple[int, ...]
    frame_markers: bool = True
    splittable_from: int | None = None

    def __post_init__(self) -> None:
        words = self.tokenizer
        sizes = self.codebook_sizes or (1,)
        self._layout = Layout(sizes, words.encode, words.vocabulary, self.frame_markers)

    def documents(self, drafts: Sequence[Draft]) -> list[Document | InputError]:
        """A document for each draft, or why there is none."""
        texts = [run.text for draft in drafts for run in draft.runs if isinstance(run, Words) and not run.special]
        ids = iter(self.tokenizer.encode_batch(texts))
        # All ids are taken off the iterator, whatever becomes of a draft.
        encoded = [[next(ids) if isinstance(r, Words) and not r.special else [] for r in d.runs] for d in drafts]
        return [self._document(draft, texts) for draft, texts in zip(drafts, encoded, strict=True)]

    def _document(self, draft: Draft, texts: Sequence[list[int]]) -> Document | InputError:
        if draft.empty:
            return InputError("empty", "it has neither text nor media")
        rows = _Rows(len(self.codebook_sizes))
        try:
            for run, ids in zip(draft.runs, texts, strict=True):
                self._add(rows, run, ids)
        except InputError as error:
            return error
        return rows.document(self._sentence_ends if self._splittable(rows) else None)

    def _splittable(self, rows: _Rows) -> bool:
        return self.splittable_from is not None and rows.length > self.splittable_from

    @property
    def _sentence_ends(self) -> NDArray[np.bool_]:
        return self.tokenizer.sentence_ends

    def _add(self, rows: _Rows, run: Run, ids: list[int]) -> None:
        if isinstance(run, Token):
            rows.add([self.tokenizer.special[run.purpose]], Role.SPECIAL, run.loss)
        elif isinstance(run, Visual):
            if self.family == "discrete":
                self._add_codes(rows, run)
            else:
                self._add_media(rows, run)
        elif run.special:
            rows.add(self.tokenizer.encode_template(run.text), run.role, run.loss)
        else:
            array = np.array(ids, np.int32)
            if np.isin(array, self.tokenizer.special_ids).any():
                raise InputError("special_token", f"a text has a special token: {run.text[:80]!r}")
            rows.add(array, run.role, run.loss)

    def _add_codes(self, rows: _Rows, run: Visual) -> None:
        if run.codes is None:
            raise InputError("no_codes", f"{run.member or run.sample} has no codes: a discrete layout cannot hold it")
        try:
            first = np.array(visual_ids(run.codes, self._layout), np.int32)
            codes = global_ids(run.codes, self._layout)
        except ValueError as error:
            raise InputError("other_codes", f"sample {run.sample}: {error}") from None
        start = rows.length
        rows.add(first, Role.SPECIAL, run.loss)
        rows.add_codes(codes, start, np.flatnonzero(first == self.tokenizer.special["frame"]))

    def _add_media(self, rows: _Rows, run: Visual) -> None:
        special = self.tokenizer.special
        rows.add([special["vision_start"]], Role.SPECIAL, False)
        pad = special["video_pad" if run.video else "image_pad"]
        for kind, seconds, grid in _frames(run):
            rows.cut()
            if run.video and self.family == "keye":
                rows.add([special["frame"], *self.tokenizer.encode(f"{seconds:.1f}")], Role.SPECIAL, False)
                if kind == FAST:
                    rows.add([special["fast_start"]], Role.SPECIAL, False)
            start, count = rows.length, grid[1] * grid[2]
            rows.add([pad] * count, Role.MEDIA, False)
            rows.media.append(MediaSpan(run.sample, run.member, start, start + count, grid, seconds))
            if run.video and self.family == "keye" and kind == FAST:
                rows.add([special["fast_end"]], Role.SPECIAL, False)
        rows.add([special["vision_end"]], Role.SPECIAL, False)


def _frames(run: Visual) -> Iterator[tuple[int, float, tuple[int, int, int]]]:
    """Kind, seconds (-1 of a picture) and grid (1, h, w) of each frame."""
    t, h, w = run.grid
    line = run.timeline
    if line is None:
        yield from ((SLOW, -1.0, (1, h, w)) for _ in range(t))
        return
    for kind, seconds, (height, width) in zip(line.kinds, line.times, line.grids(run.grid), strict=True):
        yield kind, seconds, (1, height, width)


class _Rows:
    """A document while it is made."""

    def __init__(self, codebooks: int) -> None:
        self.length = 0
        self.media: list[MediaSpan] = []
        self._codebooks = codebooks
        self._first: list[NDArray[np.int32]] = []
        self._spans: list[tuple[int, Role, bool]] = []
        self._codes: list[NDArray[Any]] = []
        self._cuts: list[int] = []

    def add(self, ids: Sequence[int] | NDArray[np.int32], role: Role, loss: bool) -> None:
        array = np.asarray(ids, np.int32)
        self._first.append(array)
        self._spans.append((len(array), role, loss))
        self.length += len(array)

    def add_codes(self, codes: NDArray[Any], start: int, frames: NDArray[Any]) -> None:
        self._codes.append(codes)
        self._cuts += [start + int(at) for at in frames]

    def cut(self) -> None:
        self._cuts.append(self.length)

    def document(self, sentence_ends: NDArray[np.bool_] | None) -> Document:
        lengths = [n for n, _, _ in self._spans]
        first = np.concatenate(self._first) if self._first else np.empty(0, np.int32)
        roles = np.repeat(np.array([r for _, r, _ in self._spans], np.uint8), lengths)
        loss = np.repeat(np.array([flag for _, _, flag in self._spans], np.uint8), lengths)
        roles[first == CODE] = Role.CODE
        codes = np.concatenate(self._codes) if self._codes else np.empty((0, max(self._codebooks, 1)))
        return Document(
            first, codes.astype(np.int32), roles, loss, self._all_cuts(first, roles, sentence_ends), tuple(self.media)
        )

    def _all_cuts(
        self, first: NDArray[np.int32], roles: NDArray[np.uint8], ends: NDArray[np.bool_] | None
    ) -> NDArray[np.int32]:
        """Rows after the end of a sentence and before a frame."""
        if ends is None:
            return _NO_CUTS
        text = np.isin(roles, (Role.TEXT, Role.USER, Role.ASSISTANT, Role.REASONING, Role.TOOL_OUTPUT))
        after = np.flatnonzero(text[:-1] & ends[np.where(text, first, 0)[:-1]]) + 1
        return np.unique(np.concatenate([after, np.array(self._cuts, np.int64)])).astype(np.int32)
