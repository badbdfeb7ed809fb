"""Reads every byte of a release once and holds it against its manifest: hashes, counts, keys, records, codes, ledger.

Each file goes by in pieces, several files at a time, so memory does not grow with the shards. What is wrong is collected
with its key instead of raised, so that one call tells all of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.errors import RunError
from dataengine.release.ledger import counts, is_ledger
from dataengine.release.publish import CLAIM, MANIFEST, Item, listed, of_reader
from dataengine.release.reader import open_release
from dataengine.storage.store import Store
from dataengine.storage.workspace import parquet
from dataengine.verify import json_schemas
from dataengine.verify.json_shape import Shape
from dataengine.verify.ledger_audit import tally, unbalanced
from dataengine.verify.shard_checks import Group, RecordCheck, SampleCheck, groups, needed
from dataengine.verify.tar_scanner import Scanner

#: What is shown of all that is wrong, and how much of it is kept of one file.
SHOWN, _KEPT = 20, 20
LEDGER = "ledger.parquet"
_PIECE = 4 << 20
"""Of a local file. With 1 MB verifying took a tenth longer: after each piece hashed, the first samples looked at cost most."""
_MANIFEST = Shape(json_schemas.MANIFEST)
_USED = ("shards", "cot", "files", "samples", "sources", "ledger", "tokenizer")
#: What the other checks stand on.
_BASE = Shape(
    {"type": "object", "properties": {n: json_schemas.MANIFEST["properties"][n] for n in _USED}, "required": _USED}
)
_LEDGER = pa.schema([f.with_nullable(True) for f in contracts.LEDGER])  # nulls where none may be are told of later
_mine = threading.local()

Progress = Callable[[int, int], None]


@dataclass
class Verified:
    """What was found. ``errors`` are ``key: reason``, ordered by key."""

    release: str
    files: int = 0
    bytes: int = 0
    samples: int = 0
    records: int = 0
    inputs: int = 0
    spread: dict[str, float] = field(default_factory=dict)
    """Of each split and family, how far the largest shard is from the smallest, as a share of their mean."""
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def rows(self) -> list[tuple[str, str]]:
        told = [(name, f"{getattr(self, name):,}") for name in ("files", "bytes", "samples", "records", "inputs")]
        told += [(f"spread of shards: {name}", f"{share:.1%}") for name, share in self.spread.items()]
        return [*told, ("wrong", f"{len(self.errors):,}")]

    def text(self) -> str:
        """The first of the errors, a line each."""
        more = len(self.errors) - SHOWN
        lines = [f"{self.release} is not what its manifest says:", *self.errors[:SHOWN]]
        return "\n  ".join(lines + ([f"and {more:,} more"] if more > 0 else []))


@dataclass
class _Seen:
    """What one file has shown."""

    errors: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    parents: set[str] = field(default_factory=set)
    data: bytes = b""

    def wrong(self, what: str, why: str) -> None:
        if len(self.errors) < _KEPT:
            self.errors.append(f"{what}: {why}" if what else why)


def verify(release: str, *, workers: int = 1, ranks: int = 1, progress: Progress | None = None) -> Verified:
    """Raises UsageError and RunError as ``open_release``; all else that is wrong is in the result. ``workers`` (of each of
    ``ranks``) are compared with the number of shards."""
    published = open_release(release)
    store, manifest = published.store, published.manifest
    found = Verified(store.url)
    if said := _MANIFEST.wrong(manifest):
        found.errors.append(f"{MANIFEST}: {said}")
        if _BASE.wrong(manifest):
            return found
    items = listed(manifest, store)
    _places(store, items, found)
    seen = _read_all(store, manifest, items, progress or (lambda done, total: None))
    for path, one in seen.items():
        found.errors += [f"{path}: {text}" for text in one.errors]
    found.files, found.bytes = len(items) + 1, sum(i.bytes for i in items)
    found.samples = sum(len(one.ids) for path, one in seen.items() if path.startswith("shards/"))
    found.records = sum(len(one.ids) for path, one in seen.items() if path.startswith("cot/"))
    _account(manifest, seen, found)
    _balance_of_shards(manifest, workers * ranks, found)
    found.errors = list(dict.fromkeys(found.errors))
    return found


def _places(store: Store, items: list[Item], found: Verified) -> None:
    """What lies there and is not listed: tars would be read by whoever reads all tars."""
    known = {i.path for i in items} | {MANIFEST, CLAIM}
    for key in sorted(e.key for e in store.list() if e.key not in known and not of_reader(e.key)):
        said = f"{key}: is not in the manifest"
        (found.errors if key.endswith(".tar") else found.warnings).append(said)


def _read_all(store: Store, manifest: dict[str, Any], items: list[Item], progress: Progress) -> dict[str, _Seen]:
    threads = 8 if store.remote else min(8, os.cpu_count() or 1)
    checks = _checks(manifest)
    done = 0
    progress(0, len(items))
    with ThreadPoolExecutor(threads) as pool:
        order = sorted(items, key=lambda i: (-i.bytes, i.path))  # the largest first, so that no thread is left with one
        found = {}
        for item, seen in zip(order, pool.map(lambda i: _read(store, i, checks), order), strict=True):
            found[item.path] = seen
            done += 1
            progress(done, len(items))
    return dict(sorted(found.items()))


def _checks(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the manifest says of each tar, by path."""
    told: dict[str, dict[str, Any]] = {}
    tokenizer = manifest.get("tokenizer") or {}
    for shard in manifest["shards"]:
        check = SampleCheck(
            shard["family"], tuple(tokenizer.get("codebook_sizes", ())) or None, tokenizer.get("id", "")
        )
        told[f"shards/{shard['name']}.tar"] = {**shard, "entries": shard["samples"], "check": check}
    for shard in manifest["cot"]["shards"]:
        told[f"cot/{shard['name']}.tar"] = {**shard, "entries": shard["records"]}
    return told


