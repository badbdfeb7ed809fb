"""Training and data-mining opt-outs in a file's C2PA manifests: the assertions ``c2pa.training-mining`` and its successor of the
Creator Assertions Working Group, ``cawg.training-mining``.

Signatures are not verified: an opt-out is obeyed whoever wrote it, also in a manifest that an edit has invalidated. All
manifests in a file are read, those of its ingredients included. Not read: sidecar, remote and compressed manifests. A small
parser rather than the C2PA library, which would hash the whole file, contact servers and reject what it cannot verify.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import cbor2

from dataengine.errors import InputError
from dataengine.media.containers import boxes, chunks, riff, segments
from dataengine.media.image import decode

#: Uses that an assertion may allow or forbid; the first three are uses of a release.
USES = ("data_mining", "ai_training", "ai_generative_training", "ai_inference")

_LABEL = re.compile(rb"((?:c2pa|cawg)\.training-mining)(?:\.v\d+)?(?:__\d+)?")
_FORBIDDING = ("notAllowed", "constrained")
"""``constrained`` needs permission, which nobody has asked for."""
_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_ISO = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_GIF = b"\x21\xff\x0bC2PA_GIF"
_TIFF_TAG = 0xCD41
_DEPTH, _BOXES, _BYTES = 8, 100_000, 1 << 20


def forbidden(data: bytes, uses: Sequence[str]) -> str | None:
    """The first of ``uses`` that a file forbids, as ``cawg.training-mining: ai_training notAllowed``; None if it forbids none. An
    unreadable assertion forbids all: ``cawg.training-mining: unreadable``."""
    if not uses:
        return None
    assertions = [assertion for store in _stores(data) for assertion in _assertions(store)]
    for use in uses:
        for label, entries in assertions:
            if entries is None:
                return f"{label}: unreadable"
            permission = _permission(entries.get(f"{label.partition('.')[0]}.{use}"))
            if permission in _FORBIDDING:
                return f"{label}: {use} {permission}"
    return None


def _permission(entry: Any) -> str:
    return str(entry.get("use", "")) if isinstance(entry, dict) else ""


def _assertions(store: bytes) -> list[tuple[str, dict[str, Any] | None]]:
    """``(label, entries)`` of the assertions in a manifest store; None for entries that cannot be read."""
    assertions: list[tuple[str, dict[str, Any] | None]] = []
    waiting, seen = [(0, len(store), 0)], 0
    while waiting:
        start, end, depth = waiting.pop()
        label = None
        for kind, body, stop in boxes(store, start, end):
            seen += 1
            if seen > _BOXES or depth > _DEPTH:
                return assertions
            if kind == b"jumd":
                label = _LABEL.fullmatch(_labelled(store[body:stop]))
            elif kind == b"jumb":
                waiting.append((body, stop, depth + 1))
            elif label and kind in (b"cbor", b"json"):
                assertions.append((label[1].decode("ascii"), _entries(kind, store[body:stop])))
    return assertions


def _labelled(description: bytes) -> bytes:
    """The label in a JUMBF description box, which follows its type and toggles."""
    return description[17:].partition(b"\0")[0] if len(description) > 17 and description[16] & 2 else b""


def _entries(kind: bytes, content: bytes) -> dict[str, Any] | None:
    if len(content) > _BYTES:
        return None
    try:
        value = json.loads(content) if kind == b"json" else cbor2.loads(content)
    except (ValueError, TypeError, ArithmeticError, LookupError, RecursionError, EOFError, cbor2.CBORError):
        return None
    entries = value.get("entries") if isinstance(value, dict) else None
    return entries if isinstance(entries, dict) else None


def _stores(data: bytes) -> Iterator[bytes]:
    """The manifest stores in a file of any supported format."""
    if data.startswith(b"\xff\xd8\xff"):
        yield from _in_jpeg(data)
    elif data.startswith(b"\x89PNG"):
        yield from (data[start + 8 : end - 4] for kind, start, end in chunks(data) if kind == b"caBX")
    elif data.startswith(b"RIFF"):
        yield from (data[start:end] for kind, start, end in riff(data) if kind == b"C2PA")
    elif data.startswith(b"GIF8"):
        yield from _in_gif(data)
    elif data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        yield from _in_tiff(data)
    elif data[4:8] in _ISO:
        yield from _in_boxes(data)


def _in_jpeg(data: bytes) -> Iterator[bytes]:
    """JUMBF in APP11 (ISO/IEC 19566-5, D.2): boxes split over segments with box number, sequence number and repeated header."""
    parts: dict[bytes, list[tuple[int, bytes]]] = defaultdict(list)
    for marker, _, payload, end in segments(data):
        if marker == 0xDA:
            break
        if marker == 0xEB and data[payload : payload + 2] == b"JP":
            place = int.from_bytes(data[payload + 4 : payload + 8])
            parts[data[payload + 2 : payload + 4]].append((place, data[payload + 8 : end]))
    for pieces in parts.values():
        ordered = [piece for _, piece in sorted(pieces)]
        head = 16 if ordered[0][:4] == b"\0\0\0\1" else 8
        yield ordered[0] + b"".join(piece[head:] for piece in ordered[1:])


def _in_gif(data: bytes) -> Iterator[bytes]:
    at = data.find(_GIF)
    while at >= 0:
        at += len(_GIF) + 3
        pieces = []
        while at < len(data) and (size := data[at]):
            pieces.append(data[at + 1 : at + 1 + size])
            at += 1 + size
        yield b"".join(pieces)
        at = data.find(_GIF, at)


def _in_tiff(data: bytes) -> Iterator[bytes]:
    try:
        with decode.opened(data) as picture:
            store = getattr(picture, "tag_v2", {}).get(_TIFF_TAG)
    except InputError:
        return  # decoding it will record the failure
    if isinstance(store, bytes):
        yield store


def _in_boxes(data: bytes) -> Iterator[bytes]:
    for kind, start, end in boxes(data, 0, len(data)):
        if kind == b"uuid" and data[start : start + 16] == _UUID:
            purpose = data.find(b"\0", start + 20, end)
            if purpose >= 0 and data[start + 20 : purpose] != b"merkle":
                yield data[purpose + 9 : end]
