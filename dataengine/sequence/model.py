"""Packed training sequences: tokens with their roles, loss mask, positions and document borders, and their rows in Parquet.

The stage ``sequence`` writes rows of SEQUENCES; every export format and reader starts from them. Arrays are little-endian in C
order. What is stored is the layout's own: ``(L,)`` token ids, or ``(L, N + 1)`` rows of next-block prediction (arXiv 2602.09843,
tokenize/rows.py). Labels are not stored: position i is to be predicted from those before it iff ``loss_mask[i]`` is 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.errors import RunError


class Role(IntEnum):
    """What a position is; by it losses are switched and a sequence is shown."""

    PADDING = 0
    TEXT = 1
    """Text of a document, of the system or of no one in particular."""
    USER = 2
    ASSISTANT = 3
    REASONING = 4
    """Text of the assistant inside ``<think>`` or ``<analysis>``."""
    TOOL_OUTPUT = 5
    """What a tool printed, inside ``<sandbox_output>``."""
    SPECIAL = 6
    """Special tokens: begins and ends of turns, documents, vision and frames; row markers; times of frames."""
    CODE = 7
    """A position of visual codes, or one code of it."""
    MEDIA = 8
    """A placeholder that a vision encoder fills (continuous layout)."""
    SUMMARY = 9
    """Summary token of a chunk (Kwai Summary Attention, arXiv 2604.24432)."""


@dataclass(frozen=True)
class DocumentSpan:
    """Positions ``[start, stop)`` of a sequence that are one document. ``id`` is a sample's, record's or text's; ``part`` counts
    the pieces of one that was split, ``occurrence`` its repeats."""

    id: str
    source: str
    start: int
    stop: int
    part: int = 0
    occurrence: int = 0


@dataclass(frozen=True)
class MediaSpan:
    """Positions ``[start, stop)`` that a picture or frame fills in the continuous layout: member of a sample in a shard, with its
    grid (t, h, w) in merged patches, and ``seconds`` of a frame (-1 of a picture)."""

    sample: str
    member: str
    start: int
    stop: int
    grid: tuple[int, int, int]
    seconds: float = -1.0


@dataclass(frozen=True, eq=False)
class PackedSequence:
    """Documents one after the other, then padding, L positions in all.

    ``tokens`` (L,) or (L, N + 1) int32; ``roles`` (L,) uint8 of Role; ``loss_mask`` (L,) uint8, 1 where a position is a target;
    ``positions`` (L,) int32, or (3, L) of t, h and w, starting anew in each document; ``cu_seqlens`` (D + 1,) int32 borders of
    the documents, the padding, if any, being the last of them. ``documents`` are in order and without the padding. Raises
    ValueError where shapes do not fit.
    """

    tokens: NDArray[np.int32]
    roles: NDArray[np.uint8]
    loss_mask: NDArray[np.uint8]
    positions: NDArray[np.int32]
    cu_seqlens: NDArray[np.int32]
    documents: tuple[DocumentSpan, ...]
    media: tuple[MediaSpan, ...] = ()

    def __post_init__(self) -> None:
        length, borders = len(self.tokens), self.cu_seqlens
        if self.tokens.ndim not in (1, 2) or self.roles.shape != (length,) or self.loss_mask.shape != (length,):
            raise ValueError(
                f"shapes differ: tokens {self.tokens.shape}, roles {self.roles.shape}, loss {self.loss_mask.shape}"
            )
        if self.positions.shape not in ((length,), (3, length)):
            raise ValueError(f"positions are ({length},) or (3, {length}), not {self.positions.shape}")
        if borders[0] != 0 or borders[-1] != length or (np.diff(borders) <= 0).any():
            raise ValueError(f"borders of documents rise from 0 to {length}, not so {borders.tolist()[:8]}")

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def padding(self) -> int:
        """Positions after the last document."""
        return len(self) - (self.documents[-1].stop if self.documents else 0)

    @property
    def document_index(self) -> NDArray[np.int32]:
        """(L,) number of each position's document, -1 in the padding."""
        index = np.full(len(self), -1, np.int32)
        for number, span in enumerate(self.documents):
            index[span.start : span.stop] = number
        return index

    def pieces(self) -> Iterator[tuple[DocumentSpan, NDArray[np.int32]]]:
        """Each document with its tokens, without the padding."""
        for span in self.documents:
            yield span, self.tokens[span.start : span.stop]


