"""Checks each sample and chain-of-thought record of a release by its members' names, sizes, JSON and codes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray
from pydantic import ValidationError

from dataengine.cot.core.record import Observation, Record
from dataengine.errors import RunError
from dataengine.shards.json_types import known
from dataengine.shards.sample import FAMILIES, CodesLayout, SampleMetadata
from dataengine.tokenize.codec import NPY_HEADER, from_npy

_SAMPLE = msgspec.json.Decoder(SampleMetadata)


@dataclass
class Group:
    """The members of one key: sizes by extension, and the payloads that are needed."""

    key: str
    sizes: dict[str, int] = field(default_factory=dict)
    data: dict[str, bytes] = field(default_factory=dict)


def needed(name: str) -> bool:
    """True for members whose payload is checked; media and images are covered by the tar's checksum."""
    return name.endswith((".json", ".npy"))


def groups(members: Iterator[tuple[str, int, bytes | None]], error: Callable[[str, str], None]) -> Iterator[Group]:
    """Members by key; calls ``error(key, reason)`` for keys that are not adjacent, duplicate names and names without a key."""
    seen: set[str] = set()
    group = Group("")
    for name, size, data in members:
        key, _, ext = name.partition(".")
        if key != group.key:
            if group.sizes:
                yield group
            if key in seen:
                error(name, "the members of its sample are not adjacent")
            seen.add(key)
            group = Group(key)
        if not key or not ext:
            error(name, "has no key or no extension")
        if ext in group.sizes:
            error(name, "duplicate member")
        group.sizes[ext] = size
        if data is not None:
            group.data[ext] = data
    if group.sizes:
        yield group


@dataclass(frozen=True)
class SampleCheck:
    """Of a shard of ``family``; ``codebooks``: sizes of the release's codebooks, None where it has no codes."""

    family: str
    codebooks: tuple[int, ...] | None
    tokenizer: str = ""

    def __call__(self, group: Group) -> str:
        """What is wrong with a sample, or ""."""
        media = FAMILIES[self.family]
        expected = {media, "txt", "json"} | ({"codes.npy"} if self.codebooks else set())
        if extra := _difference(group, expected):
            return extra
        try:
            sample = _SAMPLE.decode(group.data["json"])
        except (ValueError, RecursionError) as error:
            return f".json: {error}"
        if sample.id != group.key or not sample.sha256.startswith(sample.id):
            return f".json is of sample {sample.id}"
        if sample.kind != self.family or sample.bytes != group.sizes[media]:
            return f".{media} has {group.sizes[media]:,} bytes, .json says {sample.kind} of {sample.bytes:,}"
        return self._codes(sample.codes, group.data.get("codes.npy", b"")) if self.codebooks else ""

    def _codes(self, layout: CodesLayout | UnsetType, data: bytes) -> str:
        sizes = self.codebooks or ()
        if layout is UNSET:
            return ".json has no `codes`"
        if self.tokenizer and layout.tokenizer != self.tokenizer:
            return f".json names the tokenizer {layout.tokenizer}, the manifest {self.tokenizer}"
        if (header := NPY_HEADER.match(data)) is None:
            return _unreadable(data)
        dtype, tokens, books = _parsed(header[1], header[2], header[3])
        if books != len(sizes) or tokens != _tokens(layout):
            return f".codes.npy has shape ({tokens}, {books}); expected ({_tokens(layout)}, {len(sizes)})"
        if len(data) - header.end() != tokens * books * dtype.itemsize:
            return f".codes.npy has {len(data) - header.end():,} bytes of codes, expected {tokens * books * dtype.itemsize:,}"
        if 256**dtype.itemsize <= min(sizes):  # no code of that dtype can be out of range
            return ""
        return _out_of_range(np.frombuffer(data, dtype, offset=header.end()), sizes)


@dataclass(frozen=True)
class RecordCheck:
    """Of a shard of chain-of-thought records of ``family``; its parents are handed to ``parents``."""

    family: str
    parents: Callable[[tuple[str, ...]], None]

    def __call__(self, group: Group) -> str:
        """What is wrong with a record, or ""."""
        try:
            record = Record.model_validate_json(group.data.get("json", b""))
        except ValidationError as error:
            first = error.errors()[0]
            return f".json: {'.'.join(map(str, first['loc']))} {first['msg']}"
        if record.id != group.key or record.family != self.family:
            return f".json is of record {record.id} of {record.family}, not of {self.family}"
        coded = (o.codes_name for o in record.observations if o.grid is not None)
        if extra := _difference(group, {"json", *(o.name for o in record.observations), *coded}):
            return extra
        self.parents(record.parents)
        return next((reason for o in record.observations if (reason := _codes_of_picture(o, group))), "")


def _codes_of_picture(picture: Observation, group: Group) -> str:
    """What is wrong with the codes of a record's own picture, or ""."""
    if picture.grid is None:
        return ""
    try:
        from_npy(group.data.get(picture.codes_name, b""), picture.grid)
    except RunError as error:
        return f".{picture.codes_name}: {error}"
    return ""


def _difference(group: Group, expected: set[str]) -> str:
    if group.sizes.keys() == expected:
        return ""
    odd = min(group.sizes.keys() ^ expected)
    return f"{'unexpected' if odd in group.sizes else 'missing'} .{odd}"


def _out_of_range(codes: NDArray[Any], sizes: tuple[int, ...]) -> str:
    if not len(codes) or codes.max() < min(sizes):
        return ""
    largest = codes.reshape(-1, len(sizes)).max(axis=0)
    bad = np.flatnonzero(largest >= np.array(sizes))
    return f".codes.npy: code {largest[bad[0]]} in codebook {bad[0]} of {sizes[bad[0]]} entries" if len(bad) else ""


@lru_cache(4096)
def _parsed(dtype: bytes, tokens: bytes, books: bytes) -> tuple[np.dtype[Any], int, int]:
    return np.dtype(dtype.decode()), int(tokens), int(books)


def _tokens(layout: CodesLayout) -> int:
    t, h, w = layout.grid
    if layout.frame_kinds is UNSET:
        return t * h * w
    fast = sum(layout.frame_kinds)
    return (len(layout.frame_kinds) - fast) * h * w + fast * math.prod(known(layout.fast_grid, [0, 0]))


def _unreadable(data: bytes) -> str:
    try:
        from_npy(data, (1, 1, 1))
    except RunError as error:
        return f".codes.npy: {error}"
    return ".codes.npy is not (tokens, codebooks) of unsigned numbers"
