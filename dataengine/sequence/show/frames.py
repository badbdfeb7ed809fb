"""Pictures and frames in a stored sequence: where each lies, and its codes as the visual tokenizer decodes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataengine.sequence.formats.description import SetDescription
from dataengine.sequence.model import PackedSequence, Role
from dataengine.tokenize.base import Codes, code_dtype


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture, or one frame of a video, whose codes lie in positions [``start``, ``stop``) with markers between them.

    ``codes`` is None where its rows are not marked, or do not fill a grid. ``number``: of the frame in its video, from 0;
    ``summaries``: tokens of the summary layout among them."""

    start: int
    stop: int
    number: int
    codes: Codes | None
    summaries: int = 0


def frames_of(sequence: PackedSequence, about: SetDescription) -> list[Frame]:
    """All pictures and frames of codes in a sequence, in order, with summaries or without."""
    text = np.flatnonzero(sequence.roles != Role.SUMMARY)
    first = sequence.tokens if sequence.tokens.ndim == 1 else sequence.tokens[:, 0]
    begins, ends = (text[first[text] == about.special.get(name, -1)] for name in ("vision_start", "vision_end"))
    frames: list[Frame] = []
    for begin in begins:
        after = ends[ends > begin]
        inside = text[(text > begin) & (text < (after[0] if len(after) else len(first)))]
        frames += _frames(sequence, about, first, inside)
    return frames


def _frames(
    sequence: PackedSequence, about: SetDescription, first: NDArray[np.int32], inside: NDArray[np.int64]
) -> Iterator[Frame]:
    """Of one run: the positions ``inside`` its begin and end."""
    cuts = np.flatnonzero(first[inside] == about.special.get("frame", -1))
    for number, part in enumerate(np.split(inside, cuts)[1:] if len(cuts) else [inside]):
        at = part[sequence.roles[part] == Role.CODE]
        if len(at):
            markers = int((first[part] == about.special.get("mm_pos_start", -1)).sum())
            start, stop = int(at[0]), int(at[-1]) + 1
            summaries = int((sequence.roles[start:stop] == Role.SUMMARY).sum())
            yield Frame(start, stop, number, _codes(sequence, about, at, markers), summaries)


def _codes(sequence: PackedSequence, about: SetDescription, at: NDArray[np.int64], rows: int) -> Codes | None:
    sizes = np.array(about.codebook_sizes, np.int64)
    ids = sequence.tokens[at, :-1] if sequence.tokens.ndim == 2 else sequence.tokens[at]
    if not len(sizes) or not rows or ids.size % (len(sizes) * rows):
        return None
    local = ids.reshape(-1, len(sizes)) - (about.first_code + np.cumsum(sizes) - sizes)
    if (local < 0).any() or (local >= sizes).any():
        return None
    return Codes(local.astype(code_dtype(about.codebook_sizes)), (1, rows, len(local) // rows))
