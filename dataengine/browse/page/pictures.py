"""Media of samples, thumbnails, and the frames that a video is sampled by; pictures are made when they are first shown, in decode
children."""

from __future__ import annotations

import mimetypes
from contextlib import ExitStack
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Protocol, Self

from dataengine.browse.page.cached import Cached
from dataengine.browse.session import Session
from dataengine.browse.shard_search import ShardSearch
from dataengine.contracts import SAMPLES, UNIQUE
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Ok, Sandbox
from dataengine.media.video.sampling import PRESETS, SlowFast
from dataengine.media.video.strip import Strip
from dataengine.storage.store import Store

#: Thumbnails that are kept, of some 5 KB each; videos whose frames are, of some 5 KB a frame.
_KEPT, _STRIPS = 4_000, 40
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


class Places(Protocol):
    """Places of media by sample id. ``store``: where they lie."""

    @property
    def store(self) -> Store: ...

    def __getitem__(self, id_: str) -> Place:
        """Raises KeyError."""


class Pictures:
    """Media by sample id; a context manager, whose decode children end with it. May be used by several threads."""

    def __init__(self, session: Session) -> None:
        self._places: Places = _RunPlaces(session) if session.run is not None else _ShardPlaces(session.shards)
        self._limits = session.run.recipe.limits.to_limits() if session.run is not None else Limits()
        self.sampling, self.sampled_by = _sampling(session)
        self._open = ExitStack()
        self._child = self._sandbox("dataengine.media.thumbnail:thumbnail", self._limits, bytes)
        self._sampler: Sandbox | None = None
        self._thumbnails = Cached(_KEPT, self._thumbnail)
        self._strips = Cached(_STRIPS, self._strip)

    def _sandbox(self, function: str, context: object, answer: object) -> Sandbox:
        return Sandbox(function, context, workers=1, limits=self._limits, answer=answer)

    def __enter__(self) -> Self:
        self._open.enter_context(self._child)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def place(self, id_: str) -> Place:
        """Raises KeyError."""
        return self._places[id_]

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
        thumbnail = self._thumbnails[id_]
        if thumbnail is None:
            raise KeyError(id_)
        return thumbnail

    def strip(self, id_: str) -> Strip | str:
        """The sampled frames of a video and its shots, or why there are none. Raises KeyError."""
        return self._strips[id_]

    def _thumbnail(self, id_: str) -> bytes | None:
        place, data = self._whole(id_)
        [outcome] = self._child.map([(data, place.kind)])
        jpeg: bytes | None = outcome.value if isinstance(outcome, Ok) else None
        return jpeg

    def _strip(self, id_: str) -> Strip | str:
        place, data = self._whole(id_)
        if place.kind != "video":
            raise KeyError(id_)
        if self._sampler is None:
            context = (self._limits, self.sampling)
            self._sampler = self._open.enter_context(
                self._sandbox("dataengine.media.video.strip:strip", context, Strip)
            )
        [outcome] = self._sampler.map([data])
        strip: Strip | str = outcome.value if isinstance(outcome, Ok) else f"{outcome.failure}: {outcome.message}"
        return strip

    def _whole(self, id_: str) -> tuple[Place, bytes]:
        place = self._places[id_]
        return place, self._places.store.get_range(place.media, place.offset, place.bytes)


def _sampling(session: Session) -> tuple[SlowFast, str]:
    """How the tokenizer of a run or release samples videos, and a name for it; the released preset where there is none."""
    if session.run is not None and "tokenize.fit" in session.run.records:
        fitted = session.run.records["tokenize.fit"].parts["all"].facts
        return SlowFast(**fitted["video"]), f"tokenizer {fitted['id'][:8]}"
    manifest = session.published.manifest if session.published is not None else None
    if manifest is not None and manifest.tokenizer is not None:
        known = {one.name: getattr(manifest.tokenizer.video, one.name) for one in fields(SlowFast)}
        return SlowFast(**known), f"tokenizer {manifest.tokenizer.id[:8]}"
    return PRESETS["released"], "the preset `released`"


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


class _ShardPlaces:
    """Places in the shards of a release, on disk or S3; those that were looked up lately are kept."""

    def __init__(self, search: ShardSearch) -> None:
        self.store, self._search = search.store, search
        self._places = Cached(_KEPT, self._place)

    def __getitem__(self, id_: str) -> Place:
        return self._places[id_]

    def _place(self, id_: str) -> Place:
        members = self._search.members(id_)
        return Place(members.tar, *members.media, members.ext, members.kind)
