"""Reads every byte of a release or workspace and says what of some samples is left in it.

Bytes of the media are looked for as they are, ids in names, text, JSON and every column of every table. A release may still
*name* a sample: its ledger says that it was taken down, its deltas that it went, so that whoever has a copy can delete theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa

from dataengine.errors import RunError
from dataengine.ingest.tombstones import FOLDER
from dataengine.storage.row_packs import PLACES, places
from dataengine.storage.store import Entry, Store
from dataengine.takedown.needles import HELD, NAMED, OVERLAP, Needles, tables

_PARALLEL = 8
Progress = Callable[[int, int], None]


@dataclass
class Place:
    """One row of what a scan tells: objects and bytes below a prefix that were read, keys that hold something of the samples, and
    keys that name them only."""

    name: str
    objects: int = 0
    bytes: int = 0
    held: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)

    def cells(self) -> tuple[str, ...]:
        return self.name, f"{self.objects:,}", f"{self.bytes:,}", f"{len(self.held):,}", f"{len(self.named):,}"


COLUMNS = ("place", "objects read", "bytes read", "hold it", "name it")


def release(store: Store, needles: Needles, name: str, progress: Progress) -> Place:
    """Scan the release at ``store``."""
    [place] = _scanned(store, store.list(), needles, lambda key: name, _may_name_in_release, progress) or [Place(name)]
    return place


def workspace(store: Store, needles: Needles, progress: Progress) -> list[Place]:
    """Scan a workspace: its folders, and each of its releases. What a take-down or a lease has written of itself is left out."""
    entries = (e for e in store.list() if not e.key.startswith((f"{FOLDER}/", "lease/")))

    def name(key: str) -> str:
        parts = key.split("/")
        return "/".join(parts[:2]) if parts[0] == "releases" and len(parts) > 2 else parts[0]

    def may_name(key: str) -> bool:
        return key.startswith("releases/") and _may_name_in_release(key.split("/", 2)[-1])

    return _scanned(store, entries, needles, name, may_name, progress)


def _may_name_in_release(path: str) -> bool:
    """Ledgers, of sequences too, deltas, and the assignment, which stays where a release was deleted."""
    name = path.rpartition("/")[2] if path.startswith("sequences/") else path
    return name.startswith(("ledger", "deltas", "assignment")) and name.endswith(".parquet")


def _scanned(
    store: Store,
    entries: Iterable[Entry],
    needles: Needles,
    name: Callable[[str], str],
    may_name: Callable[[str], bool],
    progress: Progress,
) -> list[Place]:
    result: dict[str, Place] = {}
    whole = list(entries)
    progress(0, len(whole))
    with ThreadPoolExecutor(_PARALLEL) as pool:
        for number, (entry, what) in enumerate(pool.map(lambda e: (e, look(store, e, needles)), whole), 1):
            place = result.setdefault(name(entry.key), Place(name(entry.key)))
            place.objects, place.bytes = place.objects + 1, place.bytes + entry.size
            if what == NAMED and may_name(entry.key):
                place.named.append(entry.key)
            elif what:
                place.held.append(entry.key)
            progress(number, len(whole))
    return [place for _, place in sorted(result.items())]


def look(store: Store, entry: Entry, needles: Needles) -> str:
    """What of the samples is in an object: HELD, NAMED or "". An object that has gone meanwhile has nothing."""
    if needles.named_in(entry.key.encode()):
        return HELD
    try:
        if entry.key.endswith(".parquet"):
            return _in_parquet(store, store.get(entry.key), needles)
        return _first(needles.in_bytes(piece) for piece in overlapping(store, entry))
    except FileNotFoundError:
        return ""


def _first(found: Iterable[str]) -> str:
    named = ""
    for what in found:
        if what == HELD:
            return HELD
        named = named or what
    return named


def overlapping(store: Store, entry: Entry) -> Iterator[bytes]:
    """An object in pieces, each with the end of the one before."""
    end = b""
    for piece in store.stream(entry.key, entry.size):
        yield end + piece
        end = piece[-OVERLAP:]


def _in_parquet(store: Store, data: bytes, needles: Needles) -> str:
    """In a table, and in the packs of rows whose places it has."""
    try:
        return _first(
            what for table in tables(data) for what in (needles.in_table(table), _in_packs(store, table, needles))
        )
    except pa.ArrowException:
        return needles.in_bytes(data)


def _in_packs(store: Store, table: pa.Table, needles: Needles) -> str:
    """Slices of packs are Arrow streams, compressed: they are read by the table that has their places."""
    if not set(PLACES.names) <= set(table.column_names):
        return ""
    try:
        return _first(needles.in_table(one.read(store)) for one in places(table))
    except (FileNotFoundError, RunError, pa.ArrowException):  # a plan whose pack is gone; nothing of it is left
        return ""
