"""A sequence as runs of neighbouring positions of one kind, with what a person reads in each: for terminal and page alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import RunError
from dataengine.sequence.formats.reader import SequenceSet
from dataengine.sequence.model import PackedSequence, Role
from dataengine.sequence.show.frames import Frame
from dataengine.text.display import visible_lines

#: Token ids → text.
Decode = Callable[[Sequence[int]], str]


@dataclass(frozen=True)
class ShownRun:
    """Positions [``start``, ``stop``) of one role, all or none of them targets, of one document (-1: padding).

    ``text``: what they are, its control characters escaped; ``frame``: begins a picture of codes here."""

    start: int
    stop: int
    role: Role
    loss: bool
    document: int
    text: str
    frame: Frame | None = None


def runs_of(sequence: PackedSequence, frames: Sequence[Frame], decode: Decode, names: dict[int, str]) -> list[ShownRun]:
    """All runs in order; row markers and summaries inside a picture are part of it. ``names`` of special tokens by id."""
    first = sequence.tokens if sequence.tokens.ndim == 1 else sequence.tokens[:, 0]
    documents = sequence.document_index
    starting = {frame.start: frame for frame in frames}
    inside = {position for frame in frames for position in range(frame.start, frame.stop)}
    changes = (np.diff(sequence.roles) != 0) | (np.diff(sequence.loss_mask) != 0) | (np.diff(documents) != 0)
    borders = sorted({0, *(np.flatnonzero(changes) + 1).tolist(), *starting, len(first)})
    runs = []
    for start, stop in pairwise(borders):
        if start in inside and start not in starting:
            continue
        role = Role(int(sequence.roles[start]))
        text = _text(role, first[start:stop], decode, names)
        loss, document = bool(sequence.loss_mask[start]), int(documents[start])
        runs.append(ShownRun(start, stop, role, loss, document, text, starting.get(start)))
    return runs


def decoder_of(stored: SequenceSet) -> Decode:
    """Decoder of the text tokenizer beside the set; ids as numbers where there is none. Raises RunError where it is damaged."""
    name = stored.about.text_tokenizer
    if not name:
        return lambda ids: " ".join(map(str, ids))
    from tokenizers import Tokenizer

    try:
        tokenizer: Any = Tokenizer.from_buffer(stored.store.get(name))
    except Exception as error:  # tokenizers raises nothing more precise
        raise RunError(f"{stored.store.uri(name)} is no tokenizer.json: {error}") from None

    def decode(ids: Sequence[int]) -> str:
        return str(tokenizer.decode(list(ids), skip_special_tokens=False))

    return decode


def names_of(stored: SequenceSet) -> dict[int, str]:
    """Names of the special tokens by id, as the set has them."""
    return {id_: f"<|{name}|>" for name, id_ in stored.about.special.items()}


def _text(role: Role, ids: NDArray[np.int32], decode: Decode, names: dict[int, str]) -> str:
    if role in (Role.CODE, Role.SUMMARY, Role.PADDING):
        return ""
    if role is Role.MEDIA:
        return names.get(int(ids[0]), "media")
    parts: list[str] = []
    plain: list[int] = []
    for id_ in ids.tolist():
        if id_ in names:
            parts += [decode(plain)] if plain else []
            parts.append(names[id_])
            plain = []
        else:
            plain.append(id_)
    return visible_lines("".join(parts + ([decode(plain)] if plain else [])))
