"""Strict reader of shards: only a plain, complete USTAR archive whose members of a key are adjacent.

Other readers ignore damage (tarfile stops silently at a bad header, webdataset splits a key that is not adjacent); this one
is for verification, so it raises.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path

from dataengine.errors import RunError
from dataengine.storage.tar import BLOCK

Buffer = bytes | mmap.mmap
Sample = tuple[str, dict[str, bytes]]

_ZERO = bytes(BLOCK)


def read_members(source: Path | bytes) -> Iterator[tuple[str, bytes]]:
    """``(name, payload)`` of each member. Raises RunError for a damaged header, another entry than a plain file, or an
    archive without its two zero blocks."""
    if isinstance(source, bytes):
        yield from _members(source, "tar")
        return
    with source.open("rb") as file:
        if not source.stat().st_size:
            raise RunError(f"{source.name} is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield from _members(data, source.name)


def read_shard(source: Path | bytes) -> Iterator[Sample]:
    """``(key, {extension: bytes})`` of each sample. Raises RunError as ``read_members``, and for a key in two places."""
    seen: set[str] = set()
    key, fields = "", dict[str, bytes]()
    for name, data in read_members(source):
        stem, dot, ext = name.partition(".")
        if not stem or not dot or not ext:
            raise RunError(f"member {name} has no key and extension")
        if stem != key:
            if key:
                yield key, fields
            if stem in seen:
                raise RunError(f"members of sample {stem} are not adjacent")
            seen.add(stem)
            key, fields = stem, {}
        if ext in fields:
            raise RunError(f"duplicate member {name}")
        fields[ext] = data
    if key:
        yield key, fields


def read_shards(sources: Iterable[Path | bytes]) -> Iterator[Sample]:
    """Samples of all shards in order. Raises RunError as ``read_shard``, and for a key in two shards."""
    seen: set[str] = set()
    for source in sources:
        for key, fields in read_shard(source):
            if key in seen:
                raise RunError(f"sample {key} is in two shards")
            seen.add(key)
            yield key, fields


def _members(data: Buffer, what: str) -> Iterator[tuple[str, bytes]]:
    at, end = 0, len(data)
    while (head := data[at : at + BLOCK]) != _ZERO:
        if len(head) < BLOCK:
            raise RunError(f"{what} ends at byte {end} without its closing blocks")
        name, size = read_header(head, what, at)
        payload = data[at + BLOCK : at + BLOCK + size]
        if len(payload) < size:
            raise RunError(f"{what} ends inside {name}")
        yield name, payload
        at += BLOCK + -(-size // BLOCK) * BLOCK
    rest = data[at:]
    if len(rest) < 2 * BLOCK or rest.count(0) != len(rest):
        raise RunError(f"{what} does not end in zero blocks at byte {at}")


def read_header(head: bytes, what: str, at: int) -> tuple[str, int]:
    """Name and size of the member whose header is ``head``; ``what`` and ``at`` are for the message. Raises RunError."""
    try:
        if not head[124:135].isdigit():  # int() would take a sign
            raise ValueError
        stated, size = int(head[148:154], 8), int(head[124:135], 8)
        name = head[:100].rstrip(b"\0").decode()
    except ValueError as error:
        raise RunError(f"{what} has a damaged header at byte {at}") from error
    if stated != sum(head) - sum(head[148:156]) + 8 * ord(" "):
        raise RunError(f"{what} has a damaged header at byte {at}: the checksum is wrong")
    if head[156:157] != b"0" or head[257:263] != b"ustar\0" or head[345] != 0:
        raise RunError(f"{what}: {name} is not a plain USTAR file")
    return name, size