def _read(store: Store, item: Item, told: dict[str, dict[str, Any]]) -> _Seen:
    seen, shard = _Seen(), told.get(item.path)
    digest, scan, size = hashlib.sha256(), Scanner(needed), 0

    def pieces() -> Iterator[memoryview]:
        nonlocal size
        for piece in _pieces(store, item):
            digest.update(piece)
            size += len(piece)
            yield piece

    try:
        if shard is not None:
            _entries(_members(gone_by := pieces(), scan, seen), shard, seen)
            for _ in gone_by:  # what follows damage counts for the digest
                continue
        else:
            for piece in pieces():
                seen.data += piece if is_ledger(item.path) else b""
    except FileNotFoundError:
        seen.wrong("", "is in the manifest, but not there")
        return seen
    except RunError as error:
        seen.wrong("", str(error).removeprefix(f"{store.uri(item.path)}: "))
        return seen
    if size != item.bytes or digest.hexdigest() != item.sha256:
        said = (
            f"has {size:,} bytes and SHA-256 {digest.hexdigest()}, the manifest says {item.bytes:,} and {item.sha256}"
        )
        seen.errors.insert(0, said)
    if shard is not None and (shard["sha256"], shard["bytes"]) != (item.sha256, item.bytes):
        seen.wrong("", "`files` and the list of shards differ in SHA-256 or bytes")
    return seen


def _members(pieces: Iterator[memoryview], scan: Scanner, seen: _Seen) -> Iterator[tuple[str, int, bytes | None]]:
    for piece in pieces:
        try:
            yield from scan.feed(piece)
        except RunError as error:
            seen.wrong("", str(error))
            return
    try:
        scan.finish()
    except RunError as error:
        seen.wrong("", str(error))


def _entries(members: Iterator[tuple[str, int, bytes | None]], shard: dict[str, Any], seen: _Seen) -> None:
    check: Callable[[Group], str] = shard.get("check") or RecordCheck(shard["family"], seen.parents.update)
    for group in groups(members, seen.wrong):
        seen.ids.append(group.key)
        if said := check(group):
            seen.wrong(group.key, said)
    if len(seen.ids) != shard["entries"]:
        seen.wrong("", f"holds {len(seen.ids):,} entries, the manifest says {shard['entries']:,}")


