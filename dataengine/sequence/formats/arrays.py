"""Packed sequences as arrays and JSON, and back: what every format stores, and in WebDataset tars the members as they are."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from dataengine.errors import RunError
from dataengine.sequence.model import DocumentSpan, MediaSpan, PackedSequence
from dataengine.storage.workspace import canonical_json

#: Arrays of a sequence, with the type that they are stored in.
ARRAYS = {"tokens": "<i4", "roles": "|u1", "loss_mask": "|u1", "positions": "<i4", "cu_seqlens": "<i4"}
#: What a damaged member raises.
_DAMAGED = (ValueError, TypeError, KeyError, AttributeError, EOFError, msgspec.MsgspecError)


def arrays_of(sequence: PackedSequence) -> dict[str, NDArray[Any]]:
    """Its arrays by name, little-endian in C order."""
    return {name: np.ascontiguousarray(getattr(sequence, name), dtype) for name, dtype in ARRAYS.items()}


def spans_of(sequence: PackedSequence) -> dict[str, Any]:
    """Its documents and media, as JSON."""
    return {
        "documents": [vars(span) for span in sequence.documents],
        "media": [{**vars(span), "grid": list(span.grid)} for span in sequence.media],
    }


def sequence_of(arrays: Mapping[str, Any], spans: Mapping[str, Any], where: str = "a sequence") -> PackedSequence:
    """The sequence of arrays and JSON, which ``where`` names in errors. Raises RunError where they do not fit."""
    try:
        media = (MediaSpan(**{**span, "grid": tuple(span["grid"])}) for span in spans["media"])
        return PackedSequence(
            documents=tuple(DocumentSpan(**span) for span in spans["documents"]),
            media=tuple(media),
            **{name: np.asarray(arrays[name], np.dtype(dtype).newbyteorder("=")) for name, dtype in ARRAYS.items()},
        )
    except _DAMAGED as error:
        raise RunError(f"{where} does not have the arrays of a sequence: {error!r}") from None


def members_of(sequence: PackedSequence) -> list[tuple[str, bytes]]:
    """``(extension, bytes)`` of each member in a tar: an ``.npy`` an array, and ``.json``."""
    members = [(f"{name}.npy", to_npy(array)) for name, array in arrays_of(sequence).items()]
    return [*members, ("json", canonical_json(spans_of(sequence)))]


def from_members(members: Mapping[str, bytes], where: str) -> PackedSequence:
    """The inverse of ``members_of``. Raises RunError for missing or damaged members."""
    try:
        arrays = {name: from_npy(members[f"{name}.npy"]) for name in ARRAYS}
        spans = msgspec.json.decode(members["json"])
    except _DAMAGED as error:
        raise RunError(f"{where} is damaged: {error!r}") from None
    return sequence_of(arrays, spans, where)


def to_npy(array: NDArray[Any]) -> bytes:
    """As .npy format 1.0."""
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version=(1, 0), allow_pickle=False)
    return out.getvalue()


def from_npy(data: bytes) -> NDArray[Any]:
    """Of format 1.0, without a copy. Raises ValueError for anything but numbers in C order, pickles included."""
    size = 10 + int.from_bytes(data[8:10], "little")
    dtype, shape = _header(data[:size])
    return np.frombuffer(data, dtype, offset=size).reshape(shape)


@lru_cache(1024)
def _header(head: bytes) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Type and shape: few headers differ within a set, and to parse one takes longer than to copy its array."""
    stream = io.BytesIO(head)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("not .npy format 1.0")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if fortran or dtype.hasobject:
        raise ValueError(f"not numbers in C order: {dtype}")
    return dtype, shape
