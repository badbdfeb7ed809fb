"""Media of samples, and thumbnails of them that are made when they are first shown, in a decode child."""

from __future__ import annotations

import mimetypes
import tarfile
from collections import OrderedDict
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from dataengine.browse.session import Session
from dataengine.contracts import SAMPLES, UNIQUE
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Ok, Sandbox
from dataengine.release.reader import Published
from dataengine.storage.store import Store

#: Thumbnails that are kept, of some 5 KB each; samples of a release whose tars are looked through for media.
_KEPT, _SEARCHED = 4_000, 500_000
#: What a browser may show as it is.
_SHOWN = ("image/", "video/")


@dataclass(frozen=True)
class Place:
    """Where the bytes of a sample lie, and what they are."""

    media: str
    offset: int
    bytes: int
    ext: str
    kind: str


class Pictures:
    """Media by sample id; a context manager, whose decode child ends with it. May be used by several threads."""

    def __init__(self, session: Session) -> None:
        self._places = _RunPlaces(session) if session.run is not None else _TarPlaces(session.published)
        limits = session.run.recipe.limits.to_limits() if session.run is not None else Limits()
        self._child = Sandbox("dataengine.media.thumbnail:thumbnail", limits, workers=1, limits=limits, answer=bytes)
        self._thumbnails: OrderedDict[str, bytes | None] = OrderedDict()
        self._lock, self._open = Lock(), ExitStack()

    def __enter__(self) -> Self:
        self._open.enter_context(self._child)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def media(self, id_: str, start: int = 0, length: int | None = None) -> tuple[str, bytes, int]:
        """Content type, stored bytes (all from ``start``, or at most ``length`` of them) and the size of the whole. Raises
        KeyError."""
        place = self._places[id_]
        kind = mimetypes.guess_type(f"x.{place.ext}")[0] or ""
        wanted = max(0, min(place.bytes - start, place.bytes if length is None else length))
        data = self._places.store.get_range(place.media, place.offset + start, wanted) if wanted else b""
        return kind if kind.startswith(_SHOWN) else "application/octet-stream", data, place.bytes

    def thumbnail(self, id_: str) -> bytes:
        """A JPEG; of a video its middle frame. Raises KeyError where there is no such sample or it cannot be decoded."""
        place = self._places[id_]
        with self._lock:
            if id_ not in self._thumbnails:
                data = self._places.store.get_range(place.media, place.offset, place.bytes)
                [outcome] = self._child.map([(data, place.kind)])
                self._thumbnails[id_] = outcome.value if isinstance(outcome, Ok) else None
                if len(self._thumbnails) > _KEPT:
                    self._thumbnails.popitem(last=False)
            self._thumbnails.move_to_end(id_)
            thumbnail = self._thumbnails[id_]
        if thumbnail is None:
            raise KeyError(id_)
        return thumbnail


class _RunPlaces:
    """Places in a workspace, of all samples that were read, before they were compared, too."""

    def __init__(self, session: Session) -> None:
        run = session.needed("ingest")
        self.store: Store = run.workspace.store
        self._engine = session.engine
        columns = '"id", "media", "offset", "bytes", "ext", "kind"'
        unique = "dedup.unique" in run.records
        rows = run.frame("dedup.unique", "unique", UNIQUE) if unique else run.frame("ingest", "samples", SAMPLES)
        session.engine.execute(f"CREATE TABLE places AS SELECT {columns} FROM {rows}")
        session.engine.execute('CREATE INDEX place_by_id ON places ("id")')

    def __getitem__(self, id_: str) -> Place:
        sql = 'SELECT "media", "offset", "bytes", "ext", "kind" FROM places WHERE "id" = $id'
        for row in self._engine.rows_of_thread(sql, {"id": id_}).to_pylist():
            return Place(**row)
        raise KeyError(id_)


class _TarPlaces:
    """Places in the shards of a release on disk, read from the tars' headers when the first is needed; of a damaged
    tar those before the damage."""

    def __init__(self, published: Published | None) -> None:
        assert published is not None
        self._published, self.store = published, published.store
        self._known: dict[str, Place] | None = None
        self._lock = Lock()

    def __getitem__(self, id_: str) -> Place:
        with self._lock:
            if self._known is None:
                self._known = self._read()
        return self._known[id_]

    def _read(self) -> dict[str, Place]:
        if self.store.remote or self._published.manifest.samples > _SEARCHED:
            return {}
        places: dict[str, Place] = {}
        for shard in self._published.manifest.shards:
            key = f"shards/{shard.name}.tar"
            with suppress(OSError, tarfile.TarError), tarfile.open(Path(self.store.url, key), "r:") as tar:
                for member in tar:
                    id_, _, ext = member.name.partition(".")
                    kind = (mimetypes.guess_type(f"x.{ext}")[0] or "").partition("/")[0]
                    if kind in ("image", "video"):
                        places[id_] = Place(key, member.offset_data, member.size, ext, kind)
        return places
