"""Writes safetensors files tensor by tensor, for models that are larger than memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, BinaryIO

#: Bytes of an element by the format's name of its type.
SIZES = {
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
    **dict.fromkeys(("F32", "U32", "I32"), 4),
    **dict.fromkeys(("BF16", "F16", "U16", "I16"), 2),
    **dict.fromkeys(("F8_E8M0", "F8_E4M3", "F8_E5M2", "I8", "U8", "BOOL"), 1),
}
_ORDER = {name: n for n, name in enumerate(SIZES)}

Spec = tuple[str, tuple[int, ...]]
"""Type and shape of a tensor."""


def nbytes(spec: Spec) -> int:
    return SIZES[spec[0]] * prod(spec[1])


def write(
    out: BinaryIO, specs: Mapping[str, Spec], data: Callable[[str], bytes | memoryview], metadata: Mapping[str, str]
) -> None:
    """Write tensors of these ``specs``; ``data`` gives the little-endian bytes of each, and is called once for each, in the
    order of the file: wide types come first, so that all are aligned. Raises ValueError for bytes of another length."""
    names = sorted(specs, key=lambda name: (_ORDER[specs[name][0]], name.encode()))
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name in names:
        kind, shape = specs[name]
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [at, at := at + nbytes(specs[name])]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    out.write(len(text).to_bytes(8, "little") + text)
    for name in names:
        piece = data(name)
        if len(piece) != nbytes(specs[name]):
            raise ValueError(f"{name} has {len(piece):,} bytes, not the {nbytes(specs[name]):,} of {specs[name]}")
        out.write(piece)
