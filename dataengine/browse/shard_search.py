"""Finds the members of a sample in the tars of a release by reading a few ranges of them, on disk and on S3.

The release's assignment tells a sample's shard and position. Samples lie in that order, so a guess by proportion comes near;
from a window of bytes there, the next sample tells how far off it was, and a search between what is known on both sides ends
after some reads. No shard is read as a whole.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock, RLock

import msgspec

from dataengine import contracts
from dataengine.browse.view_engine import ViewEngine
from dataengine.errors import RunError
from dataengine.release.reader import Published
from dataengine.shards.manifest import Shard
from dataengine.shards.read import read_header
from dataengine.shards.sample import FAMILIES
from dataengine.storage.store import Store
from dataengine.storage.tar import BLOCK, member_size
from dataengine.storage.workspace import File, Workspace

_ASSIGNMENT = re.compile(r"assignment(/[0-9a-f]+)?\.parquet")
_LARGEST_ASSIGNMENT = 4 << 30
"""Bytes of an assignment that is read for this."""
_SMALLEST, _LARGEST, _AHEAD = 32 << 10, 2 << 20, 16 << 10
"""Bytes of a window, and of a step from header to header."""
_NEAR = 8
"""Samples that are passed one by one rather than by another guess."""
_GUESSES, _TRIES, _STEPS = 40, 3, 4_000
"""Guesses, windows of one, and headers that are passed."""
_FIRST = set(FAMILIES.values())
"""Extensions of the member that a sample begins with."""
_MAGIC = b"ustar\0"

#: Offset and bytes of a member, by its extension.
Extents = dict[str, tuple[int, int]]
#: Shard and position of a sample by its id; None where it has none.
Lookup = Callable[[str], tuple[str, int] | None]


class _Described(msgspec.Struct):
    """What is read of a sample's ``.json``."""

    id: str
    kind: str
    ext: str
    bytes: int


@dataclass(frozen=True)
class SampleMembers:
    """The members of a sample: the tar that holds them, their places, and what its ``.json`` says of the media."""

    tar: str
    extents: Extents
    kind: str
    ext: str
    media: tuple[int, int]


