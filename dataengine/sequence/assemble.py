"""Tokenizes drafts in batches: one call of the text tokenizer for all texts of a batch, then arrays, document by document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import InputError
from dataengine.media.video.sampling import FAST, SLOW
from dataengine.sequence.document import CODE, I32, U8, Document
from dataengine.sequence.draft import Draft, Run, Token, Visual, Words
from dataengine.sequence.model import MediaSpan, Role
from dataengine.sequence.text_tokenizer import TextTokenizer
from dataengine.tokenize.rows import global_ids, visual_ids
from dataengine.tokenize.vocabulary import Layout

_NO_CUTS = np.empty(0, np.int32)
_ROLE, _LOSS, _PLAIN = 0xFF, 0x100, 0x200


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
        encoded = iter(self.tokenizer.encode_batch(texts))
        drafted = [self._rows(draft, encoded) for draft in drafts]
        good = [rows for rows in drafted if isinstance(rows, _Rows)]
        finished = iter(self._finished(good))
        return [next(finished) if isinstance(rows, _Rows) else rows for rows in drafted]

    def _rows(self, draft: Draft, encoded: Iterator[list[int]]) -> _Rows | InputError:
        """Takes the ids of all the draft's texts, whatever becomes of it."""
        failure = InputError("empty", "it has neither text nor media") if draft.empty else None
        rows = _Rows()
        for run in draft.runs:
            if isinstance(run, Words) and not run.special:
                rows.add(next(encoded), run.role, run.loss, plain=True)
            elif failure is None:
                try:
                    self._add(rows, run)
                except InputError as error:
                    failure = error
        return failure or rows

    def _finished(self, batch: Sequence[_Rows]) -> Iterator[Document | InputError]:
        """Arrays of the whole batch at once, of which each document has its slice."""
        ids = [ids for rows in batch for ids in rows.ids]
        lengths = np.array([len(one) for one in ids], np.int64)
        first = np.fromiter(chain.from_iterable(ids), np.int32, int(lengths.sum()))
        spans = np.repeat(np.array([span for rows in batch for span in rows.spans], np.uint16), lengths)
        roles, loss, plain = (spans & _ROLE).astype(np.uint8), (spans & _LOSS != 0).view(np.uint8), spans & _PLAIN != 0
        wrong = self._is_special[np.where(plain, first, 0)] & plain
        roles[first == CODE] = Role.CODE
        start, any_wrong, no_codes = 0, bool(wrong.any()), np.empty((0, max(1, len(self.codebook_sizes))), np.int32)
        for rows in batch:
            part = slice(start, start + rows.length)
            start += rows.length
            if any_wrong and wrong[part].any():
                text = self.tokenizer.decode(first[part][wrong[part]][:1].tolist())
                yield InputError("special_token", f"a text has the special token {text}")
            else:
                yield rows.document(first[part], roles[part], loss[part], no_codes, self._ends(rows))

    @cached_property
    def _is_special(self) -> NDArray[np.bool_]:
        """Of each id below the codes whether it is a special token's."""
        out = np.zeros(self.tokenizer.first_code, np.bool_)
        out[self.tokenizer.special_ids[self.tokenizer.special_ids < len(out)]] = True
        return out

    def _ends(self, rows: _Rows) -> NDArray[np.bool_] | None:
        """Tokens that end a sentence, where the document may have to be split."""
        splits = self.splittable_from is not None and rows.length > self.splittable_from
        return self.tokenizer.sentence_ends if splits else None

    def _add(self, rows: _Rows, run: Run) -> None:
        if isinstance(run, Token):
            if run.purpose not in self.tokenizer.special:
                raise InputError("other_codes", f"the recipe's `index.codes` have no token {run.purpose}")
            rows.add([self.tokenizer.special[run.purpose]], Role.SPECIAL, run.loss)
        elif isinstance(run, Visual):
            if self.family == "discrete":
                self._add_codes(rows, run)
            else:
                self._add_media(rows, run)
        else:
            rows.add(self.tokenizer.encode_template(run.text), run.role, run.loss)

    def _add_codes(self, rows: _Rows, run: Visual) -> None:
        if run.codes is None:
            raise InputError("no_codes", f"{run.member or run.sample} has no codes: a discrete layout cannot hold it")
        try:
            first = visual_ids(run.codes, self._layout)
            codes = global_ids(run.codes, self._layout)
        except ValueError as error:
            raise InputError("other_codes", f"sample {run.sample}: {error}") from None
        frame = self.tokenizer.special["frame"]
        rows.cuts += [rows.length + n for n, id_ in enumerate(first) if id_ == frame]
        rows.codes.append(codes)
        rows.add(first, Role.SPECIAL, run.loss)

    def _add_media(self, rows: _Rows, run: Visual) -> None:
        special = self.tokenizer.special
        rows.add([special["vision_start"]], Role.SPECIAL, False)
        pad = special["video_pad" if run.video else "image_pad"]
        for member, (kind, seconds, grid) in self._members(run):
            rows.cuts.append(rows.length)
            if run.video and self.family == "keye":
                rows.add([special["frame"], *self.tokenizer.encode(f"{seconds:.1f}")], Role.SPECIAL, False)
                if kind == FAST:
                    rows.add([special["fast_start"]], Role.SPECIAL, False)
            start, count = rows.length, grid[1] * grid[2]
            rows.add([pad] * count, Role.MEDIA, False)
            rows.media.append(MediaSpan(run.sample, member, start, start + count, grid, seconds))
            if run.video and self.family == "keye" and kind == FAST:
                rows.add([special["fast_end"]], Role.SPECIAL, False)
        rows.add([special["vision_end"]], Role.SPECIAL, False)

    def _members(self, run: Visual) -> Iterator[tuple[str, tuple[int, float, tuple[int, int, int]]]]:
        """Frames with the file of each. For ``qwen-vl`` two of a clip are one position in time, named by the first of them."""
        frames = (
            zip(run.frames, _frames(run), strict=True) if run.frames else ((run.member, one) for one in _frames(run))
        )
        step = 2 if run.frames and self.family == "qwen-vl" else 1
        return islice(frames, 0, None, step)


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
    """A document while it is made: runs of ids, and of each its role, with bits for loss and for plain text."""

    __slots__ = ("codes", "cuts", "ids", "length", "media", "spans")

    def __init__(self) -> None:
        self.length = 0
        self.ids: list[Sequence[int]] = []
        self.spans: list[int] = []
        self.codes: list[NDArray[Any]] = []
        self.cuts: list[int] = []
        self.media: list[MediaSpan] = []

    def add(self, ids: Sequence[int], role: Role, loss: bool, plain: bool = False) -> None:
        self.ids.append(ids)
        self.spans.append(role | (_LOSS if loss else 0) | (_PLAIN if plain else 0))
        self.length += len(ids)

    def document(self, first: I32, roles: U8, loss: U8, no_codes: I32, ends: NDArray[np.bool_] | None) -> Document:
        codes = np.concatenate(self.codes).astype(np.int32) if self.codes else no_codes
        cuts = _NO_CUTS if ends is None else self._all_cuts(first, roles, ends)
        return Document(first, codes, roles, loss, cuts, tuple(self.media))

    def _all_cuts(self, first: I32, roles: U8, ends: NDArray[np.bool_]) -> I32:
        """Rows after the end of a sentence and before a frame."""
        text = np.isin(roles, (Role.TEXT, Role.USER, Role.ASSISTANT, Role.REASONING, Role.TOOL_OUTPUT))
        after = np.flatnonzero(text[:-1] & ends[np.where(text, first, 0)[:-1]]) + 1
        return np.unique(np.concatenate([after, np.array(self.cuts, np.int64)])).astype(np.int32)