_DOCUMENT = pa.struct(
    [
        pa.field("id", pa.string()),
        pa.field("source", pa.string()),
        pa.field("start", pa.int32()),
        pa.field("stop", pa.int32()),
        pa.field("part", pa.int32()),
        pa.field("occurrence", pa.int32()),
    ]
)
_MEDIA = pa.struct(
    [
        pa.field("sample", pa.string()),
        pa.field("member", pa.string()),
        pa.field("start", pa.int32()),
        pa.field("stop", pa.int32()),
        pa.field("grid", pa.list_(pa.int32())),
        pa.field("seconds", pa.float64()),
    ]
)
_ARRAYS = ("tokens", "roles", "loss_mask", "positions", "cu_seqlens")
_COLUMNS: list[pa.Field[Any]] = [
    pa.field("length", pa.int32(), False),
    pa.field("width", pa.int32(), False),
    pa.field("axes", pa.int32(), False),
    pa.field("flops", pa.float64(), False),
    *(pa.field(name, pa.large_binary(), False) for name in _ARRAYS),
    pa.field("documents", pa.list_(_DOCUMENT), False),
    pa.field("media", pa.list_(_MEDIA), False),
]
#: One row a sequence. ``width``: tokens of a position (1 without blocks); ``axes``: 1 or 3 rows of positions; ``flops``: an
#: estimate of the cost, in units of one token's linear layers. The stage's parts ``SET-00000``, ``SET-00001``, … have one such
#: table each, of role ``sequences``; the sequences of a set in order are those of its parts by name.
SEQUENCES = pa.schema(_COLUMNS)


def to_row(sequence: PackedSequence, flops: float = 0.0) -> dict[str, Any]:
    """A row of SEQUENCES."""
    return {
        "length": len(sequence),
        "width": 1 if sequence.tokens.ndim == 1 else sequence.tokens.shape[1],
        "axes": 1 if sequence.positions.ndim == 1 else 3,
        "flops": flops,
        "tokens": _bytes(sequence.tokens, "<i4"),
        "roles": _bytes(sequence.roles, "|u1"),
        "loss_mask": _bytes(sequence.loss_mask, "|u1"),
        "positions": _bytes(sequence.positions, "<i4"),
        "cu_seqlens": _bytes(sequence.cu_seqlens, "<i4"),
        "documents": [vars(span) for span in sequence.documents],
        "media": [{**vars(span), "grid": list(span.grid)} for span in sequence.media],
    }


def from_row(row: Mapping[str, Any]) -> PackedSequence:
    """The sequence of a row of SEQUENCES. Raises RunError where shapes and bytes do not agree."""
    length, width, axes = row["length"], row["width"], row["axes"]
    try:
        return PackedSequence(
            _array(row, "tokens", "<i4", (length,) if width == 1 else (length, width)),
            _array(row, "roles", "|u1", (length,)),
            _array(row, "loss_mask", "|u1", (length,)),
            _array(row, "positions", "<i4", (length,) if axes == 1 else (3, length)),
            _array(row, "cu_seqlens", "<i4", (-1,)),
            tuple(DocumentSpan(**span) for span in row["documents"]),
            tuple(MediaSpan(**{**span, "grid": tuple(span["grid"])}) for span in row["media"]),
        )
    except (TypeError, ValueError) as error:
        raise RunError(f"a stored sequence does not have its stated shape: {error}") from error


def _bytes(array: NDArray[Any], dtype: str) -> bytes:
    return np.ascontiguousarray(array, dtype).tobytes()


def _array(row: Mapping[str, Any], name: str, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    flat = np.frombuffer(row[name], dtype)
    return flat.astype(flat.dtype.newbyteorder("=")).reshape(shape)
