"""What the C2PA manifests in a file say against its use for training and mining: assertions ``c2pa.training-mining`` and,
since the Creator Assertions Working Group keeps it, ``cawg.training-mining``.

Signatures are not checked: a wish is heeded whoever wrote it, and a manifest that an edit has broken still tells it. All
manifests of a file are read, those of the pictures it was made from included. Not read: manifests beside the file or on
a server, compressed ones. A small parser rather than the C2PA library: that one would check hashes of the whole file,
ask servers, and refuse what it cannot verify.
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

#: What an assertion may tell the use for; the first three are what a release is for.
USES = ("data_mining", "ai_training", "ai_generative_training", "ai_inference")

_LABEL = re.compile(rb"((?:c2pa|cawg)\.training-mining)(?:\.v\d+)?(?:__\d+)?")
_AGAINST = ("notAllowed", "constrained")
"""Constrained: not without asking whoever said so, and nobody has."""
_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_ISO = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_GIF = b"\x21\xff\x0bC2PA_GIF"
_TIFF_TAG = 0xCD41
_DEPTH, _BOXES, _BYTES = 8, 100_000, 1 << 20


def forbidden(data: bytes, uses: Sequence[str]) -> str | None:
    """The first of ``uses`` that a file does not let, as ``cawg.training-mining: ai_training notAllowed``; None where it
    says nothing against them. An assertion that cannot be read forbids: ``cawg.training-mining: unreadable``."""
    if not uses:
        return None
    found = [assertion for store in _stores(data) for assertion in _assertions(store)]
    for use in uses:
        for label, entries in found:
            if entries is None:
                return f"{label}: unreadable"
            said = _said(entries.get(f"{label.partition('.')[0]}.{use}"))
            if said in _AGAINST:
                return f"{label}: {use} {said}"
    return None


def _said(entry: Any) -> str:
    return str(entry.get("use", "")) if isinstance(entry, dict) else ""


def _assertions(store: bytes) -> list[tuple[str, dict[str, Any] | None]]:
    """``(label, entries)`` of the assertions in a manifest store; None for entries that cannot be read."""
    found: list[tuple[str, dict[str, Any] | None]] = []
    waiting, seen = [(0, len(store), 0)], 0
    while waiting:
        start, end, depth = waiting.pop()
        label = None
        for kind, body, stop in boxes(store, start, end):
            seen += 1
            if seen > _BOXES or depth > _DEPTH:
                return found
            if kind == b"jumd":
                label = _LABEL.fullmatch(_labelled(store[body:stop]))
            elif kind == b"jumb":
                waiting.append((body, stop, depth + 1))
            elif label and kind in (b"cbor", b"json"):
                found.append((label[1].decode("ascii"), _entries(kind, store[body:stop])))
    return found


def _labelled(description: bytes) -> bytes:
    """The label in a JUMBF description box: behind its type and, where that says so, its flags."""
    return description[17:].partition(b"\0")[0] if len(description) > 17 and description[16] & 2 else b""


def _entries(kind: bytes, content: bytes) -> dict[str, Any] | None:
    if len(content) > _BYTES:
        return None
    try:
        told = json.loads(content) if kind == b"json" else cbor2.loads(content)
    except (ValueError, TypeError, ArithmeticError, LookupError, RecursionError, EOFError, cbor2.CBORError):
        return None
    entries = told.get("entries") if isinstance(told, dict) else None
    return entries if isinstance(entries, dict) else None


def _stores(data: bytes) -> Iterator[bytes]:
    """The manifest stores in a file, by what it begins with."""
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
    """JUMBF in APP11 (ISO/IEC 19566-5, D.2): boxes cut into segments, which tell box and place and repeat its header."""
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
        return  # it will be accounted for when it is decoded
    if isinstance(store, bytes):
        yield store


def _in_boxes(data: bytes) -> Iterator[bytes]:
    for kind, start, end in boxes(data, 0, len(data)):
        if kind == b"uuid" and data[start : start + 16] == _UUID:
            purpose = data.find(b"\0", start + 20, end)
            if purpose >= 0 and data[start + 20 : purpose] != b"merkle":
                yield data[purpose + 9 : end]