def _pieces(store: Store, item: Item) -> Iterator[memoryview]:
    if store.remote:
        for piece in store.stream(item.path, item.bytes):
            yield memoryview(piece)
        return
    view = _buffer(_PIECE)
    with Path(store.url, item.path).open("rb", buffering=0) as file:
        while count := file.readinto(view):
            yield view[:count]


def _buffer(size: int) -> memoryview:
    """This thread's own, whatever it reads: a new one for each file costs more than the checks of its samples."""
    if len(getattr(_mine, "buffer", b"")) != size:
        _mine.buffer = bytearray(size)
    return memoryview(_mine.buffer)


def _account(manifest: dict[str, Any], seen: dict[str, _Seen], found: Verified) -> None:
    """Do tars, ledger and manifest tell of the same samples?"""
    for path in sorted(_checks(manifest).keys() - seen.keys()):
        found.errors.append(f"{path}: is in the list of shards, but not in `files`")
    ids = [i for path, one in seen.items() if path.startswith("shards/") for i in one.ids]
    records = [i for path, one in seen.items() if path.startswith("cot/") for i in one.ids]
    if len(ids) != manifest["samples"]:
        found.errors.append(f"{MANIFEST}: samples is {manifest['samples']:,}, the shards hold {len(ids):,}")
    if len(set(records)) != len(records):
        found.errors.append(f"cot: {len(records) - len(set(records)):,} records stand in two places")
    parents = set().union(*(one.parents for one in seen.values())) - set(ids)
    if parents:
        found.errors.append(
            f"cot: {len(parents):,} samples that records point at are in no shard, the first {min(parents)}"
        )
    ledger = [path for path in seen if is_ledger(path)]
    if ledger and not any(seen[path].errors for path in ledger):
        found.errors += _ledger(manifest, [seen[path].data for path in ledger], ids, found)
    elif not ledger:
        found.errors.append(f"{LEDGER}: is not in `files`")


def _ledger(manifest: dict[str, Any], files: list[bytes], ids: list[str], found: Verified) -> list[str]:
    try:
        ledger = pa.concat_tables(parquet(data, contracts.LEDGER.names).cast(_LEDGER) for data in files)
    except pa.ArrowException as error:
        return [f"{LEDGER}: {error}"]
    found.inputs, told = ledger.num_rows, counts(tally(ledger))
    if wrong := unbalanced(ledger, sum(s["inputs"] for s in manifest["sources"]), ids):
        return [f"{LEDGER}: {wrong}"]
    return [
        f"{LEDGER}: {name} {json.dumps(told[name])}, the manifest says {json.dumps(manifest['ledger'].get(name))}"
        for name in told
        if told[name] != manifest["ledger"].get(name)
    ]


def _balance_of_shards(manifest: dict[str, Any], readers: int, found: Verified) -> None:
    kinds: dict[str, list[dict[str, Any]]] = {}
    for shard in manifest["shards"]:
        kinds.setdefault(f"{shard['split']}-{shard['family']}", []).append(shard)
    for kind, shards in sorted(kinds.items()):
        even = [
            s["bytes"] for s in shards if s["samples"] > 1
        ]  # a sample larger than the target has a shard of its own
        if even:
            mean = sum(even) / len(even)
            found.spread[kind] = (max(even) - min(even)) / mean
            if max(even) > 2 * mean:
                found.warnings.append(
                    f"{kind}: the largest shard has {max(even) / mean:.1f} times the bytes of the mean"
                )
        if len(shards) < readers:
            found.warnings.append(
                f"{kind} has {len(shards)} shards for {readers:,} readers (workers x ranks): {readers - len(shards):,} would "
                "have nothing to read, and a training loop may wait for them for ever; use fewer workers or a smaller "
                "shard.target_bytes"
            )
