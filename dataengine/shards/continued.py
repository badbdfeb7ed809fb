"""Assigns samples to shards where a release is continued: those that it has stay in their shards, new ones get new shards.

A shard of which no sample went is the earlier release's file, byte for byte; one that lost some is that file without their
members. Why a sample went (the policy, another representative of its duplicates, a take-down) makes no difference here. A sample
that stays is not written anew, so what its JSON says of its occurrences is of the day on which it was first released.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine.contracts import ASSIGNMENT, columns
from dataengine.errors import RunError
from dataengine.shards.assign_distributed import Rules, assigned
from dataengine.shards.earlier import Earlier, next_shards
from dataengine.shards.json_types import plain
from dataengine.shards.manifest import Shard, split_and_family
from dataengine.shards.places import members_of, write_places
from dataengine.shards.read import read_members
from dataengine.storage.release_folder import ReleaseFolder
from dataengine.storage.store import Store
from dataengine.storage.tar import write_tar
from dataengine.storage.workspace import File, Output, Workspace, roles
from dataengine.table_engine import Frame, TableEngine

#: Samples of the earlier release that are not in this one.
REMOVED = columns(id=pa.string(), shard=pa.string())
_IDS = columns(id=pa.string())
_NEW = "SELECT r.id, r.kind, r.size AS bytes, r.parent FROM r LEFT JOIN e ON r.id = e.id WHERE e.id IS NULL"
_STAY = "SELECT e.id, e.split, e.shard, e.position FROM e JOIN r ON e.id = r.id"
_REMOVED = "SELECT e.id, e.shard FROM e LEFT JOIN r ON e.id = r.id WHERE r.id IS NULL"
_LOST = "SELECT shard, CAST(count(*) AS BIGINT) AS n FROM g GROUP BY shard"
_BOTH = "SELECT id, split, shard, position FROM s UNION ALL SELECT id, split, shard, position FROM n"


@dataclass(frozen=True)
class Assigned:
    """``placed``: contracts.ASSIGNMENT of all samples; ``files`` and ``facts`` of what was continued, none where nothing was."""

    placed: Frame
    files: dict[str, File]
    facts: dict[str, Any]


def assigned_on(
    engine: TableEngine, workspace: Workspace, base: str, rows: Frame, rules: Rules, earlier: Earlier | None
) -> Assigned:
    """Assign ``rows`` (id, kind, size, parent) to shards, on the assignment of the ``earlier`` release. Publishes below ``base``
    what was added and removed, and the removed samples of each shard."""
    if earlier is None:
        sizes = engine.sql("SELECT id, kind, size AS bytes, parent FROM r", {"r": rows})
        return Assigned(engine.kept(assigned(engine, sizes, rules)), {}, {})
    before = engine.kept(engine.scan(Workspace(earlier.store.url), earlier.assignment, ASSIGNMENT))
    frames = {"r": rows, "e": before}
    rules = replace(rules, first=earlier.next_shards)
    added = engine.kept(assigned(engine, engine.sql(_NEW, frames), rules))
    stay = engine.local(engine.sql(_STAY, frames), ("shard",), renumbered, ASSIGNMENT)
    removed = engine.kept(engine.sql(_REMOVED, frames))
    lost = engine.split(workspace, f"{base}/lost", removed, _IDS, "shard", ("id",))
    files = {f"lost/{name}": file for name, file in lost.items()}
    files |= roles(
        "added", engine.write(workspace, f"{base}/added", added, ASSIGNMENT, ("shard", "position"), ids="id")
    )
    files |= roles("removed", engine.write(workspace, f"{base}/removed", removed, REMOVED, ("id",)))
    counts = {row["shard"]: row["n"] for row in engine.collect(engine.sql(_LOST, {"g": removed})).to_pylist()}
    listed = engine.collect(engine.sql("SELECT DISTINCT shard FROM a", {"a": added}))
    names = [str(row["shard"]) for row in listed.to_pylist()]
    placed = engine.kept(engine.sql(_BOTH, {"s": stay, "n": added}))
    return Assigned(placed, files, {"continues": _facts(earlier, counts, names)})


def _facts(earlier: Earlier, lost: Mapping[str, int], added: list[str]) -> dict[str, Any]:
    """``shards``: of each of the earlier release its name, digest, bytes, samples, and how many of these went."""
    m = earlier.manifest
    return {
        "release": {"name": m.name, "version": m.version, "manifest": earlier.digest},
        "shards": [[s.name, s.sha256, s.bytes, s.samples, lost.get(s.name, 0)] for s in sorted(m.shards)],
        "cot": [[s.name, s.sha256] for s in sorted(m.cot.shards, key=lambda s: s.name)],
        "next_cot_shards": earlier.next_cot_shards,
        "next_shards": dict(sorted(next_shards(earlier.next_shards, added).items())),
        "media": earlier.media_counts,
    }


def renumbered(rows: pa.Table) -> pa.Table:
    """contracts.ASSIGNMENT with the positions of each shard without gaps, in their order."""
    rows = rows.sort_by([("shard", "ascending"), ("position", "ascending")])
    starts = rows["shard"].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    first = np.searchsorted(starts, starts)
    position = pa.array((np.arange(len(rows)) - first).astype(np.int32))
    return rows.set_column(rows.column_names.index("position"), "position", position).select(ASSIGNMENT.names)


@dataclass(frozen=True)
class Carried:
    """A shard of an earlier release, in the store at ``url``; ``lost``: key of the ids to leave out, "" for none."""

    url: str
    name: str
    sha256: str
    bytes: int
    samples: int
    lost: str = ""


def carried_of(facts: Mapping[str, Any], files: Mapping[str, File], url: str) -> dict[str, tuple[Carried, str]]:
    """Shards of the earlier release at ``url`` of which something is left, with a digest of what was removed."""
    carried = {}
    for name, sha256, size, samples, lost in facts["shards"]:
        file = files.get(f"lost/{name}")
        if lost < samples:
            carried[name] = (
                Carried(url, name, sha256, size, samples, file.key if file else ""),
                file.sha256 if file else "",
            )
    return carried


def carry(workspace: Workspace, release: ReleaseFolder, shard: Carried, places: str = "") -> Output:
    """Put a shard of an earlier release into this one, without the samples that it lost; with a table of where its media lie
    under the key ``places``, "" for none. Raises RunError where it is not what the earlier release's manifest says."""
    path, store = f"shards/{shard.name}.tar", Store(shard.url)
    if not shard.lost and not places and store.url == Store(release.store.uri(release.base)).url:
        entry = store.head(path)
        if entry is None or entry.size != shard.bytes:
            raise _changed(store, path)
        return _output(shard.name, File(f"{release.base}/{path}", shard.sha256, shard.bytes, shard.samples))
    with tempfile.TemporaryDirectory() as folder:
        tar = Path(folder, "whole.tar")
        _fetch(store, path, shard, tar)
        sha256, size, samples = shard.sha256, shard.bytes, shard.samples
        if shard.lost:
            whole, tar = tar, Path(folder, "rest.tar")
            lost = set(workspace.read_table([File(shard.lost, "", 0, 1)], _IDS)["id"].to_pylist())
            with tar.open("wb") as out:
                info = write_tar(out, (m for m in read_members(whole) if m[0].partition(".")[0] not in lost))
            sha256, size, samples = info.sha256, info.bytes, shard.samples - len(lost)
        output = _output(shard.name, release.put(path, tar, size, samples, sha256))
        if places:
            output.files["places"] = write_places(workspace, shard.name, places, members_of(tar))
        return output


def _output(name: str, file: File) -> Output:
    shard = Shard(name, *split_and_family(name), file.sha256, file.bytes, file.rows)
    return Output({"tar": file}, {"samples": file.rows, "bytes": file.bytes}, plain(shard))


def _fetch(store: Store, path: str, shard: Carried, to: Path) -> None:
    digest = hashlib.sha256()
    try:
        with to.open("wb") as file:
            for chunk in store.stream(path, shard.bytes):
                digest.update(chunk)
                file.write(chunk)
    except FileNotFoundError:
        raise _changed(store, path) from None
    if digest.hexdigest() != shard.sha256:
        raise _changed(store, path)


def _changed(store: Store, path: str) -> RunError:
    return RunError(
        f"{store.uri(path)} is not what its release's manifest says, so the release cannot be continued: restore it, and rerun"
    )
