"""Encodes codes as rows of contracts.CODES and as ``.npy`` files, little-endian in C order, and decodes them exactly."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import RunError
from dataengine.tokenize.base import Codes, Grid, Timeline

#: Data type, tokens and codebooks.
NPY_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([|<]u[124])', 'fortran_order': False, 'shape': \((\d{1,15}), (\d{1,15})\), \} *\n",
    re.DOTALL,
)
_TYPES = {"uint8": "|u1", "uint16": "<u2", "uint32": "<u4"}


def to_row(sample: str, tokenizer: str, codes: Codes) -> dict[str, Any]:
    """A row of contracts.CODES for ``sample``; ``tokenizer`` is the tokenizer's id."""
    tokens, codebooks = codes.tokens.shape
    name = codes.tokens.dtype.name
    shape = {"tokens": tokens, "codebooks": codebooks}
    grid = {f"grid_{axis}": size for axis, size in zip("thw", codes.grid, strict=True)}
    data = codes.tokens.astype(_TYPES[name], copy=False).tobytes()
    columns = {"id": sample, "tokenizer": tokenizer, **shape, **grid, **_timeline_columns(codes.timeline)}
    return {**columns, "dtype": name, "codes": data}


def from_row(row: Mapping[str, Any]) -> Codes:
    """Codes of a row of contracts.CODES. Raises RunError where its shape, type and bytes do not agree."""
    return _codes(_array(row), _grid(row), _timeline(row))


def to_npy(codes: Codes) -> bytes:
    """Codes ``(T, N)`` as .npy format 1.0, without grid and timeline."""
    return _npy(codes.tokens.astype(_TYPES[codes.tokens.dtype.name], copy=False))


def from_npy(data: bytes, grid: Grid, timeline: Timeline | None = None) -> Codes:
    """Codes from .npy bytes as ``to_npy`` writes them. Raises RunError for others, damaged bytes, or a grid of another size."""
    header = NPY_HEADER.match(data)
    if header is None:
        raise RunError("codes are not a readable .npy: its header is not that of (tokens, codebooks) unsigned numbers")
    shape, dtype = (int(header[2]), int(header[3])), np.dtype(header[1].decode())
    if len(data) - header.end() != shape[0] * shape[1] * dtype.itemsize:
        raise RunError(f"codes are not a readable .npy: {len(data) - header.end():,} bytes for a shape of {shape}")
    return _codes(np.frombuffer(data, dtype, offset=header.end()).reshape(shape).copy(), grid, timeline)


def row_to_npy(row: Mapping[str, Any]) -> bytes:
    """``to_npy`` of a row of contracts.CODES. Raises RunError where its shape, type and bytes do not agree."""
    return _npy(_array(row))


def _npy(array: NDArray[Any]) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return out.getvalue()


def _array(row: Mapping[str, Any]) -> NDArray[Any]:
    try:
        flat = np.frombuffer(row["codes"], _TYPES[row["dtype"]])
        return flat.reshape(row["tokens"], row["codebooks"])
    except (KeyError, ValueError) as error:
        raise RunError(f"codes of sample {row.get('id')} do not have the stated type and shape: {error}") from error


def _grid(row: Mapping[str, Any]) -> Grid:
    return row["grid_t"], row["grid_h"], row["grid_w"]


def _timeline_columns(timeline: Timeline | None) -> dict[str, Any]:
    if timeline is None:
        return dict.fromkeys(("frame_kinds", "frame_times", "fast_h", "fast_w"))
    h, w = timeline.fast
    return {"frame_kinds": list(timeline.kinds), "frame_times": list(timeline.times), "fast_h": h, "fast_w": w}


def _timeline(row: Mapping[str, Any]) -> Timeline | None:
    if row["frame_kinds"] is None:
        return None
    return Timeline(tuple(row["frame_kinds"]), tuple(row["frame_times"]), (row["fast_h"], row["fast_w"]))


def _codes(array: NDArray[Any], grid: Grid, timeline: Timeline | None) -> Codes:
    try:
        return Codes(array.astype(array.dtype.newbyteorder("="), copy=False), grid, timeline)
    except ValueError as error:
        raise RunError(str(error)) from error
