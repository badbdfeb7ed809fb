"""``dataengine.open``: media, captions, codes and chain-of-thought records of a release by their ids, from a folder or s3://.

A lookup reads the table of places, headers of the one tar, and the members that are asked for, each by one ranged request.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataengine.api.member_index import Extents, MemberIndex, entries, headers, starts, written_shards
from dataengine.api.tables import Tables, files_of, tables_of_release
from dataengine.errors import InputError, RunError, UsageError
from dataengine.release.reader import Published, Tar, open_release
from dataengine.shards.codes import codes_of_sample
from dataengine.shards.sample import FAMILIES
from dataengine.storage.object_file import open_object
from dataengine.storage.store import Store
from dataengine.text.bounded_json import parse_json
from dataengine.tokenize.codec import from_npy

if TYPE_CHECKING:
    from dataengine.storage.workspace import Output
    from dataengine.tokenize.base import Codes

#: Rows of a table of places that are held at once, and bytes of a column read ahead.
_ROWS, _AHEAD = 1 << 16, 1 << 20
#: Tars whose members are remembered, and those of which bytes are held, too.
_TARS, _OPEN = 64, 4
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Entry:
    """What lies under one key of a tar. Nothing is read before it is asked for."""

    id: str
    tar: str
    _store: Store = field(repr=False)
    _extents: Extents = field(repr=False)

    @property
    def names(self) -> list[str]:
        """Extensions of its members."""
        return list(self._extents)

    def read(self, name: str) -> bytes:
        """A member by its extension, read anew each time. Raises UsageError for one that it has not, RunError."""
        if name not in self._extents:
            raise UsageError(f"{self.id} has no {name}; it has {', '.join(self._extents)}")
        return self._store.get_range(self.tar, *self._extents[name])

    def _json(self) -> dict[str, Any]:
        try:
            value: dict[str, Any] = parse_json(self.read("json"))
        except InputError as error:
            raise RunError(f"{self._store.uri(self.tar)}: {self.id}.json: {error}") from None
        return value

    def _checked(self, name: str, sha256: str) -> bytes:
        data = self.read(name)
        if (actual := hashlib.sha256(data).hexdigest()) != sha256:
            raise RunError(
                f"checksum mismatch reading {self.id}.{name} in {self._store.uri(self.tar)}: got {actual}, expected {sha256}; "
                "copy the release again"
            )
        return data


class Sample(Entry):
    """A sample of a release."""

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """Its ``.json``: facts, all captions, scores (``schemas/sample``)."""
        return self._json()

    @cached_property
    def caption(self) -> str:
        """The chosen caption, "" where it has none."""
        return self.read("txt").decode()

    @property
    def media(self) -> bytes:
        """The bytes of the picture or video, checked against the checksum in its metadata; ``metadata["format"]`` says what they
        are."""
        about = self.metadata
        return self._checked(FAMILIES[about["kind"]], about.get("media_sha256") or about["sha256"])

    @property
    def codes(self) -> Codes | None:
        """Visual codes: ``tokens`` (T, N), their ``grid``, a video's ``timeline``; None in a release without a tokenizer."""
        if "codes.npy" not in self._extents:
            return None
        return codes_of_sample({name: self.read(name) for name in ("json", "codes.npy")})


class CotRecord(Entry):
    """A chain-of-thought record of a release."""

    @cached_property
    def data(self) -> dict[str, Any]:
        """Its ``.json``: messages, answer, mode, task, verdict (``schemas/cot_record``)."""
        return self._json()

    @property
    def samples(self) -> list[str]:
        """Ids of the samples that it is about."""
        return list(self.data["parents"])

    @property
    def pictures(self) -> dict[str, bytes]:
        """Pictures that are the record's own, PNG, by name; each is checked."""
        return {one["name"]: self._checked(one["name"], one["sha256"]) for one in self.data["observations"]}

    @property
    def codes(self) -> dict[str, Codes]:
        """Visual codes of these pictures, where the release has codes."""
        grids = {one["name"]: one["grid"] for one in self.data["observations"] if one.get("grid")}
        return {
            name: from_npy(self.read(f"{name.removesuffix('.png')}.codes.npy"), tuple(grid))
            for name, grid in grids.items()
        }


