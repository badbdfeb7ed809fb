"""Deterministic splits and shuffles from the bits of sample ids, vectorised; nothing is drawn at random.

Ids are the head of a SHA-256, so their bits are uniform already; a keyed bijection is all that a shuffle needs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine.errors import RunError
from dataengine.samples.draws import mix

_HEX = 32
_U64 = NDArray[np.uint64]


def halves(ids: pa.ChunkedArray[Any]) -> tuple[_U64, _U64]:
    """``(high, low)`` 64 bits of each 32-digit hex id. Raises RunError for anything else."""
    parts = [_nibbles(chunk) for chunk in ids.chunks]
    digits = np.concatenate(parts) if parts else np.empty((0, _HEX), np.uint8)
    words = ((digits[:, ::2] << 4) | digits[:, 1::2]).copy().view(">u8").astype(np.uint64)
    return words[:, 0], words[:, 1]


def splits_of(samples: pa.Table, splits: Mapping[str, float]) -> NDArray[np.int64]:
    """Index into ``sorted(splits)`` of each sample (id, parent of clips): the low bits of its id decide, or of that of the video
    it was cut from, so that clips of one video are in one split; neither its neighbours nor the seed."""
    drawn: Any = samples["id"]
    if "parent" in samples.column_names:
        drawn = pc.coalesce(samples["parent"], drawn)
    low = halves(drawn if isinstance(drawn, pa.ChunkedArray) else pa.chunked_array([drawn], pa.string()))[1]
    shares = [splits[name] for name in sorted(splits)]
    borders = [min(int(sum(shares[: i + 1]) * 2**64), 2**64 - 1) for i in range(len(shares) - 1)]
    return np.searchsorted(np.array(borders, np.uint64), low, side="right").astype(np.int64)


def shuffled(high: _U64, low: _U64, seed: int) -> NDArray[np.int64]:
    """Row numbers in shuffled order: by a keyed mix of the high bits, then by the low ones."""
    return np.lexsort((low, mixed(high, seed))).astype(np.int64)


def mixed(high: _U64, seed: int) -> _U64:
    """Sort keys of the shuffle: uniform for any samples, so equal ranges of keys hold about equally many."""
    key = np.uint64(int.from_bytes(hashlib.sha256(f"shuffle\0{seed}".encode()).digest()[:8], "big"))
    return mix(high ^ key)


def _nibbles(ids: pa.Array[Any]) -> NDArray[np.uint8]:
    try:
        fixed = ids.cast(pa.binary()).cast(pa.binary(_HEX))
    except pa.ArrowInvalid as error:
        raise RunError(f"a sample id is not {_HEX} hex digits: {error}") from error
    packed: Any = fixed.buffers()[1]
    if fixed.null_count or packed is None:
        raise RunError("a sample has no id: every row to be sharded needs one")
    start = fixed.offset * _HEX
    digits: NDArray[np.uint8] = _VALUES[np.frombuffer(packed, np.uint8)[start : start + len(fixed) * _HEX]]
    if (digits > 15).any():
        raise RunError(f"a sample id is not {_HEX} lower-case hex digits")
    return digits.reshape(-1, _HEX)


_VALUES = np.full(256, 255, np.uint8)
_VALUES[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)