@dataclass
class _Tar:
    """A tar, and the positions of its samples whose place is known, in order, with their offsets; its end counts as one more."""

    name: str
    size: int
    positions: list[int]
    offsets: list[int]

    @property
    def key(self) -> str:
        return f"shards/{self.name}.tar"

    def add(self, position: int, offset: int) -> None:
        at = bisect.bisect_left(self.positions, position)
        if at == len(self.positions) or self.positions[at] != position:
            self.positions.insert(at, position)
            self.offsets.insert(at, offset)

    def around(self, position: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """(position, offset) of the nearest known ones at or before it, and after it."""
        at = bisect.bisect_right(self.positions, position)
        return (self.positions[at - 1], self.offsets[at - 1]), (self.positions[at], self.offsets[at])


@dataclass
class ShardSearch:
    """Searches the shards of a release. May be used by several threads, of which one searches at a time. ``reads`` counts the
    ranges, ``read_bytes`` their bytes."""

    store: Store
    shards: Sequence[Shard]
    lookup: Lookup
    reads: int = 0
    read_bytes: int = 0
    _tars: dict[str, _Tar] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def members(self, id_: str) -> SampleMembers:
        """Raises KeyError where the release does not hold the sample or its tar is damaged there; RunError, FileNotFoundError."""
        place = self.lookup(id_)
        if place is None:
            raise KeyError(id_)
        with self._lock:
            tar, extents = self._located(*place, id_)
            described = self._described(tar, extents, id_)
        ext = FAMILIES.get(described.kind, "")
        if described.id != id_ or ext not in extents or extents[ext][1] != described.bytes:
            raise KeyError(id_)
        return SampleMembers(tar.key, extents, described.kind, described.ext, extents[ext])

    def _described(self, tar: _Tar, extents: Extents, id_: str) -> _Described:
        try:
            return msgspec.json.decode(self._read(tar, *extents["json"]), type=_Described)
        except (KeyError, msgspec.DecodeError):
            raise KeyError(id_) from None

    def _located(self, name: str, position: int, id_: str) -> tuple[_Tar, Extents]:
        listed = next((one for one in self.shards if one.name == name), None)
        if listed is None or not 0 <= position < listed.samples:
            raise KeyError(id_)
        fresh = _Tar(name, listed.bytes, [0, listed.samples], [0, listed.bytes])
        tar = self._tars.setdefault(name, fresh)
        self._narrow(tar, position)
        extents: Extents = {}
        for member, offset, size in self._headers(tar, tar.around(position)[0][1]):
            sample, _, ext = member.partition(".")
            if sample == id_:
                extents[ext] = (offset, size)
            elif extents:
                break
            elif ext in _FIRST:
                there = self.lookup(sample)
                if there is None or there[0] != name or there[1] > position:
                    break
                tar.add(there[1], offset - BLOCK)
        if not extents:
            raise KeyError(id_)
        return tar, extents

    def _narrow(self, tar: _Tar, position: int) -> None:
        """Learn of places before ``position`` until a near one is known. Each guess aims a little before it, the further the more
        guesses in a row lead past it."""
        before = _NEAR // 2
        for _ in range(_GUESSES):
            (low, start), (high, end) = tar.around(position)
            mean = (end - start) // (high - low)
            window = max(_SMALLEST, min(3 * mean // 2, _LARGEST)) // BLOCK * BLOCK
            if position - low <= max(_NEAR, before) or end - start <= 2 * window or mean > 2 * _LARGEST:
                return  # from header to header it is as few reads
            guess = start + int((end - start) * (position - before - low) / (high - low)) - min(window // 2, mean)
            first = self._first_in(tar, max(start, min(guess, end - window)) // BLOCK * BLOCK, window)
            if first is not None and low < first[0] < high:
                tar.add(*first)
            before = _NEAR // 2 if first is not None and first[0] <= position else 2 * before

    def _first_in(self, tar: _Tar, start: int, window: int) -> tuple[int, int] | None:
        """Position and offset of the first sample that begins in some windows, right after the members of the one before it, so
        that bytes which look like a header mislead nobody; None where there is none."""
        for place in range(start, start + _TRIES * window, window):
            data = self._read(tar, place, window)
            for at in range(0, len(data) - BLOCK + 1, BLOCK):
                if data[at + 257 : at + 263] == _MAGIC and (first := self._next_sample(tar, data, at, place)):
                    return first
        return None

    def _next_sample(self, tar: _Tar, data: bytes, at: int, place: int) -> tuple[int, int] | None:
        """The sample that follows the members from the header at ``at`` on; None where what is there is not the end of one."""
        before = ""
        while at + BLOCK <= len(data):
            try:
                member, size = read_header(data[at : at + BLOCK], tar.name, place + at)
            except RunError:
                return None
            sample, _, ext = member.partition(".")
            if ext in _FIRST and before:
                this, last = self.lookup(sample), self.lookup(before)
                if this is None or last is None or (last[0], last[1] + 1) != this or this[0] != tar.name:
                    return None
                return this[1], place + at
            before = sample if ext == "txt" or (before == sample and ext not in _FIRST) else ""
            at += member_size(size)
        return None

    def _headers(self, tar: _Tar, offset: int) -> Iterator[tuple[str, int, int]]:
        """Name, offset and bytes of the members from a header on, until the tar ends or is damaged."""
        start, data = offset, b""
        for _ in range(_STEPS):
            if not start <= offset <= start + len(data) - BLOCK:
                start, data = offset, self._read(tar, offset, _AHEAD)
            head = data[offset - start : offset - start + BLOCK]
            if len(head) < BLOCK:
                return
            try:
                name, size = read_header(head, tar.name, offset)
            except RunError:
                return
            yield name, offset + BLOCK, size
            offset += member_size(size)

    def _read(self, tar: _Tar, start: int, length: int) -> bytes:
        self.reads += 1
        data = self.store.get_range(tar.key, start, max(0, min(length, tar.size - start)))
        self.read_bytes += len(data)
        return data


def search_of(engine: ViewEngine, lock: RLock, published: Published) -> ShardSearch:
    """Over a release, whose assignment is read when the first sample is looked for, while ``lock`` is held. Later ones are looked
    for without it: a search that waited for it could be waited for by who holds it."""
    ready = False

    def lookup(id_: str) -> tuple[str, int] | None:
        nonlocal ready
        if not ready:
            with lock:
                if not ready:
                    _read_assignment(engine, published)
                    ready = True
        sql = 'SELECT "shard", "position" FROM assigned WHERE "id" = $id'
        for row in engine.rows_of_thread(sql, {"id": id_}).to_pylist():
            return row["shard"], row["position"]
        return None

    return ShardSearch(published.store, published.manifest.shards, lookup)


def _read_assignment(engine: ViewEngine, published: Published) -> None:
    """Make the table ``assigned`` (id, shard, position); empty where the release has none that could be read."""
    listed = [f for f in published.manifest.files if _ASSIGNMENT.fullmatch(f.path)]
    files = [File(f.path, f.sha256, f.bytes, 1) for f in listed]
    if sum(file.bytes for file in files) > _LARGEST_ASSIGNMENT:
        files = []
    with engine.passing():
        frame = engine.scan(Workspace(published.store.url), files, contracts.ASSIGNMENT)
        engine.execute(f'CREATE TABLE assigned AS SELECT "id", "shard", "position" FROM {frame}')
