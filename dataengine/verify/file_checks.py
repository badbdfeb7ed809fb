"""Checks one file of a release while its bytes go by once: checksum and size, and of a tar every member.

The file is read in pieces, so memory does not grow with it. Errors are collected instead of raised.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dataengine.errors import RunError
from dataengine.release.ledger import is_ledger
from dataengine.release.manifest import Contents
from dataengine.release.manifest_sections import ReleaseFile
from dataengine.shards.manifest import TarShard
from dataengine.storage.store import Store
from dataengine.verify.shard_checks import Group, RecordCheck, SampleCheck, groups, needed
from dataengine.verify.tar_scanner import Scanner

#: Errors that are kept of one file.
_KEPT = 20
_PIECE = 4 << 20
"""Of a local file. With 1 MB verifying took a tenth longer: after each piece hashed, the first samples looked at cost most."""
_thread = threading.local()

Member = tuple[str, int, bytes | None]
"""Name, size, and the payload where it is needed."""


@dataclass(frozen=True)
class ExpectedTar:
    """A tar as the manifest has it; ``check`` is for its samples, None where they are chain-of-thought records."""

    shard: TarShard
    entries: int
    check: SampleCheck | None = None


@dataclass
class FileReport:
    """``ids`` of the samples or records in a tar, ``parents`` that its records are about; ``data`` of a ledger file."""

    errors: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    parents: set[str] = field(default_factory=set)
    data: bytes = b""

    def error(self, key: str, reason: str) -> None:
        if len(self.errors) < _KEPT:
            self.errors.append(f"{key}: {reason}" if key else reason)


def expected_tars(contents: Contents) -> dict[str, ExpectedTar]:
    """What the manifest says of each tar, by path."""
    tokenizer = contents.tokenizer
    codebooks = tuple(tokenizer.codebook_sizes) if tokenizer else None
    tokenizer_id = tokenizer.id if tokenizer else ""
    samples = {
        f"shards/{s.name}.tar": ExpectedTar(s, s.samples, SampleCheck(s.family, codebooks or None, tokenizer_id))
        for s in contents.shards
    }
    return samples | {f"cot/{s.name}.tar": ExpectedTar(s, s.records) for s in contents.cot.shards}


def check_file(store: Store, item: ReleaseFile, tar: ExpectedTar | None) -> FileReport:
    """``item``: the file as listed in the manifest's ``files``; ``tar``: as listed among its shards, where it is one."""
    report, digest, size = FileReport(), hashlib.sha256(), 0

    def pieces() -> Iterator[memoryview]:
        nonlocal size
        for piece in _pieces(store, item):
            digest.update(piece)
            size += len(piece)
            yield piece

    try:
        if tar is None:
            for piece in pieces():
                report.data += piece if is_ledger(item.path) else b""
        else:
            rest = pieces()
            _check_entries(_members(rest, report), tar, report)
            for _ in rest:  # bytes after a damaged header still count for the checksum
                continue
    except FileNotFoundError:
        report.error("", "is in the manifest, but does not exist")
        return report
    except RunError as error:
        report.error("", str(error).removeprefix(f"{store.uri(item.path)}: "))
        return report
    _check_digest(item, tar, size, digest.hexdigest(), report)
    return report


def _check_digest(item: ReleaseFile, tar: ExpectedTar | None, size: int, sha256: str, report: FileReport) -> None:
    if (size, sha256) != (item.bytes, item.sha256):
        report.errors.insert(
            0, f"checksum mismatch: got {sha256} ({size:,} bytes), expected {item.sha256} ({item.bytes:,} bytes)"
        )
    if tar is not None and (tar.shard.sha256, tar.shard.bytes) != (item.sha256, item.bytes):
        report.error("", "the manifest's `files` and its list of shards differ in sha256 or bytes")


def _check_entries(members: Iterator[Member], tar: ExpectedTar, report: FileReport) -> None:
    check: Callable[[Group], str] = tar.check or RecordCheck(tar.shard.family, report.parents.update)
    for group in groups(members, report.error):
        report.ids.append(group.key)
        if reason := check(group):
            report.error(group.key, reason)
    if len(report.ids) != tar.entries:
        report.error("", f"holds {len(report.ids):,} entries, the manifest says {tar.entries:,}")


def _members(pieces: Iterator[memoryview], report: FileReport) -> Iterator[Member]:
    """Members as long as the tar can be read. Only its damage is reported here: errors of storage are the caller's."""
    scanner = Scanner(needed)
    for piece in pieces:
        try:
            yield from scanner.feed(piece)
        except RunError as error:
            report.error("", str(error))
            return
    try:
        scanner.finish()
    except RunError as error:
        report.error("", str(error))


def _pieces(store: Store, item: ReleaseFile) -> Iterator[memoryview]:
    if store.remote:
        for piece in store.stream(item.path, item.bytes):
            yield memoryview(piece)
        return
    view = _buffer(_PIECE)
    with Path(store.url, item.path).open("rb", buffering=0) as file:
        while count := file.readinto(view):
            yield view[:count]


def _buffer(size: int) -> memoryview:
    """One per thread, whatever it reads: a new one for each file costs more than the checks of its samples."""
    if len(getattr(_thread, "buffer", b"")) != size:
        _thread.buffer = bytearray(size)
    return memoryview(_thread.buffer)
