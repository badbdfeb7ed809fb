"""Applies the tombstones of a workspace to what ingest has committed: parts become what ingest would make of their inputs now.

A part that holds something of the list is written again without it, its media tar too, and each such input is a failure.
Sources are not read: they may be gone. New files have new names and the part's marker is replaced in one step, so a call that
is killed is repeated; what the earlier files were is deleted afterwards (purge.py).
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute

from dataengine import contracts
from dataengine.errors import InputError
from dataengine.ingest.hash_lists import TAKEN_DOWN, HashLists
from dataengine.ingest.tombstones import of_workspace
from dataengine.shards.read import read_members
from dataengine.storage.store import Store
from dataengine.storage.tar import write_tar
from dataengine.storage.workspace import File, Output, Workspace, commit_part, digest
from dataengine.takedown.asked import SPAN
from dataengine.takedown.needles import tables
from dataengine.takedown.targets import MARKERS
from dataengine.takedown.written import to_parquet

pc: Any = pyarrow.compute  # whose stubs admit less than its functions do

_MEASURED = re.compile(r"(annotations/[^/]+/ingest-)([0-9a-f]{32})(-[^/]+\.parquet)")


@dataclass
class Refused:
    """Of one part: rows that stay, and failures of those that do not."""

    samples: pa.Table
    failures: list[dict[str, Any]]


def apply(workspace: Workspace, check: Callable[[], object]) -> int:
    """Write all parts again that hold something of the list; how many. ``check`` is called before each, and may raise."""
    lists, store, changed = of_workspace(workspace.store), workspace.store, 0
    for entry in list(store.list(MARKERS)):
        check()
        marker = json.loads(store.get(entry.key))
        output = Output.from_json(marker)
        if "samples" not in output.files:
            continue
        refused = split(workspace.read_table([output.files["samples"]], contracts.SAMPLES), lists)
        if refused.failures:
            commit_part(store, entry.key, marker["key"], _rewritten(workspace, output, refused))
            changed += 1
    return changed


def split(samples: pa.Table, lists: HashLists) -> Refused:
    """Rows that are on no list, and a failure row each of the others; one of a video that is on it, or of which a clip looks like
    something on it."""
    failures: dict[str, dict[str, Any]] = {}
    stays, videos = list[bool](), set[str]()
    for row in samples.select(_LOOKED_AT).to_pylist():
        error, of_whole = _error(row, lists)
        stays.append(error is None)
        if error is not None:
            whole = row["uri"].partition(SPAN)[0] if of_whole and row["parent"] else row["uri"]
            videos |= {whole} if whole != row["uri"] else set()
            size = row["bytes"] if of_whole and row["parent"] is None else None
            failures[whole] = _failure(row["source"], whole, error, size)
    cut = [str(uri).partition(SPAN)[0] in videos for uri in samples["uri"].to_pylist()]
    mask = pa.array([stay and not of_video for stay, of_video in zip(stays, cut, strict=True)], pa.bool_())
    rows = [row for uri, row in failures.items() if uri in videos or uri.partition(SPAN)[0] not in videos]
    return Refused(samples.filter(mask), rows)


_LOOKED_AT = ["source", "uri", "sha256", "bytes", "parent", "phash", "frame_hashes"]


def _error(row: dict[str, Any], lists: HashLists) -> tuple[InputError | None, bool]:
    """Why the lists refuse a row, and whether they refuse the whole file: by its looks, as ingest finds out once it has decoded
    all of it, and a clip by the digest of its video."""
    try:
        if row["parent"]:
            lists.check_id(bytes.fromhex(row["parent"]))
    except InputError as error:
        return error, True
    try:
        lists.check_sha256(bytes.fromhex(row["sha256"]))
    except InputError as error:
        return error, False
    try:
        lists.check_facts(row)  # type: ignore[arg-type]  # which reads the hashes alone
    except InputError as error:
        return error, True
    return None, False


def _failure(source: str, uri: str, error: InputError, size: int | None) -> dict[str, Any]:
    named = {"input_id": contracts.input_id(source, uri), "source": source, "uri": uri}
    return {**named, "failure": error.failure, "message": error.message, "bytes": size}


def _rewritten(workspace: Workspace, output: Output, refused: Refused) -> Output:
    earlier = [output.files["failures"]] if "failures" in output.files else []
    before = workspace.read_table(earlier, contracts.FAILURES)
    rows = sorted([*before.to_pylist(), *refused.failures], key=lambda row: str(row["uri"]))
    failures = pa.Table.from_pylist(rows, contracts.FAILURES)
    samples, name = refused.samples, _name(output, refused)
    files = {}
    if len(samples):
        files["media"], samples = _repacked(workspace, output.files["media"].key, samples)
        files["samples"] = workspace.write_table(f"samples/{name}", samples)
    files["failures"] = workspace.write_table(f"failures/{name}", failures)
    counts = {**output.counts, "samples": len(samples), "failed": len(failures)}
    counts["inputs"] = len(samples) + len(failures)
    if "clips" in counts:
        counts["clips"] = len(samples) - samples["parent"].null_count
    taken_down = sum(row["failure"] == TAKEN_DOWN for row in rows)
    return Output(files, counts, {**output.facts, **({TAKEN_DOWN: taken_down} if taken_down else {})})


def _name(output: Output, refused: Refused) -> str:
    """A new name for the part's tables: no file is written over that a commit names."""
    stem = output.files["samples"].key.partition("/")[2].removesuffix(".parquet")
    return f"{stem}-{digest([row['uri'] for row in refused.failures])[:8]}.parquet"


def _repacked(workspace: Workspace, media: str, samples: pa.Table) -> tuple[File, pa.Table]:
    """The media tar with the bytes of these samples alone, and the samples with their places in it."""
    store, kept = workspace.store, set(map(str, samples["id"].to_pylist()))
    with tempfile.TemporaryDirectory() as folder, store.new_file() as rest:
        whole = Path(folder, "media.tar")
        with whole.open("wb") as out:
            head = store.head(media)
            for piece in store.stream(media, head.size if head else 0):
                out.write(piece)
        with rest.open("wb") as out:
            info = write_tar(out, (m for m in read_members(whole) if m[0].partition(".")[0] in kept))
        key = f"media/{info.sha256[:32]}.tar"
        if not store.exists(key):
            store.move(rest, key, info.sha256)
    _measured_again(store, media, key, kept)
    offsets = {member.name.partition(".")[0]: member.offset for member in info.members}
    for name, values in (
        ("media", [key] * len(samples)),
        ("offset", [offsets[str(id_)] for id_ in samples["id"].to_pylist()]),
    ):
        column = contracts.SAMPLES.field(name)
        samples = samples.set_column(samples.column_names.index(name), column, pa.array(values, column.type))
    return File(key, info.sha256, info.bytes, len(offsets)), samples


def _measured_again(store: Store, media: str, key: str, kept: set[str]) -> None:
    """What ingest has measured of pictures, under the name of the new tar: else they would be decoded once more."""
    before, after = (name.rpartition("/")[2].removesuffix(".tar") for name in (media, key))
    ids = pa.array(sorted(kept), pa.string())
    for entry in list(store.list("annotations")):
        match = _MEASURED.fullmatch(entry.key)
        if match is None or match[2] != before:
            continue
        table = pa.concat_tables(tables(store.get(entry.key)))
        left = table.filter(pc.is_in(table["id"], value_set=ids))
        if len(left):
            store.put(f"{match[1]}{after}{match[3]}", to_parquet(left))
