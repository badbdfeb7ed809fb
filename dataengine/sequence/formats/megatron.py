"""Megatron's indexed datasets, ``NAME.bin`` and ``NAME.idx``: tokens one after the other, and where each sequence begins.

What Megatron calls a document is here a packed sequence; what it calls a sequence is one of the documents in it (the padding
is the last). Losses have no place there: they are a second dataset, ``NAME_loss_mask``, of the same index. Index: 9 bytes of
magic, uint64 version 1, uint8 type, uint64 sequences, uint64 entries of the last list; then int32 lengths, int64 offsets in
bytes, int64 first sequence of each document and the number of sequences. Little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import RunError, UsageError
from dataengine.sequence.model import PackedSequence

MAGIC = b"MMIDIDX\x00\x00"
_HEAD = struct.Struct("<9sQBQQ")
#: Numpy type of each type code.
TYPES = {1: "|u1", 2: "|i1", 3: "<i2", 4: "<i4", 5: "<i8", 6: "<f8", 7: "<f4", 8: "<u2"}
_TOKENS, _LOSS = 4, 1


def write(folder: Path, name: str, rows: Iterable[tuple[str, PackedSequence]]) -> list[str]:
    """Write the dataset of tokens and that of losses; names of the four files. Raises UsageError for rows of several tokens."""
    lengths: list[NDArray[np.int64]] = []
    with Path(folder, f"{name}.bin").open("wb") as tokens, Path(folder, f"{name}_loss_mask.bin").open("wb") as losses:
        for _, sequence in rows:
            if sequence.tokens.ndim != 1:
                raise UsageError(
                    "Megatron's indexed datasets hold one token a position: choose layout `codes`, or another format"
                )
            tokens.write(sequence.tokens.astype(TYPES[_TOKENS]).tobytes())
            losses.write(sequence.loss_mask.astype(TYPES[_LOSS]).tobytes())
            lengths.append(np.diff(sequence.cu_seqlens))
    Path(folder, f"{name}.idx").write_bytes(_index(lengths, _TOKENS))
    Path(folder, f"{name}_loss_mask.idx").write_bytes(_index(lengths, _LOSS))
    return [f"{name}{suffix}" for suffix in (".bin", ".idx", "_loss_mask.bin", "_loss_mask.idx")]


def read(folder: Path, name: str) -> Iterator[tuple[NDArray[Any], NDArray[np.int32]]]:
    """Of each document (L,) tokens, and (D + 1,) borders of its sequences. Raises RunError for a damaged index."""
    lengths, starts, code = read_index(Path(folder, f"{name}.idx").read_bytes(), name)
    data = np.memmap(Path(folder, f"{name}.bin"), TYPES[code], "r") if lengths.sum() else np.empty(0, TYPES[code])
    if len(data) != lengths.sum():
        raise RunError(f"{name}.bin has {len(data):,} tokens, its index {int(lengths.sum()):,}")
    ends = np.concatenate([[0], np.cumsum(lengths)])
    for first, last in pairwise(starts):
        borders = ends[first : last + 1]
        yield np.asarray(data[borders[0] : borders[-1]]), (borders - borders[0]).astype(np.int32)


def read_index(data: bytes, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Lengths of the sequences, first sequence of each document and their number, and the type code. Raises RunError."""
    try:
        magic, version, code, sequences, entries = _HEAD.unpack_from(data)
        expected = _HEAD.size + 12 * sequences + 8 * entries
        if (magic, version) != (MAGIC, 1) or code not in TYPES or len(data) != expected:
            raise RunError(f"{name}.idx is not an index of version 1 with {sequences:,} sequences")
    except struct.error:
        raise RunError(f"{name}.idx has {len(data)} bytes: it is no index") from None
    lengths = np.frombuffer(data, "<i4", sequences, _HEAD.size).astype(np.int64)
    return lengths, np.frombuffer(data, "<i8", entries, _HEAD.size + 12 * sequences).astype(np.int64), code


def _index(lengths: list[NDArray[np.int64]], code: int) -> bytes:
    sizes = np.concatenate([*lengths, np.empty(0, np.int64)]).astype(np.int64)
    item = np.dtype(TYPES[code]).itemsize
    offsets = (np.cumsum(sizes) - sizes) * item
    documents = np.concatenate([[0], np.cumsum([len(part) for part in lengths])])
    head = _HEAD.pack(MAGIC, 1, code, len(sizes), len(documents))
    return head + sizes.astype("<i4").tobytes() + offsets.astype("<i8").tobytes() + documents.astype("<i8").tobytes()
