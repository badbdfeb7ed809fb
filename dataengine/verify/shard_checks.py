"""What must hold for each sample and each chain-of-thought record of a release, from its members' names, sizes and JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray
from pydantic import ValidationError

from dataengine.cot.core.record import Record
from dataengine.errors import RunError
from dataengine.shards.json_types import known
from dataengine.shards.sample import FAMILIES, CodesLayout, SampleMetadata
from dataengine.tokenize.codec import from_npy

_SAMPLE = msgspec.json.Decoder(SampleMetadata)
_NPY = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([|<]u[124])', 'fortran_order': False, 'shape': \((\d+), (\d+)\), \} *\n"
)


@dataclass
class Group:
    """The members of one key: sizes by extension, and the payloads that were asked for."""

    key: str
    sizes: dict[str, int] = field(default_factory=dict)
    data: dict[str, bytes] = field(default_factory=dict)


def needed(name: str) -> bool:
    """True for members whose payload is looked at; media and pictures are covered by the tar's digest."""
    return name.endswith((".json", ".npy"))


def groups(members: Iterator[tuple[str, int, bytes | None]], wrong: Callable[[str, str], None]) -> Iterator[Group]:
    """Members by key; ``wrong(what, why)`` is told of keys in two places, names twice and names without a key."""
    seen: set[str] = set()
    group = Group("")
    for name, size, data in members:
        key, _, ext = name.partition(".")
        if key != group.key:
            if group.sizes:
                yield group
            if key in seen:
                wrong(name, "its sample's members are not adjacent")
            seen.add(key)
            group = Group(key)
        if not key or not ext:
            wrong(name, "is no key with an extension")
        if ext in group.sizes:
            wrong(name, "is there twice")
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
        wanted = {media, "txt", "json"} | ({"codes.npy"} if self.codebooks else set())
        if group.sizes.keys() != wanted:
            odd = sorted(group.sizes.keys() ^ wanted)
            return f"{'has' if odd[0] in group.sizes else 'lacks'} .{odd[0]}"
        try:
            sample = _SAMPLE.decode(group.data["json"])
        except ValueError as error:
            return f".json: {error}"
        if sample.id != group.key or not sample.sha256.startswith(sample.id):
            return f".json is of sample {sample.id}"
        if sample.kind != self.family or sample.bytes != group.sizes[media]:
            return f".{media} has {group.sizes[media]:,} bytes, .json says {sample.kind} of {sample.bytes:,}"
        return self._codes(sample.codes, group.data.get("codes.npy", b"")) if self.codebooks else ""

    def _codes(self, layout: CodesLayout | UnsetType, data: bytes) -> str:
        sizes = self.codebooks or ()
        if layout is UNSET:
            return ".json lacks codes"
        if self.tokenizer and layout.tokenizer != self.tokenizer:
            return f".json names the tokenizer {layout.tokenizer}, the manifest {self.tokenizer}"
        if (form := _NPY.match(data)) is None:
            return _unread(data)
        kind, tokens, books = _form(form[1], form[2], form[3])
        if books != len(sizes) or tokens != _tokens(layout):
            return f".codes.npy has the shape ({tokens}, {books}), its grid {layout.grid} {len(sizes)} codebooks"
        if len(data) - form.end() != tokens * books * kind.itemsize:
            return f".codes.npy has {len(data) - form.end():,} bytes of codes"
        if 256**kind.itemsize <= min(sizes):  # no code of that kind can be beyond
            return ""
        return _beyond(np.frombuffer(data, kind, offset=form.end()), sizes)


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
        wanted = {"json", *(o.name for o in record.observations)}
        if group.sizes.keys() != wanted:
            odd = sorted(group.sizes.keys() ^ wanted)
            return f"{'has' if odd[0] in group.sizes else 'lacks'} .{odd[0]}"
        self.parents(record.parents)
        return ""


def _beyond(codes: NDArray[Any], sizes: tuple[int, ...]) -> str:
    if not len(codes) or codes.max() < min(sizes):
        return ""
    largest = codes.reshape(-1, len(sizes)).max(axis=0)
    bad = np.flatnonzero(largest >= np.array(sizes))
    return f".codes.npy: code {largest[bad[0]]} in codebook {bad[0]}, which has {sizes[bad[0]]}" if len(bad) else ""


@lru_cache(4096)
def _form(kind: bytes, tokens: bytes, books: bytes) -> tuple[np.dtype[Any], int, int]:
    return np.dtype(kind.decode()), int(tokens), int(books)


def _tokens(layout: CodesLayout) -> int:
    t, h, w = layout.grid
    if layout.frame_kinds is UNSET:
        return t * h * w
    fast = sum(layout.frame_kinds)
    return (len(layout.frame_kinds) - fast) * h * w + fast * math.prod(known(layout.fast_grid, [0, 0]))


def _unread(data: bytes) -> str:
    try:
        from_npy(data, (1, 1, 1))
    except RunError as error:
        return f".codes.npy: {error}"
    return ".codes.npy is not (tokens, codebooks) of unsigned numbers"