class Release:
    """A finished release, in a folder or on s3://. Raises UsageError where there is none, RunError for a damaged one."""

    def __init__(self, place: str | Path) -> None:
        self._published: Published = open_release(str(place if "://" in str(place) else Path(place).expanduser()))
        self._indexes: OrderedDict[str, MemberIndex] = OrderedDict()
        self._tables: Tables | None = None

    def __reduce__(self) -> tuple[type[Release], tuple[str]]:
        return Release, (self.place,)

    def __repr__(self) -> str:
        return f"<release {self.place}: {len(self):,} samples>"

    def __len__(self) -> int:
        return self._published.manifest.samples

    @property
    def place(self) -> str:
        return self._published.store.url

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Its ``manifest.json``."""
        content: dict[str, Any] = msgspec.to_builtins(self._published.manifest)
        return content

    def sample(self, id_: str) -> Sample:
        """The sample of an id, as the ledger has it. Raises UsageError where the release has it not."""
        tars = [tar for split in self._published.splits for tar in self._published.shards(split)]
        return Sample(id_, *self._find(id_, "sample", tars, "assignment", "id"))

    def record(self, id_: str) -> CotRecord:
        """The chain-of-thought record of an id. Raises as ``sample``."""
        return CotRecord(id_, *self._find(id_, "CoT record", self._cot(None), "cot_assignment", "rid"))

    def samples(self, split: str | None = None) -> Iterator[Sample]:
        """All samples, of a split or all, in the order of the shards; of each only the place is read."""
        for one in self._published.splits if split is None else [split]:
            for tar in self._published.shards(one):
                for key, extents in entries(headers(self._published.store, tar)):
                    yield Sample(key, tar.path, self._published.store, extents)

    def records(self, split: str | None = None) -> Iterator[CotRecord]:
        """All chain-of-thought records, as ``samples``."""
        for tar in self._cot(split):
            for key, extents in entries(headers(self._published.store, tar)):
                yield CotRecord(key, tar.path, self._published.store, extents)

    def ledger(self) -> pa.Table:
        """One row an input: its outcome, and why (``contracts.LEDGER``)."""
        return self._opened().table("ledger")

    def tables(self) -> list[str]:
        """Names of its tables."""
        return self._opened().names

    def scan(self, name: str) -> Any:
        """A table as a ``duckdb.DuckDBPyRelation``, of which only what is asked for is read."""
        return self._opened().scan(name)

    def _opened(self) -> Tables:
        if self._tables is None:
            self._tables = tables_of_release(self._published)
        return self._tables

    def _cot(self, split: str | None) -> list[Tar]:
        splits = sorted({shard.split for shard in self._published.manifest.cot.shards})
        return [tar for one in (splits if split is None else [split]) for tar in self._published.cot(one)]

    def _find(self, id_: str, what: str, tars: Sequence[Tar], table: str, column: str) -> tuple[str, Store, Extents]:
        """Tar, store and members of an entry; without a table of places each tar is looked into."""
        if not _ID.fullmatch(id_):
            raise UsageError(f"{id_!r} is no id: an id has 32 of 0-9 and a-f")
        if files_of(self._published, table):
            name = self._shard(id_, table, column)
            tars = [tar for tar in tars if Path(tar.path).stem == name]
        for tar in tars:
            if (extents := self._index(tar).of(id_)) is not None:
                return tar.path, self._published.store, extents
        raise UsageError(f"{self.place} has no {what} {id_}; its ledger says what has become of each input")

    def _shard(self, id_: str, table: str, column: str) -> str | None:
        """Name of the shard, by the table of places: of its files only the one that can have the id, some rows at a time."""
        for file in files_of(self._published, table):
            prefix = file.key.removesuffix(".parquet").rpartition("/")[2] if "/" in file.key else ""
            if not id_.startswith(prefix):
                continue
            with open_object(self._published.store, file.key, file.bytes) as stored:
                rows = pq.ParquetFile(stored, pre_buffer=False, buffer_size=_AHEAD)
                for batch in rows.iter_batches(_ROWS, columns=[column, "shard"], use_threads=False):
                    at = pc.index(batch.column(column), pa.scalar(id_)).as_py()
                    if at >= 0:
                        return str(batch.column("shard")[at].as_py())
        return None

    @cached_property
    def _written(self) -> dict[str, Output]:
        return written_shards(self._published.store)

    def _index(self, tar: Tar) -> MemberIndex:
        """The members of a tar; of the tars that were looked into last they are remembered."""
        store = self._published.store
        index = self._indexes.pop(tar.path, None) or MemberIndex(store, tar, starts(store, tar, self._written))
        self._indexes[tar.path] = index
        while len(self._indexes) > _TARS:
            self._indexes.popitem(last=False)
        if len(self._indexes) > _OPEN:
            list(self._indexes.values())[-_OPEN - 1].pause()
        return index
