"""Finds the members of a sample in the tars of a release by reading a few ranges of them, on disk and on S3.

The release's assignment tells a sample's shard and position. Samples lie in that order, so a guess by proportion comes near; from
a window of bytes there, the next header tells how far off it was, and a search between what is known on both sides ends after some
five reads. No shard is read as a whole.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Lock

import msgspec

from dataengine import contracts
from dataengine.browse.session import Session
from dataengine.errors import RunError
from dataengine.release.reader import Published
from dataengine.shards.read import read_header
from dataengine.shards.sample import FAMILIES
from dataengine.storage.store import Store
from dataengine.storage.tar import BLOCK, member_size
from dataengine.storage.workspace import File, Workspace

_ASSIGNMENT = re.compile(r"assignment(/[0-9a-f]+)?\.parquet")
_LARGEST_ASSIGNMENT = 4 << 30
"""Bytes of an assignment that is read for this."""
_WINDOW, _AHEAD = 128 << 10, 16 << 10
"""Bytes of a guess, and of a step from header to header."""
_NEAR = 8
"""Samples that are passed one by one rather than by another guess."""
_GUESSES, _STEPS = 40, 4_000
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
class _Shard:
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

    published: Published
    lookup: Lookup
    reads: int = 0
    read_bytes: int = 0
    _shards: dict[str, _Shard] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def store(self) -> Store:
        return self.published.store

    def members(self, id_: str) -> SampleMembers:
        """Raises KeyError where the release does not hold the sample, or its shard is damaged there; RunError, FileNotFoundError."""
        place = self.lookup(id_)
        if place is None:
            raise KeyError(id_)
        with self._lock:
            shard, extents = self._found(*place, id_)
            described = self._described(shard, extents, id_)
        ext = FAMILIES.get(described.kind, "")
        if described.id != id_ or ext not in extents or extents[ext][1] != described.bytes:
            raise KeyError(id_)
        return SampleMembers(shard.key, extents, described.kind, described.ext, extents[ext])

    def _described(self, shard: _Shard, extents: Extents, id_: str) -> _Described:
        try:
            return msgspec.json.decode(self._read(shard, *extents["json"]), type=_Described)
        except (KeyError, msgspec.DecodeError):
            raise KeyError(id_) from None

    def _found(self, name: str, position: int, id_: str) -> tuple[_Shard, Extents]:
        listed = next((one for one in self.published.manifest.shards if one.name == name), None)
        if listed is None or not 0 <= position < listed.samples:
            raise KeyError(id_)
        fresh = _Shard(name, listed.bytes, [0, listed.samples], [0, listed.bytes])
        shard = self._shards.setdefault(name, fresh)
        self._narrow(shard, position)
        extents: Extents = {}
        for member, offset, size in self._headers(shard, shard.around(position)[0][1]):
            sample, _, ext = member.partition(".")
            if sample == id_:
                extents[ext] = (offset, size)
            elif extents:
                break
            elif ext in _FIRST:
                there = self.lookup(sample)
                if there is None or there[0] != name or there[1] > position:
                    break
                shard.add(there[1], offset - BLOCK)
        if not extents:
            raise KeyError(id_)
        return shard, extents

    def _narrow(self, shard: _Shard, position: int) -> None:
        """Learn of places before ``position`` until a near one is known."""
        for _ in range(_GUESSES):
            (low, start), (high, end) = shard.around(position)
            if position - low <= _NEAR or end - start <= 2 * _WINDOW:
                return
            share = (position - low - 0.5) / (high - low)
            guess = start + int((end - start) * share) // BLOCK * BLOCK - _WINDOW // 2 // BLOCK * BLOCK
            first = self._first_in(shard, max(start + BLOCK, min(guess, end - _WINDOW)))
            if first is None or not low < first[0] < high:
                return  # inside one large file: the steps from header to header are as few
            shard.add(*first)

    def _first_in(self, shard: _Shard, start: int) -> tuple[int, int] | None:
        """Position and offset of the first sample that begins in a window; None where none does."""
        data = self._read(shard, start, _WINDOW)
        for at in range(0, len(data) - BLOCK + 1, BLOCK):
            if data[at + 257 : at + 263] != _MAGIC:
                continue
            try:
                member, _ = read_header(data[at : at + BLOCK], shard.name, start + at)
            except RunError:
                continue
            sample, _, ext = member.partition(".")
            place = self.lookup(sample) if ext in _FIRST else None
            if place is not None and place[0] == shard.name:
                return place[1], start + at
        return None

    def _headers(self, shard: _Shard, offset: int) -> Iterator[tuple[str, int, int]]:
        """Name, offset and bytes of the members from a header on, until the tar ends or is damaged."""
        start, data = offset, b""
        for _ in range(_STEPS):
            if not start <= offset <= start + len(data) - BLOCK:
                start, data = offset, self._read(shard, offset, _AHEAD)
            head = data[offset - start : offset - start + BLOCK]
            if len(head) < BLOCK:
                return
            try:
                name, size = read_header(head, shard.name, offset)
            except RunError:
                return
            yield name, offset + BLOCK, size
            offset += member_size(size)

    def _read(self, shard: _Shard, start: int, length: int) -> bytes:
        self.reads += 1
        data = self.store.get_range(shard.key, start, max(0, min(length, shard.size - start)))
        self.read_bytes += len(data)
        return data


def search_of(session: Session) -> ShardSearch:
    """Over the release of a session; its assignment is read when the first sample is looked for."""
    published = session.published
    assert published is not None
    made = Lock()
    ready = False

    def lookup(id_: str) -> tuple[str, int] | None:
        nonlocal ready
        with made:
            if not ready:
                _assigned(session, published)
                ready = True
        sql = 'SELECT "shard", "position" FROM assigned WHERE "id" = $id'
        for row in session.engine.rows_of_thread(sql, {"id": id_}).to_pylist():
            return row["shard"], row["position"]
        return None

    return ShardSearch(published, lookup)


def _assigned(session: Session, published: Published) -> None:
    """Make the table ``assigned`` (id, shard, position); empty where the release has none that could be read."""
    listed = [f for f in published.manifest.files if _ASSIGNMENT.fullmatch(f.path)]
    files = [File(f.path, f.sha256, f.bytes, 1) for f in listed]
    if sum(file.bytes for file in files) > _LARGEST_ASSIGNMENT:
        files = []
    with session.lock, session.engine.passing():
        frame = session.engine.scan(Workspace(published.store.url), files, contracts.ASSIGNMENT)
        session.engine.execute(f'CREATE TABLE assigned AS SELECT "id", "shard", "position" FROM {frame}')
