"""A sequence as runs of neighbouring positions of one kind, with what a person reads in each: for terminal and page alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dataengine.sequence.formats.reader import SequenceSet
from dataengine.sequence.model import PackedSequence, Role
from dataengine.sequence.show.frames import Frame
from dataengine.text.display import visible_lines

#: Token ids → text.
Decode = Callable[[Sequence[int]], str]
_WITHOUT_TEXT = (Role.CODE, Role.SUMMARY, Role.PADDING)
#: What stands for bytes that are no whole character, and tokens of the longest one.
_PART, _LONGEST_CHARACTER = "\ufffd", 4


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
    runs: list[ShownRun] = []
    held: list[int] = []
    for start, stop in pairwise(borders):
        if start in inside and start not in starting:
            continue
        role = Role(int(sequence.roles[start]))
        ids = [*held, *first[start:stop].tolist()] if role not in _WITHOUT_TEXT else first[start:stop].tolist()
        if role not in _WITHOUT_TEXT:
            held = _cut_off(ids, decode) if sequence.roles[min(stop, len(first) - 1)] == Role.SUMMARY else []
        text = _text(role, ids[: len(ids) - len(held)] if role not in _WITHOUT_TEXT else ids, decode, names)
        loss, document = bool(sequence.loss_mask[start]), int(documents[start])
        runs.append(ShownRun(start, stop, role, loss, document, text, starting.get(start)))
    return runs


def decoder_of(stored: SequenceSet) -> Decode:
    """Decoder of the text tokenizer beside the set; ids as numbers where there is none. Raises UsageError where it is damaged."""
    name = stored.about.text_tokenizer
    if not name:
        return lambda ids: " ".join(map(str, ids))
    from dataengine.sequence.text_tokenizer import parse

    tokenizer = parse(stored.store.get(name), stored.store.uri(name))

    def decode(ids: Sequence[int]) -> str:
        return str(tokenizer.decode(list(ids), skip_special_tokens=False))

    return decode


def names_of(stored: SequenceSet) -> dict[int, str]:
    """Names of the special tokens by id, as the set has them."""
    return {id_: name if name.startswith("<") else f"<|{name}|>" for name, id_ in stored.about.special.items()}


def _cut_off(ids: list[int], decode: Decode) -> list[int]:
    """The last ids where a character is not whole yet: it goes on behind the summary."""
    for held in range(min(_LONGEST_CHARACTER, len(ids) + 1)):
        if not decode(ids[: len(ids) - held]).endswith(_PART):
            return ids[len(ids) - held :]
    return []


def _text(role: Role, ids: Sequence[int], decode: Decode, names: dict[int, str]) -> str:
    if role in _WITHOUT_TEXT:
        return ""
    if role is Role.MEDIA:
        return names.get(int(ids[0]), "media")
    parts: list[str] = []
    plain: list[int] = []
    for id_ in ids:
        if id_ in names:
            parts += [decode(plain)] if plain else []
            parts.append(names[id_])
            plain = []
        else:
            plain.append(id_)
    return visible_lines("".join(parts + ([decode(plain)] if plain else [])))
