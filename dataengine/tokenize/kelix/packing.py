"""Order and packs of a training stage: media tars in shuffled order, samples shuffled in a buffer, packs filled up to a bound of
tokens (NaViT, Dehghani et al. 2023).

All of it follows from the seed and the index of the corpus, without decoding anything: a resumed stage skips what was trained on,
each of several processes takes its share, and which packs there are depends on neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataengine.errors import RunError
from dataengine.tokenize.kelix.curriculum import Mixture, Phase

#: One row a text of a sample. ``grid`` is its size in tokens, ``stills`` how many frames of it are read (1 of a picture).
_INDEX: list[tuple[str, Any]] = [
    ("id", pa.string()),
    ("kind", pa.string()),
    ("ext", pa.string()),
    ("bytes", pa.int64()),
    ("media", pa.string()),
    ("offset", pa.int64()),
    ("source", pa.string()),
    ("text", pa.string()),  # captions | instructions
    ("stills", pa.int32()),
    ("tokens", pa.int32()),  # of all stills
    ("ids", pa.list_(pa.int32())),
    ("learn", pa.list_(pa.bool_())),
    ("at", pa.int32()),
]
INDEX = pa.schema(_INDEX)


@dataclass(frozen=True)
class Example:
    """One row of INDEX."""

    id: str
    kind: str
    ext: str
    bytes: int
    media: str
    offset: int
    source: str
    text: str
    stills: int
    tokens: int
    ids: list[int]
    learn: list[bool]
    at: int

    @property
    def length(self) -> int:
        """Tokens of pictures and text."""
        return self.tokens + len(self.ids)


Shard = Callable[[str], pa.Table]


def packs(phase: Phase, shards: Sequence[str], read: Shard, seed: int) -> Iterator[list[Example]]:
    """Packs without end, each ordered by where the bytes lie. ``read(shard)`` is a table of INDEX. Raises RunError where no
    sample has the text that the mix asks for."""
    streams = [_stream(phase, i, mixture, shards, read, seed) for i, mixture in enumerate(phase.mix)]
    weights = np.cumsum([mixture.weight for mixture in phase.mix])
    draws = _words(seed, "mix")
    pack, held = list[Example](), 0
    while True:
        chosen = int(np.searchsorted(weights, next(draws) / 2**64 * weights[-1], side="right"))
        example = next(streams[min(chosen, len(streams) - 1)])
        if pack and held + example.length > phase.tokens:
            yield sorted(pack, key=lambda e: (e.media, e.offset, e.ids))
            pack, held = [], 0
        pack.append(example)
        held += example.length


def _stream(
    phase: Phase, number: int, mixture: Mixture, shards: Sequence[str], read: Shard, seed: int
) -> Iterator[Example]:
    """Examples of one mixture, epoch after epoch, through a shuffle buffer."""
    draws, buffer = _words(seed, f"buffer {number}"), list[Example]()
    for example in _epochs(mixture, number, shards, read, seed):
        buffer.append(example)
        if len(buffer) >= phase.buffer:
            at = next(draws) % len(buffer)
            buffer[at], buffer[-1] = buffer[-1], buffer[at]
            yield buffer.pop()


def _epochs(mixture: Mixture, number: int, shards: Sequence[str], read: Shard, seed: int) -> Iterator[Example]:
    epoch = 0
    while True:
        words = _words(seed, f"epoch {number} {epoch}")
        seen = 0
        for shard in [shard for _, shard in sorted((next(words), shard) for shard in sorted(shards))]:
            for row in matching(read(shard), mixture).to_pylist():
                seen += 1
                yield Example(**row)
        if not seen:
            raise RunError(missing(mixture))
        epoch += 1


def matching(table: pa.Table, mixture: Mixture) -> pa.Table:
    """Rows of INDEX that the mixture may draw."""
    rows = pc.equal(table["text"], pa.scalar(mixture.text))
    if mixture.sources:
        rows = pc.and_(rows, pc.is_in(table["source"], value_set=pa.array(mixture.sources)))
    return table.filter(rows)


def missing(mixture: Mixture) -> str:
    """The message of an empty mixture."""
    where = f"of {', '.join(mixture.sources)} " if mixture.sources else ""
    how = (
        "give captions with the media (a sidecar, or a table's column)"
        if mixture.text == "captions"
        else "give conversations in their metadata (training.curriculum.instructions names the field)"
    )
    return f"no kept sample {where}has {mixture.text} to train on: {how}, or change the stage's mix"


def _words(seed: int, use: str) -> Iterator[int]:
    """Raw 64-bit words of a generator of its own for each use."""
    generator = np.random.PCG64([seed, *use.encode()])
    while True:
        yield from map(int, generator.random_raw(256))
