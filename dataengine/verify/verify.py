"""Verifies a release against its manifest in one pass over its bytes: checksums, counts, keys, records, codes and ledger.

Several files are read at a time. Errors are collected with their key instead of raised, so that one call reports all of
them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa

from dataengine import contracts
from dataengine.errors import DataEngineError
from dataengine.ingest.hash_lists import TAKEN_DOWN
from dataengine.release.ledger import counts, is_ledger
from dataengine.release.manifest import Contents, Manifest
from dataengine.release.manifest_sections import ReleaseFile
from dataengine.release.publish import CLAIM, MANIFEST, listed, of_reader
from dataengine.release.reader import manifest_of
from dataengine.sequence.formats.check import check_set
from dataengine.sequence.formats.description import FILE, description_of
from dataengine.shards.json_types import known, plain
from dataengine.shards.manifest import Shard
from dataengine.storage.store import Store
from dataengine.storage.workspace import parquet
from dataengine.verify.file_checks import FileReport, check_file, expected_tars
from dataengine.verify.index_check import index_errors
from dataengine.verify.ledger_audit import tally, unbalanced

#: Errors that are shown.
SHOWN = 20
LEDGER = "ledger.parquet"
_LEDGER = pa.schema([f.with_nullable(True) for f in contracts.LEDGER])  # unexpected nulls are reported by the audit

Progress = Callable[[int, int], None]
Reports = dict[str, FileReport]
"""By path."""


@dataclass
class Verified:
    """What was read, and what is wrong with it: ``errors`` are ``key: reason``, ordered by key."""

    release: str
    files: int = 0
    bytes: int = 0
    samples: int = 0
    records: int = 0
    sequences: int = 0
    inputs: int = 0
    taken_down: int = 0
    spread: dict[str, float] = field(default_factory=dict)
    """Of each split and family, the largest shard less the smallest, as a share of their mean."""
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def rows(self) -> list[tuple[str, str]]:
        """Names and numbers, as a table for the terminal."""
        rows = [(name, f"{getattr(self, name):,}") for name in ("files", "bytes", "samples", "records", "inputs")]
        rows += [("sequences", f"{self.sequences:,}")] if self.sequences else []
        rows += [("inputs taken down", f"{self.taken_down:,}")] if self.taken_down else []
        rows += [(f"shard size spread: {name}", f"{share:.1%}") for name, share in self.spread.items()]
        return [*rows, ("errors", f"{len(self.errors):,}")]

    def text(self) -> str:
        """The first of the errors, a line each."""
        more = len(self.errors) - SHOWN
        lines = [f"{self.release} does not match its manifest:", *self.errors[:SHOWN]]
        return "\n  ".join(lines + ([f"and {more:,} more"] if more > 0 else []))


def verify(release: str, *, workers: int = 1, ranks: int = 1, progress: Progress | None = None) -> Verified:
    """Reads every byte of the release at this folder or s3:// prefix. Raises UsageError where there is none, RunError for a
    manifest that is damaged, of another version or lists paths outside the release; all else that is wrong is in the
    result. ``workers`` (of each of ``ranks``) are compared with the number of shards."""
    store, data = manifest_of(release)
    result = Verified(store.url)
    contents = _contents(data, result)
    if contents is None:
        return result
    items = listed(contents, store)
    _find_unlisted(store, items, result)
    reports = _check_files(store, contents, items, progress or (lambda done, total: None))
    result.errors += [f"{path}: {text}" for path, report in reports.items() for text in report.errors]
    result.files, result.bytes = len(items) + 1, sum(i.bytes for i in items)
    _check_sequences(store, contents, result)
    result.errors += index_errors(store, contents, _ids(reports, "shards/"))
    result.samples, result.records = len(_ids(reports, "shards/")), len(_ids(reports, "cot/"))
    _check_counts(contents, reports, result)
    _check_shard_sizes(contents.shards, workers * ranks, result)
    result.errors = list(dict.fromkeys(result.errors))
    return result


def _contents(data: bytes, result: Verified) -> Contents | None:
    """The manifest; what the other checks stand on where the rest of it is wrong; None where that is wrong, too."""
    try:
        return Manifest.from_bytes(data)
    except ValueError as error:
        result.errors.append(f"{MANIFEST}: {error}")
    try:
        return msgspec.json.decode(data, type=Contents)
    except (ValueError, RecursionError):
        return None


def _find_unlisted(store: Store, items: list[ReleaseFile], result: Verified) -> None:
    """Files that are not in the manifest: tars would be read by whoever reads all tars."""
    expected = {i.path for i in items} | {MANIFEST, CLAIM}
    for key in sorted(e.key for e in store.list() if e.key not in expected and not of_reader(e.key)):
        (result.errors if key.endswith(".tar") else result.warnings).append(f"{key}: is not in the manifest")


def _check_files(store: Store, contents: Contents, items: list[ReleaseFile], progress: Progress) -> Reports:
    threads = 8 if store.remote else min(8, os.cpu_count() or 1)
    tars, reports = expected_tars(contents), Reports()
    progress(0, len(items))
    with ThreadPoolExecutor(threads) as pool:
        order = sorted(items, key=lambda i: (-i.bytes, i.path))  # the largest first, so that no thread is left with one
        checked = pool.map(lambda i: check_file(store, i, tars.get(i.path)), order)
        for item, report in zip(order, checked, strict=True):
            reports[item.path] = report
            progress(len(reports), len(items))
    return dict(sorted(reports.items()))


def _ids(reports: Reports, folder: str) -> list[str]:
    return [id_ for path, report in reports.items() if path.startswith(folder) for id_ in report.ids]


def _check_sequences(store: Store, contents: Contents, result: Verified) -> None:
    """Sets of packed sequences, by their descriptions; their files must be those of the manifest."""
    listed = {item.path: item.sha256 for item in contents.files}
    for path in sorted(path for path in listed if path.startswith("sequences/") and path.endswith(f"/{FILE}")):
        base = path.removesuffix(FILE)
        inside = Store(store.uri(base.rstrip("/")))
        try:
            about = description_of(inside)
        except (DataEngineError, OSError) as error:
            result.errors.append(f"{path}: {error}")
            continue
        result.sequences += about.sequences
        result.errors += [f"{base}{error}" for error in check_set(inside, about)]
        result.errors += [
            f"{base}{file.path}: is another file in the set's description than in the manifest"
            for shard in about.shards
            for file in shard.files
            if listed.get(base + file.path) != file.sha256
        ]


def _check_counts(contents: Contents, reports: Reports, result: Verified) -> None:
    """Tars, ledger and manifest must agree on the samples."""
    for path in sorted(expected_tars(contents).keys() - reports.keys()):
        result.errors.append(f"{path}: is in the list of shards, but not in `files`")
    ids, records = _ids(reports, "shards/"), _ids(reports, "cot/")
    if len(ids) != contents.samples:
        result.errors.append(f"{MANIFEST}: samples is {contents.samples:,}, the shards hold {len(ids):,}")
    if repeated := len(records) - len(set(records)):
        result.errors.append(f"cot: {repeated:,} duplicate record ids")
    if parents := set().union(*(report.parents for report in reports.values())) - set(ids):
        result.errors.append(
            f"cot: {len(parents):,} samples that records refer to are in no shard, first {min(parents)}"
        )
    ledger = [path for path in reports if is_ledger(path)]
    if not ledger:
        result.errors.append(f"{LEDGER}: is not in `files`")
    elif not any(reports[path].errors for path in ledger):
        result.errors += _check_ledger(contents, [reports[path].data for path in ledger], ids, result)


def _check_ledger(contents: Contents, files: list[bytes], ids: list[str], result: Verified) -> list[str]:
    try:
        ledger = pa.concat_tables(parquet(data, contracts.LEDGER.names).cast(_LEDGER) for data in files)
    except pa.ArrowException as error:
        return [f"{LEDGER}: {error}"]
    result.inputs, counted = ledger.num_rows, counts(tally(ledger))
    if imbalance := unbalanced(ledger, sum(s.inputs for s in contents.sources), ids):
        return [f"{LEDGER}: {imbalance}"]
    stated, removed = plain(contents.ledger), known(contents.taken_down, None)
    result.taken_down = counted["failure"].get(TAKEN_DOWN, 0)
    if removed is not None and removed.inputs > result.taken_down:
        return [f"{LEDGER}: {result.taken_down:,} inputs were taken down, the manifest says {removed.inputs:,}"]
    return [
        f"{LEDGER}: {name} {json.dumps(counted[name])}, the manifest says {json.dumps(stated[name])}"
        for name in counted
        if counted[name] != stated[name]
    ]


def _check_shard_sizes(shards: list[Shard], readers: int, result: Verified) -> None:
    """Warns of shards that are uneven, and of fewer shards than readers."""
    by_kind: dict[str, list[Shard]] = {}
    for shard in shards:
        by_kind.setdefault(f"{shard.split}-{shard.family}", []).append(shard)
    for kind, members in sorted(by_kind.items()):
        sizes = [s.bytes for s in members if s.samples > 1]  # a sample larger than the target has a shard of its own
        if sizes:
            mean = sum(sizes) / len(sizes)
            result.spread[kind] = (max(sizes) - min(sizes)) / mean
            if max(sizes) > 2 * mean:
                result.warnings.append(f"{kind}: the largest shard has {max(sizes) / mean:.1f} times the mean size")
        if len(members) < readers:
            result.warnings.append(
                f"{kind} has {len(members)} shards for {readers:,} readers (workers x ranks): {readers - len(members):,} "
                "would have nothing to read, and a training loop may wait for them for ever; use fewer workers or a smaller "
                "shard.target_bytes"
            )
