"""Packs the pictures of a part's rows: some samples a pack, named by content.

A pack whose samples are those of an earlier part is there already: nothing of it is read or written.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from dataengine.cot.core.columns import Member
from dataengine.errors import RunError
from dataengine.storage.store import Store
from dataengine.storage.workspace import digest

Row = dict[str, Any]
#: Pack of a row whose new pictures are not published yet, or that has no pictures.
UNPACKED = ""


@contextmanager
def collected(store: Store) -> Iterator[Pictures]:
    """Pictures of a part, held in a file of this machine until they are published."""
    with tempfile.TemporaryFile() as file:
        yield Pictures(store, file)


class Pictures:
    """New pictures, and those in packs of earlier parts."""

    def __init__(self, store: Store, file: IO[bytes]) -> None:
        self._store, self._file = store, file

    def add(self, pictures: Iterable[tuple[str, bytes]]) -> tuple[Member, ...]:
        """Places of new pictures, given by name, for a row whose pack is UNPACKED."""
        members = []
        for name, data in pictures:
            members.append(Member(name, self._file.tell(), len(data), hashlib.sha256(data).hexdigest()))
            self._file.write(data)
        return tuple(members)

    def publish(self, rows: Iterable[Row], base: str, pack_of: Callable[[Row], str]) -> list[Row]:
        """The rows with their pictures in packs below ``base``, those together that ``pack_of`` says."""
        rows = list(rows)
        groups: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if row["members"]:
                groups[pack_of(row)].append(row)
        packed = {id(row): row | place for group in groups.values() for row, place in self._publish(group, base)}
        return [packed.get(id(row), row) for row in rows]

    def _publish(self, rows: list[Row], base: str) -> Iterator[tuple[Row, Row]]:
        key = f"{base}/{digest([[m['size'], m['sha256']] for row in rows for m in row['members']])}.bin"
        if not self._store.exists(key):
            self._store.put(key, b"".join(data for row in rows for data in self._read(row)))
        offset = 0
        for row in rows:
            members = []
            for member in row["members"]:
                members.append({**member, "offset": offset})
                offset += member["size"]
            yield row, {"pack": key, "members": members}

    def _read(self, row: Row) -> list[bytes]:
        places = [(m["offset"], m["size"]) for m in row["members"]]
        if row["pack"] != UNPACKED:
            try:
                return self._store.get_ranges(row["pack"], *zip(*places, strict=True))
            except FileNotFoundError as error:
                raise RunError(f"{error}: pictures of earlier questions; delete stages/cot.* and rerun") from None
        pictures = []
        for offset, size in places:
            self._file.seek(offset)
            pictures.append(self._file.read(size))
        self._file.seek(0, 2)
        return pictures
