"""Finds the samples that a take-down is about, in a release and in its workspace: ids, digests and perceptual hashes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute

from dataengine import contracts
from dataengine.errors import UsageError
from dataengine.ingest.hash_lists import ID_MARK, TAKEN_DOWN
from dataengine.release.ledger import is_ledger
from dataengine.release.reader import Published, Tar
from dataengine.storage.store import Store
from dataengine.storage.workspace import File, Output, Workspace
from dataengine.takedown.asked import SPAN, Asked, InputsByPath, listed, near

pc: Any = pyarrow.compute  # whose stubs admit less than its functions do

#: Kinds of duplicates that look alike; captions may be equal of different pictures.
_ALIKE = ("exact", "pixels", "perceptual", "aligned", "video", "semantic")
_COLUMNS = ["source", "uri", "id", "sha256", "phash", "frame_hashes", "parent"]
MARKERS = "stages/ingest/parts"


@dataclass
class Targets:
    """``ids`` of samples; what is known of them by id, and a uri that names each to a person. ``whole``: SHA-256 that were asked
    for, whether a sample has them or not; ``seeds``: perceptual hashes whose near-duplicates go as well, now and later."""

    ids: set[str] = field(default_factory=set)
    sha256: dict[str, str] = field(default_factory=dict)
    hashes: dict[str, list[int]] = field(default_factory=dict)
    uris: dict[str, str] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    seeds: set[int] = field(default_factory=set)
    matched: set[str] = field(default_factory=set)
    """All uris of inputs that are samples of these ids, or that were named and have none."""
    videos: set[str] = field(default_factory=set)
    """Ids of videos that were named as a whole, of which the samples are clips: cut otherwise, they must not come back."""
    failed: set[str] = field(default_factory=set)
    """Uris of inputs that were named and had failed: nothing of them is known, and nothing keeps them out."""
    similar: set[str] = field(default_factory=set)
    """Samples that are near-duplicates of these by the release's groups, and stay."""

    def tombstones(self) -> list[str]:
        """Lines of a list of known-bad files."""
        exact = {self.sha256.get(id_, f"{ID_MARK}{id_}") for id_ in self.ids} | self.whole
        exact |= {f"{ID_MARK}{id_}" for id_ in self.videos}
        return sorted(exact | {f"{value & (1 << 64) - 1:016x}" for value in self.seeds})

    def to_json(self) -> dict[str, Any]:
        """For a note of a take-down that has begun."""
        return {name: sorted(v) if isinstance(v, set) else v for name, v in vars(self).items()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Targets:
        """The inverse of ``to_json``."""
        values: dict[str, Any] = {name: set(v) if isinstance(v, list) else v for name, v in fields.items()}
        return cls(**values)


def find(asked: Asked, release: Published, workspace: Workspace | None) -> Targets:
    """Raises UsageError that names lines which nothing answers to; a whole SHA-256 may be of nothing that is there."""
    targets, inputs = Targets(whole=set(asked.sha256s), seeds=set(asked.hashes)), InputsByPath(asked.names)
    _from_ledger(asked, release, targets, inputs)
    if stored := {sha256 for sha256 in asked.sha256s if sha256[:32] not in targets.ids}:
        _stored_as(release, targets, stored)
    if workspace is not None:
        _from_samples(asked, workspace, targets, (), inputs)
    inputs.require_one_each()
    if asked.near:
        _know_released(release, targets)
        targets.seeds |= {value for values in targets.hashes.values() for value in values}
    if targets.seeds:
        named = set(targets.ids)
        _near_in_shards(release, targets)
        if workspace is not None:
            _from_samples(asked, workspace, targets, sorted(targets.seeds))
        _alike(release, targets, targets.ids if asked.near else (targets.ids - named) | (named & asked.pictured))
        if workspace is not None:
            _from_samples(asked, workspace, targets, ())
    _know_released(release, targets)
    _require_all_named(asked, release, targets)
    targets.similar = _similar(release, targets.ids)
    return targets


def _require_all_named(asked: Asked, release: Published, targets: Targets) -> None:
    missing = [line for line in asked.unnamed(targets.matched, targets.ids) if line not in asked.sha256s]
    if missing:
        raise UsageError(
            f"{len(missing):,} of {len(asked.lines):,} lines name no input of {release.store.url}: {listed(missing)}. Take them "
            "out; only a SHA-256 may be of a file that is not there yet"
        )


def ledger_files(release: Published) -> list[File]:
    """Files of contracts.LEDGER."""
    listed_ = sorted((f.path, f.sha256, f.bytes) for f in release.manifest.files if is_ledger(f.path))
    return [File(path, sha256, size, 1) for path, sha256, size in listed_]


def _ledger(release: Published) -> Iterator[pa.Table]:
    yield from Workspace(release.store.url).batches(ledger_files(release), contracts.LEDGER)


def _from_ledger(asked: Asked, release: Published, targets: Targets, inputs: InputsByPath) -> None:
    ids = pa.array(sorted(asked.digests), pa.string())
    for table in _ledger(release):
        named: Any = pc.or_(asked.named(table["uri"]), pc.fill_null(pc.is_in(table["id"], value_set=ids), False))
        for row in table.filter(named).select(["id", "source", "uri", "failure"]).to_pylist():
            targets.matched.add(row["uri"])
            if row["id"] is not None:
                targets.ids.add(row["id"])
                targets.uris.setdefault(row["id"], row["uri"])
                inputs.add(row["source"], row["uri"], row["id"])
            elif row["failure"] != TAKEN_DOWN:
                targets.failed.add(row["uri"])


def _similar(release: Published, ids: set[str]) -> set[str]:
    """Near-duplicates of these samples that are none of them: what they stood for, and what stands for them."""
    wanted, kinds = pa.array(sorted(ids), pa.string()), pa.array(_ALIKE)
    similar = set[str]()
    for table in _ledger(release):
        either: Any = pc.or_(
            pc.is_in(table["id"], value_set=wanted), pc.is_in(table["representative"], value_set=wanted)
        )
        rows = table.filter(pc.and_(either, pc.is_in(table["kind"], value_set=kinds))).select(["id", "representative"])
        similar |= {str(id_) for column in rows.columns for id_ in column.drop_null().to_pylist()}
    return similar - ids


def _alike(release: Published, targets: Targets, ids: set[str]) -> None:
    """Adds the duplicates of these samples, by the release's own groups."""
    wanted = pa.array(sorted(ids), pa.string())
    groups = set(ids)
    kinds = pa.array(_ALIKE)
    for table in _ledger(release):
        rows = table.filter(pc.and_(pc.is_in(table["id"], value_set=wanted), pc.is_in(table["kind"], value_set=kinds)))
        groups |= set(map(str, rows["representative"].drop_null().to_pylist()))
    wanted = pa.array(sorted(groups), pa.string())
    for table in _ledger(release):
        alike: Any = pc.and_(
            pc.is_in(table["representative"], value_set=wanted), pc.is_in(table["kind"], value_set=kinds)
        )
        rows = table.filter(
            pc.or_(pc.fill_null(alike, False), pc.fill_null(pc.is_in(table["id"], value_set=wanted), False))
        )
        for row in rows.select(["id", "uri"]).to_pylist():
            if row["id"] is not None:
                targets.ids.add(row["id"])
                targets.uris.setdefault(row["id"], row["uri"])


def _from_samples(
    asked: Asked, workspace: Workspace, targets: Targets, hashes: Sequence[int], inputs: InputsByPath | None = None
) -> None:
    """Adds inputs of the workspace that are named, or near to one of these; and what is known of all of them."""
    whole = pa.array(sorted(asked.digests | targets.ids), pa.string())
    for file in sample_files(workspace.store):
        table = workspace.read_table([file], contracts.SAMPLES, _COLUMNS)
        by_id = pc.or_(pc.is_in(table["id"], value_set=whole), pc.is_in(table["parent"], value_set=whole))
        chosen: Any = pc.or_(asked.named(table["uri"]), by_id)
        if hashes:
            chosen = pc.or_(chosen, pa.chunked_array([pa.array(_near_rows(table, hashes))]))
        for row in table.filter(chosen).to_pylist():
            _know(targets, row["id"], row["sha256"], [row["phash"], *row["frame_hashes"]], row["uri"])
            if row["parent"] and (row["parent"] in asked.digests or asked.named(_whole(row["uri"])).to_pylist()[0]):
                targets.videos.add(row["parent"])
            if inputs is not None:
                inputs.add(row["source"], row["uri"], row["id"])


def _whole(uri: str) -> Any:
    return pa.chunked_array([pa.array([uri.partition(SPAN)[0]])])


def sample_files(store: Store) -> list[File]:
    """Tables of samples of all committed parts of ingest."""
    outputs = (Output.from_json(json.loads(store.get(entry.key))) for entry in store.list(MARKERS))
    return [out.files["samples"] for out in outputs if "samples" in out.files]


def _near_rows(table: pa.Table, hashes: Sequence[int]) -> Any:
    """(n,) bool: whose picture, or one of whose frames, is near to one of these."""
    chosen = near(_bits(pc.fill_null(table["phash"], 0)), hashes) & table["phash"].is_valid().to_numpy()
    frames: Any = table["frame_hashes"].combine_chunks()
    rows = np.asarray(pc.list_parent_indices(frames))
    chosen[rows[near(_bits(frames.flatten()), hashes)]] = True
    return chosen


def _bits(values: Any) -> Any:
    return np.asarray(values).astype(np.int64).view(np.uint64)


def _stored_as(release: Published, targets: Targets, sha256s: set[str]) -> None:
    """Adds released samples whose stored bytes, which are not those of their source (blurred, encoded anew), have one of these
    digests."""
    for tar in (tar for split in release.splits for tar in release.shards(split) if release.store.exists(tar.path)):
        for key, members in release.read(tar):
            fields = msgspec.json.decode(bytes(members["json"]))
            if fields.get("media_sha256") in sha256s:
                _know(targets, key, fields["sha256"], [int(fields["phash"], 16)] if fields["phash"] else [], "")


def _near_in_shards(release: Published, targets: Targets) -> None:
    """Adds released samples whose perceptual hash is near to one of the seeds."""
    seeds = sorted(targets.seeds)
    for tar in (tar for split in release.splits for tar in release.shards(split)):
        for id_, sha256, value in _hashes_in(release, tar, None):
            if value is not None and near(np.array([value], np.uint64), seeds)[0]:
                _know(targets, id_, sha256, [value], "")


def _know_released(release: Published, targets: Targets) -> None:
    """Adds digests and hashes of the samples that lie in shards. A shard that a take-down before has deleted tells none."""
    missing = targets.ids - targets.sha256.keys()
    places = shards_of(release, missing) if missing else {}
    for tar in (tar for split in release.splits for tar in release.shards(split)):
        wanted = places.get(tar.path.removeprefix("shards/").removesuffix(".tar"))
        if wanted and release.store.exists(tar.path):
            for id_, sha256, value in _hashes_in(release, tar, wanted):
                _know(targets, id_, sha256, [value], "")


def _hashes_in(release: Published, tar: Tar, wanted: set[str] | None) -> Iterator[tuple[str, str, int | None]]:
    """Id, SHA-256 and perceptual hash of samples in a shard."""
    for key, members in release.read(tar):
        if wanted is None or key in wanted:
            fields = msgspec.json.decode(bytes(members["json"]))
            yield key, fields["sha256"], int(fields["phash"], 16) if fields["phash"] else None


def shards_of(release: Published, ids: Iterable[str]) -> dict[str, set[str]]:
    """Names of the shards that hold samples of these ids, with those that they hold."""
    wanted = pa.array(sorted(ids), pa.string())
    files = [
        File(f.path, f.sha256, f.bytes, 1)
        for f in release.manifest.files
        if f.path.startswith("assignment") and f.path.endswith(".parquet")
    ]
    places: dict[str, set[str]] = {}
    for table in Workspace(release.store.url).batches(files, contracts.ASSIGNMENT):
        for row in table.filter(pc.is_in(table["id"], value_set=wanted)).to_pylist():
            places.setdefault(row["shard"], set()).add(row["id"])
    return places


def _know(targets: Targets, id_: str, sha256: str, values: list[int | None], uri: str) -> None:
    targets.ids.add(id_)
    targets.sha256[id_] = sha256
    hashes = targets.hashes.setdefault(id_, [])
    hashes += [v for v in values if v is not None and v not in hashes]
    if uri:
        targets.matched.add(uri)
        targets.uris.setdefault(id_, uri)
