"""Where the members of a release's samples and records lie, by the headers of its tars: no shard is read or held as a whole."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from itertools import groupby

from dataengine.errors import RunError
from dataengine.release.reader import Tar
from dataengine.shards.places import MEDIA_PLACES
from dataengine.shards.read import read_header
from dataengine.storage.object_file import open_object
from dataengine.storage.store import CHUNK, Store
from dataengine.storage.tar import BLOCK, Member, member_size
from dataengine.storage.workspace import Output, Workspace

#: Offset and bytes of the members of a sample or record, by extension.
Extents = dict[str, tuple[int, int]]

#: Bytes of an entry from which on reading a window at each header is cheaper than all there is between them.
_LARGE = 1 << 20
_WINDOW = 1 << 16
_END = bytes(BLOCK)


def headers(store: Store, tar: Tar, start: int = 0, window: int | None = None) -> Iterator[Member]:
    """The members of a tar in their order, from the header at ``start``. Read a ``window`` of bytes at a time: by default each
    once where entries are small, else only those with headers in them. Raises RunError for a tar that is missing or damaged."""
    window = window or (CHUNK if tar.bytes <= tar.entries * _LARGE else _WINDOW)
    with open_object(store, tar.path, tar.bytes, window) as file:
        at = start
        while True:
            file.seek(at)
            head = file.read(BLOCK)
            if head == _END:
                return
            if len(head) < BLOCK:
                raise RunError(f"{store.uri(tar.path)} ends at byte {at + len(head):,} without its closing blocks")
            name, size = read_header(head, store.uri(tar.path), at)
            yield Member(name, at + BLOCK, size)
            at += member_size(size)


def entries(members: Iterator[Member]) -> Iterator[tuple[str, Extents]]:
    """Samples or records, each with its members, which are adjacent."""
    for key, group in groupby(members, lambda member: member.name.partition(".")[0]):
        yield key, {one.name.partition(".")[2]: (one.offset, one.size) for one in group}


def written_shards(store: Store) -> dict[str, Output]:
    """The shards of a release as the workspace that it lies in has committed them; none where it lies elsewhere, or that may not
    be read."""
    place, inside, name = store.url.rpartition("/releases/")
    try:
        record = Workspace(place).record(f"stages/shard.write/{name}.json") if inside else None
    except RunError:
        record = None
    return record.parts if record else {}


def starts(store: Store, tar: Tar, shards: Mapping[str, Output]) -> dict[str, int]:
    """Where each sample begins in a tar, by the table that a workspace keeps of a release with an index of its own; empty for
    another release."""
    shard = shards.get(tar.path.rpartition("/")[2].removesuffix(".tar"))
    if shard is None or "places" not in shard.files or shard.files["tar"].sha256 != tar.sha256:
        return {}
    workspace = Workspace(store.url.rpartition("/releases/")[0])
    rows = workspace.read_table([shard.files["places"]], MEDIA_PLACES, ["id", "offset"])
    return {
        id_: offset - BLOCK for id_, offset in zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True)
    }


class MemberIndex:
    """Members of the entries of one tar, as far as somebody has looked for them; ``starts``: where entries are known to begin.
    For several threads."""

    def __init__(self, store: Store, tar: Tar, starts: Mapping[str, int] | None = None) -> None:
        self._store, self._tar, self._starts = store, tar, starts or {}
        self._known: dict[str, Extents] = {}
        self._rest: Iterator[tuple[str, Extents]] | None = None
        self._at = 0
        self._lock = threading.Lock()

    def of(self, key: str) -> Extents | None:
        """The members of an entry; None where the tar has none of that name. Raises as ``headers``."""
        if key in self._starts and key not in self._known:
            name, extents = next(entries(headers(self._store, self._tar, self._starts[key], _WINDOW)), ("", Extents()))
            if name != key:
                raise RunError(f"{self._store.uri(self._tar.path)} is not as its workspace has it: copy it again")
            self._known[key] = extents
            return extents
        with self._lock:
            self._rest = self._rest or entries(headers(self._store, self._tar, self._at))
            try:
                while key not in self._known and (one := next(self._rest, None)) is not None:
                    self._known[one[0]] = one[1]
                    self._at = max(offset + member_size(size) - BLOCK for offset, size in one[1].values())
            except (RunError, FileNotFoundError) as error:
                self._rest = None
                raise RunError(str(error)) from None
            return self._known.get(key)

    def pause(self) -> None:
        """Hold no bytes of the tar until somebody looks for more of it."""
        with self._lock:
            self._rest = None
