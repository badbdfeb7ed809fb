"""The token stream of the published summary-attention trainer (arXiv 2604.24432 and its code): ``NAME.bin`` of uint32,
``NAME.bin.meta`` with the type's name, ``NAME_loss_mask.bin`` of the same type, and a mixture file that names them.

Its reader cuts the stream every ``seq_length`` tokens, so each sequence is padded to that; it inserts the summary tokens itself
and knows no borders of documents. Without a loss mask it reads one token past each slice, the last included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import RunError, UsageError
from dataengine.sequence.formats.description import SequenceShard
from dataengine.sequence.model import PackedSequence, Role
from dataengine.sequence.summary.packed import without_summaries

TYPE = "uint32"
MIXTURE = "mixture.txt"


def write(
    folder: Path, name: str, rows: Iterable[tuple[str, PackedSequence]], length: int, end_of_text: int
) -> list[str]:
    """Write the sequences, summary tokens taken out, each padded to ``length`` with ``end_of_text``; names of the files. Raises
    UsageError for rows of several tokens, and for a sequence that is longer."""
    with Path(folder, f"{name}.bin").open("wb") as tokens, Path(folder, f"{name}_loss_mask.bin").open("wb") as losses:
        for key, stored in rows:
            sequence = without_summaries(stored) if (stored.roles == Role.SUMMARY).any() else stored
            if sequence.tokens.ndim != 1:
                raise UsageError("a token stream holds one token a position: choose layout `codes`, or another format")
            missing = length - len(sequence)
            if missing < 0:
                raise UsageError(f"{key} has {len(sequence):,} tokens, the stream's slices {length:,}")
            tokens.write(np.pad(sequence.tokens, (0, missing), constant_values=end_of_text).astype("<u4").tobytes())
            losses.write(np.pad(sequence.loss_mask, (0, missing)).astype("<u4").tobytes())
    Path(folder, f"{name}.bin.meta").write_text(TYPE)
    return [f"{name}.bin", f"{name}.bin.meta", f"{name}_loss_mask.bin"]


def read(folder: Path, name: str, length: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(length,) tokens and loss mask of each slice. Raises RunError for files of another size or type."""
    if (stated := Path(folder, f"{name}.bin.meta").read_text()) != TYPE:
        raise RunError(f"{name}.bin.meta says {stated!r}, a stream of ours is {TYPE}")
    tokens, losses = (np.fromfile(Path(folder, f"{name}{suffix}"), "<u4") for suffix in (".bin", "_loss_mask.bin"))
    if len(tokens) != len(losses) or len(tokens) % length:
        raise RunError(f"{name}.bin has {len(tokens):,} tokens, its mask {len(losses):,}: no slices of {length:,}")
    for at in range(0, len(tokens), length):
        yield tokens[at : at + length].astype(np.int64), losses[at : at + length].astype(np.int64)


def mixture(shards: Sequence[SequenceShard], category: str, prefix: str = "") -> bytes:
    """``category<TAB>weight<TAB>prefix`` a shard; its weight is its share of the sequences. ``prefix``: put before the names."""
    total = sum(shard.sequences for shard in shards) or 1
    lines = [
        f"{category}\t{shard.sequences / total:.6f}\t{prefix}{shard.name}\n" for shard in shards if shard.sequences
    ]
    return "".join(lines).encode()
